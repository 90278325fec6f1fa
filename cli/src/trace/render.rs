//! An answer as text.

use std::fmt::Write as _;

use fleet_api::trace::{Trace, TraceQuery, Verdict};
use fleet_contracts::payload::Phase;
use fleet_contracts::{Revision, UnixMillis};

use crate::output::{printable, table};

/// What to know, and to do, about a verdict.
const fn advice(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::NotSeen => "The operator has not taken this change yet: is it running?",
        Verdict::SpecRefused => "Nothing of this change goes out; devices keep what they run.",
        Verdict::Removing => "The Deployment is being deleted.",
        Verdict::DeviceUnknown => "No device of this name has registered.",
        Verdict::NotMatched => "The Deployment does not mean this device: its labels say so.",
        Verdict::NotWritten => "The operator has not written it to the bus yet; it tries on.",
        Verdict::DeviceRefuses => "The device does not trust what it is sent: look into this.",
        Verdict::DeviceSilent => "It lies ready; the device fetches it when it is back.",
        Verdict::OnItsWay => {
            "It lies ready; the device says with its next heartbeat what it follows."
        }
        Verdict::Applying => "The device is working on it.",
        Verdict::ApplyFailed => "The device failed at it, and tries again by itself.",
        Verdict::Applied => "The device runs it.",
        Verdict::Unknown => "This operator is newer than this program.",
    }
}

/// How far one stage is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Done,
    Stuck,
    Waiting,
}

impl State {
    const fn when(done: bool) -> Self {
        if done { Self::Done } else { Self::Waiting }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Stuck => "STUCK",
            Self::Waiting => "-",
        }
    }
}

/// One line of the timeline.
struct Stage {
    name: &'static str,
    state: State,
    at: Option<UnixMillis>,
    detail: String,
}

/// The answer for people: the verdict, and a line for each stage.
pub(super) fn text(trace: &Trace, query: &TraceQuery) -> String {
    let mut text = String::new();
    let mut field = |name: &str, value: &str| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{name:12}{}", printable(value));
    };
    let deployment = &trace.deployment;
    let generation = query.generation;
    field(
        "Deployment:",
        &format!(
            "{}/{}, generation {generation}",
            deployment.namespace, deployment.name
        ),
    );
    field("Device:", trace.device.as_str());
    let verdict = match &trace.reason {
        Some(reason) => format!("{} ({reason})", trace.verdict),
        None => trace.verdict.to_string(),
    };
    field("Verdict:", &verdict);
    if !trace.message.is_empty() {
        field("", &trace.message);
    }
    field("", advice(trace.verdict));
    for problem in &trace.problems {
        field("Operator:", problem);
    }
    let rows: Vec<_> = stages(trace)
        .iter()
        .map(|stage| row(stage, trace.at))
        .collect();
    text.push('\n');
    text + &table(&["STAGE", "STATE", "AGO", "DETAIL"], &rows)
}

fn row(stage: &Stage, now: UnixMillis) -> Vec<String> {
    let ago = stage.at.map(|at| ago(now.millis_since(at)));
    vec![
        stage.name.to_owned(),
        stage.state.as_str().to_owned(),
        ago.unwrap_or_default(),
        stage.detail.clone(),
    ]
}

/// Milliseconds, as exact as they are worth.
fn ago(millis: u64) -> String {
    match millis {
        0..1_000 => format!("{millis}ms"),
        1_000..120_000 => format!("{}.{}s", millis / 1_000, millis % 1_000 / 100),
        120_000..7_200_000 => format!("{}m", millis / 60_000),
        7_200_000..172_800_000 => format!("{}h", millis / 3_600_000),
        _ => format!("{}d", millis / 86_400_000),
    }
}

/// The stages in their order; the first that is not done is where the change is, or is stuck.
fn stages(trace: &Trace) -> Vec<Stage> {
    let mut stages = vec![
        seen(trace),
        matched(trace),
        written(trace),
        heard(trace),
        reported(trace),
    ];
    let halt = match trace.verdict {
        Verdict::NotSeen | Verdict::SpecRefused | Verdict::Removing => Some("seen"),
        Verdict::DeviceUnknown | Verdict::NotMatched => Some("matched"),
        Verdict::NotWritten => Some("written"),
        Verdict::DeviceRefuses | Verdict::DeviceSilent => Some("heard"),
        Verdict::ApplyFailed => Some("reported"),
        Verdict::OnItsWay | Verdict::Applying | Verdict::Applied | Verdict::Unknown => None,
    };
    if let Some(place) = stages.iter().position(|stage| Some(stage.name) == halt) {
        for (number, stage) in stages.iter_mut().enumerate().skip(place) {
            stage.state = if number == place {
                State::Stuck
            } else {
                State::Waiting
            };
        }
    }
    stages
}

fn seen(trace: &Trace) -> Stage {
    let seen = &trace.seen;
    let revision = seen
        .revision
        .as_ref()
        .map_or("none".to_owned(), Revision::short);
    Stage {
        name: "seen",
        state: State::Done,
        at: seen.since,
        detail: format!("generation {}, revision {revision}", seen.generation),
    }
}

