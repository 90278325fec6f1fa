//! What a person sees while a run goes on, on standard error: a bar that is drawn anew on a terminal,
//! and elsewhere a line now and then.

use std::io::{IsTerminal as _, Write as _};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Between two drawings on a terminal.
const REDRAW: Duration = Duration::from_millis(200);
/// Between two lines elsewhere.
const LINE: Duration = Duration::from_secs(10);
/// Characters of a bar.
const WIDTH: usize = 24;

/// Where progress is shown.
#[derive(Debug)]
pub struct Progress {
    terminal: bool,
    quiet: bool,
    begun: Instant,
    shown: Mutex<Option<Instant>>,
}

impl Progress {
    /// On standard error.
    pub fn stderr() -> Self {
        Self {
            terminal: std::io::stderr().is_terminal(),
            quiet: false,
            begun: Instant::now(),
            shown: Mutex::default(),
        }
    }

    /// Nowhere.
    pub fn quiet() -> Self {
        Self {
            quiet: true,
            ..Self::stderr()
        }
    }

    /// A new step begins, or ended.
    pub fn say(&self, what: &str) {
        let clear = if self.terminal { "\r\x1b[2K" } else { "" };
        self.write(&format!("{clear}{:7.1} s  {what}\n", self.seconds()));
    }

    /// How far a step is, with figures beside it.
    pub fn step(&self, done: usize, all: usize, figures: &str) {
        if !self.is_due() {
            return;
        }
        let (all, seconds) = (all.max(1), self.seconds());
        let full = (done.min(all) * WIDTH) / all;
        let bar = format!("{}{}", "#".repeat(full), ".".repeat(WIDTH - full));
        let line = format!("{seconds:7.1} s  [{bar}] {done}/{all}  {figures}");
        if self.terminal {
            self.write(&format!("\r\x1b[2K{line}"));
        } else {
            self.write(&format!("{line}\n"));
        }
    }

    fn is_due(&self) -> bool {
        let pause = if self.terminal { REDRAW } else { LINE };
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let due = shown.is_none_or(|at| at.elapsed() >= pause);
        if due {
            *shown = Some(Instant::now());
        }
        due
    }

    fn seconds(&self) -> f64 {
        self.begun.elapsed().as_secs_f64()
    }

    fn write(&self, text: &str) {
        if !self.quiet {
            // Nobody looks, then.
            let _ = std::io::stderr().write_all(text.as_bytes());
        }
    }
}
