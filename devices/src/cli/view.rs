use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use fleet_output::{printable, tell};

use super::setup::Format;
use super::table::Table;
use crate::host::Outcome;
use crate::setup::{Event, HostReport, Outcomes};

/// What people see while hosts are set up, and afterwards.
pub(super) struct View {
    names: Vec<String>,
    format: Format,
    plan: bool,
    way: Way,
}

enum Way {
    /// One host, with all that is different.
    Whole,
    /// Many, a line for each thing that happens to one.
    Lines,
    /// Many, on a terminal: a table that is drawn anew.
    Live(Mutex<Table>),
}

impl View {
    pub(super) fn new(names: &[String], fleet: bool, format: Format, plan: bool) -> Self {
        let live = std::io::stderr().is_terminal() && !plan;
        Self {
            names: names.to_vec(),
            format,
            plan,
            way: match (fleet, live) {
                (false, _) => Way::Whole,
                (true, false) => Way::Lines,
                (true, true) => Way::Live(Mutex::new(Table::new(names))),
            },
        }
    }

    /// Something happened to the host of this number.
    pub(super) fn show(&self, number: usize, event: &Event<'_>) {
        match &self.way {
            Way::Live(table) => {
                let mut table = table.lock().unwrap_or_else(PoisonError::into_inner);
                table.note(number, event);
                let _ = std::io::stderr().write_all(table.draw().as_bytes());
            }
            Way::Whole => self.whole(&self.names[number], event),
            Way::Lines => self.line(&self.names[number], event),
        }
    }

    pub(super) fn say(&self, text: &str) {
        // A closed pipe is no reason to stop half way.
        let _ = match self.format {
            Format::Text => tell(format!("{text}\n")).is_ok(),
            Format::Json => writeln!(std::io::stderr(), "{text}").is_ok(),
        };
    }

    fn whole(&self, name: &str, event: &Event<'_>) {
        match event {
            Event::Met(what) => self.say(&format!("{name}: {}", printable(what))),
            Event::Begins(what) => eprintln!("  ...        {what}"),
            Event::Says(line) => eprintln!("             {}", printable(line)),
            Event::Ended(what, outcome, took) => self.say(&ended(what, outcome, *took)),
            Event::Done(_) => {}
        }
    }

    fn line(&self, name: &str, event: &Event<'_>) {
        match event {
            Event::Met(what) => self.say(&format!("{name}: {}", printable(what))),
            Event::Says(line) => self.say(&format!("{name}: {}", printable(line))),
            Event::Ended(_, Outcome::Unchanged, _) | Event::Begins(_) => {}
            Event::Ended(what, outcome, took) => {
                for line in ended(what, outcome, *took).lines() {
                    self.say(&format!("{name}: {}", line.trim_end()));
                }
            }
            Event::Done(report) => self.say(&format!("{name}: {}", came_of(report, self.plan))),
        }
    }

    /// All is done.
    pub(super) fn end(&self, outcomes: &Outcomes) {
        if let Way::Live(table) = &self.way {
            let mut table = table.lock().unwrap_or_else(PoisonError::into_inner);
            let _ = std::io::stderr().write_all(table.clear().as_bytes());
        }
        match (self.format, &self.way) {
            (Format::Json, _) => {
                let text = serde_json::to_string_pretty(outcomes).unwrap_or_default();
                let _ = tell(format!("{text}\n"));
            }
            (Format::Text, Way::Whole) => {
                // What failed is said at the end of the program.
                let done = outcomes.hosts.iter().filter(|host| host.error.is_none());
                for host in done {
                    self.say(&format!("{}: {}", host.host, came_of(host, self.plan)));
                }
            }
            (Format::Text, _) => self.say(summary(outcomes, self.plan).trim_end()),
        }
    }
}

fn ended(what: &str, outcome: &Outcome, took: Duration) -> String {
    let (word, difference): (_, &[String]) = match outcome {
        Outcome::Unchanged => ("unchanged", &[]),
        Outcome::Changed(difference) => ("changed", difference),
        Outcome::Planned(difference) => ("to change", difference),
    };
    let mut text = format!("{word:<10} {what}  ({:.1} s)", took.as_secs_f64());
    for line in difference {
        // Writing to a String cannot fail.
        let _ = write!(text, "\n             {}", printable(line));
    }
    text
}

/// What came of a host, in one line.
pub(super) fn came_of(host: &HostReport, plan: bool) -> String {
    if let Some(error) = &host.error {
        let message: Vec<_> = error.message.lines().map(printable).collect();
        return format!("failed: {}: {}", error.reason, message.join("; "));
    }
    let verb = if plan { "to change" } else { "changed" };
    let mut text = format!("{} {verb}", host.changes);
    let Some(device) = &host.device else {
        return text;
    };
    let _ = write!(text, "; Device {device}");
    if host.reachable == Some(true) {
        text.push_str(" is Reachable");
    }
    if let Some(why) = &host.not_checked {
        let _ = write!(
            text,
            "; its agent is connected; whether the fleet says Reachable was not checked ({}): name its cluster with \
             --kubeconfig or --context, or look with `fleet get device {device}`",
            printable(why)
        );
    }
    text
}

/// A line for each host, and how many failed.
fn summary(outcomes: &Outcomes, plan: bool) -> String {
    let width = outcomes.hosts.iter().map(|host| host.host.len());
    let width = width.max().unwrap_or_default();
    let mut text = String::new();
    for host in &outcomes.hosts {
        let (came, took) = (came_of(host, plan), host.seconds);
        let _ = writeln!(text, "{:<width$}  {took:>6.1} s  {came}", host.host);
    }
    let (failed, all) = (outcomes.failed(), outcomes.hosts.len());
    let _ = writeln!(
        text,
        "{} of {all} hosts done, {failed} failed",
        all - failed
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setup::ErrorReport;

    fn report(host: &str) -> HostReport {
        HostReport {
            host: host.to_owned(),
            device: host.parse().ok(),
            changes: 3,
            reachable: Some(true),
            not_checked: None,
            seconds: 12.34,
            steps: Vec::new(),
            error: None,
        }
    }

    #[test]
    fn each_host_has_a_line_and_one_that_failed_says_why() {
        let failed = HostReport {
            error: Some(ErrorReport {
                reason: "NoSudo".to_owned(),
                message: "first\nsecond\u{1b}[2J".to_owned(),
            }),
            ..report("eight")
        };
        let unchecked = HostReport {
            reachable: None,
            not_checked: Some("no cluster is configured".to_owned()),
            ..report("nine")
        };
        let hosts = vec![report("seven"), failed, unchecked];
        let text = summary(&Outcomes { hosts }, false);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(
            lines[0],
            "seven    12.3 s  3 changed; Device seven is Reachable"
        );
        assert_eq!(
            lines[1],
            "eight    12.3 s  failed: NoSudo: first; second?[2J"
        );
        assert!(
            lines[2].contains("not checked (no cluster is configured)"),
            "{text}"
        );
        assert_eq!(lines[3], "2 of 3 hosts done, 1 failed");
    }
}