fn matched(trace: &Trace) -> Stage {
    let unmet = trace.target.unmet.iter().map(|unmet| {
        let found = match &unmet.found {
            Some(value) => format!("{}={value}", unmet.label),
            None => format!("no label {}", unmet.label),
        };
        format!("wants {}, has {found}", unmet.rule)
    });
    let detail = match &trace.target.revision {
        Some(revision) => format!("to run revision {}", revision.short()),
        None => unmet.collect::<Vec<_>>().join("; "),
    };
    Stage {
        name: "matched",
        state: State::when(trace.target.revision.is_some()),
        at: None,
        detail,
    }
}

fn written(trace: &Trace) -> Stage {
    let written = &trace.written;
    let named = match (&written.generation, &written.revision) {
        (None, _) => "no manifest".to_owned(),
        (Some(generation), None) => format!("manifest {} does not name it", generation.0),
        (Some(generation), Some(revision)) => {
            format!(
                "manifest {} names revision {}",
                generation.0,
                revision.short()
            )
        }
    };
    let done = written.revision.is_some() && written.revision == trace.target.revision;
    Stage {
        name: "written",
        state: State::when(done),
        at: None,
        detail: named,
    }
}

fn heard(trace: &Trace) -> Stage {
    let heard = &trace.heard;
    let follows = heard
        .follows
        .map(|generation| format!("follows manifest {}", generation.0));
    let refuses = heard.refusal.as_ref();
    let refuses = refuses.map(|refusal| format!("refuses: {} {}", refusal.reason, refusal.message));
    let silent = heard.stale.then(|| "not heard any more".to_owned());
    let all: Vec<_> = [silent, refuses, follows].into_iter().flatten().collect();
    Stage {
        name: "heard",
        state: State::when(heard.follows >= trace.written.generation && heard.last.is_some()),
        at: heard.last,
        detail: all.join("; "),
    }
}

fn reported(trace: &Trace) -> Stage {
    let Some(reported) = &trace.reported else {
        return Stage {
            name: "reported",
            state: State::Waiting,
            at: None,
            detail: "nothing yet".to_owned(),
        };
    };
    let (revision, phase) = (reported.revision.short(), reported.phase);
    let because = reported.reason.as_ref();
    let because = because.map_or_else(String::new, |reason| format!(", {reason}"));
    let runs = matches!(phase, Phase::Running | Phase::Completed);
    Stage {
        name: "reported",
        state: State::when(runs && Some(reported.revision) == trace.target.revision),
        at: Some(reported.received),
        detail: format!("{phase:?}{because} at revision {revision}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn rendered(changes: &Value) -> String {
        let mut answer = json!({
            "deployment": "shop.web", "device": "pi-7", "at": 100_000, "verdict": "Applied",
            "seen": {"generation": 3, "revision": "ab".repeat(32), "since": 40_000},
            "target": {"revision": "ab".repeat(32)},
            "written": {"generation": 17, "sequence": 5, "revision": "ab".repeat(32)},
            "heard": {"stale": false, "last": 99_500, "follows": 17},
            "reported": {"revision": "ab".repeat(32), "phase": "Running", "received": 42_000},
        });
        let fields = changes.as_object().expect("an object");
        for (field, value) in fields {
            answer[field] = value.clone();
        }
        let trace: Trace = serde_json::from_value(answer).expect("an answer");
        let query = TraceQuery {
            uid: String::new(),
            generation: 3,
        };
        text(&trace, &query)
    }

    /// The states of all stages, in order.
    fn states(text: &str) -> Vec<&str> {
        let (_, rows) = text.split_once("STAGE").expect("a table");
        let rows = rows.lines().skip(1);
        rows.filter_map(|row| row.split_whitespace().nth(1))
            .collect()
    }

    #[test]
    fn a_change_that_arrived_has_passed_all_stages() {
        let text = rendered(&json!({}));
        assert!(
            text.starts_with("Deployment: shop/web, generation 3\nDevice:     pi-7\n"),
            "{text}"
        );
        assert!(
            text.contains("Verdict:    Applied\n            The device runs it.\n"),
            "{text}"
        );
        assert_eq!(states(&text), ["done"; 5]);
        assert!(text.contains("500ms   follows manifest 17"), "{text}");
        assert!(
            text.contains("58.0s   Running at revision abababababab"),
            "{text}"
        );
    }

    #[test]
    fn the_stage_that_a_change_is_stuck_at_stands_out() {
        let text = rendered(
            &json!({"verdict": "NotMatched", "reported": null, "target": {
            "unmet": [{"rule": "site=shop", "label": "site", "found": "lab"}]}}),
        );
        assert_eq!(states(&text), ["done", "STUCK", "-", "-", "-"]);
        assert!(text.contains("wants site=shop, has site=lab"), "{text}");

        let text = rendered(&json!({"verdict": "ApplyFailed", "reason": "ImageNotFound",
            "message": "no such tag\u{1b}[2J", "reported": {"revision": "ab".repeat(32),
            "phase": "Pending", "reason": "ImageNotFound", "received": 42_000}}));
        assert_eq!(states(&text), ["done", "done", "done", "done", "STUCK"]);
        assert!(
            text.contains("Verdict:    ApplyFailed (ImageNotFound)\n            no such tag?[2J\n"),
            "{text}"
        );
    }
}
