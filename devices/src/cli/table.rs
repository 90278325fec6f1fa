use std::fmt::Write as _;

use fleet_output::printable;

use crate::host::Outcome;
use crate::setup::Event;

/// A terminal that does not say how large it is.
const SIZE: (usize, usize) = (80, 24);

/// What happens to each host, drawn anew with each change: those at work first, then those that failed, as many as
/// the terminal has room for.
pub(super) struct Table {
    rows: Vec<Row>,
    /// Lines that were drawn last.
    drawn: usize,
}

struct Row {
    name: String,
    state: State,
    text: String,
    changes: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    Working,
    Failed,
    Waiting,
    Done,
}

impl State {
    const fn word(self) -> &'static str {
        match self {
            Self::Working => "...",
            Self::Failed => "failed",
            Self::Waiting => "waiting",
            Self::Done => "done",
        }
    }
}

impl Table {
    pub(super) fn new(names: &[String]) -> Self {
        let row = |name: &String| Row {
            name: name.clone(),
            state: State::Waiting,
            text: String::new(),
            changes: 0,
        };
        Self {
            rows: names.iter().map(row).collect(),
            drawn: 0,
        }
    }

    pub(super) fn note(&mut self, number: usize, event: &Event<'_>) {
        let Some(row) = self.rows.get_mut(number) else {
            return;
        };
        row.state = State::Working;
        match event {
            Event::Met(what) => row.text.clone_from(what),
            Event::Begins(text) | Event::Says(text) => (*text).clone_into(&mut row.text),
            Event::Ended(_, outcome, _) => {
                row.changes += usize::from(**outcome != Outcome::Unchanged);
            }
            Event::Done(report) => {
                (row.state, row.text) = match &report.error {
                    Some(error) => (State::Failed, error.reason.clone()),
                    None => (State::Done, super::view::came_of(report, false)),
                };
            }
        }
    }

    /// What replaces the table that was drawn before by one of now.
    pub(super) fn draw(&mut self) -> String {
        let size = rustix::termios::tcgetwinsize(std::io::stderr()).ok();
        let size = size.map(|size| (usize::from(size.ws_col), usize::from(size.ws_row)));
        let (columns, lines) = size.filter(|(columns, _)| *columns > 0).unwrap_or(SIZE);
        self.draw_in(columns, lines)
    }

    fn draw_in(&mut self, columns: usize, lines: usize) -> String {
        let mut text = self.clear();
        let mut rows: Vec<_> = self.rows.iter().collect();
        rows.sort_by_key(|row| row.state);
        let width = rows.iter().map(|row| row.name.len()).max().unwrap_or(0);
        // The last line is for the counts, and one for the cursor.
        let shown = rows.len().min(lines.saturating_sub(2));
        for row in &rows[..shown] {
            let what = printable(&row.text);
            let line = format!(
                "{:<width$}  {:<7}  {:>2}  {what}",
                row.name,
                row.state.word(),
                row.changes
            );
            let cut: String = line.chars().take(columns.saturating_sub(1)).collect();
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{}", cut.trim_end());
        }
        let count = |state| rows.iter().filter(|row| row.state == state).count();
        let _ = writeln!(
            text,
            "{} of {} done, {} failed",
            count(State::Done),
            rows.len(),
            count(State::Failed)
        );
        self.drawn = shown + 1;
        text
    }

    /// What takes away the table that was drawn before.
    pub(super) fn clear(&mut self) -> String {
        match std::mem::take(&mut self.drawn) {
            0 => String::new(),
            // Up so many lines, and everything below goes.
            lines => format!("\x1b[{lines}A\x1b[J"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_fits_and_replaces_itself() {
        let names: Vec<_> = (0..9).map(|n| format!("host-{n}")).collect();
        let mut table = Table::new(&names);
        let long = "packages ".repeat(30);
        table.note(4, &Event::Begins(&long));
        let first = table.draw_in(40, 6);
        let lines: Vec<_> = first.lines().collect();
        assert_eq!(lines.len(), 5);
        assert!(
            lines[0].starts_with("host-4  ...       0  packages"),
            "{first}"
        );
        assert!(lines.iter().all(|line| line.len() < 40), "{first}");
        assert_eq!(lines[4], "0 of 9 done, 0 failed");
        assert!(table.draw_in(40, 6).starts_with("\x1b[5A\x1b[J"));
        assert_eq!(table.clear(), "\x1b[5A\x1b[J");
        assert_eq!(table.clear(), "");
    }
}
