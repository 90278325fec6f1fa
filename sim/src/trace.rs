//! What happened last, in words; and a fingerprint of all that happened.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::mem::discriminant;

/// The longest line.
const WIDTH: usize = 400;

/// The last lines.
#[derive(Debug, Default)]
pub struct Trace {
    kept: usize,
    lines: VecDeque<String>,
    digest: DefaultHasher,
}

impl Trace {
    /// One that keeps so many lines; none costs nothing.
    pub fn keeping(lines: usize) -> Self {
        Self {
            kept: lines,
            ..Self::default()
        }
    }

    /// Something happens.
    pub fn event<E: Debug>(&mut self, now: u64, event: &E) {
        (now, discriminant(event)).hash(&mut self.digest);
        self.note(now, || format!("{event:?}"));
    }

    /// Something is worth a line.
    pub fn note(&mut self, now: u64, line: impl FnOnce() -> String) {
        if self.kept == 0 {
            return;
        }
        if self.lines.len() == self.kept {
            self.lines.pop_front();
        }
        let line: String = line().chars().take(WIDTH).collect();
        self.lines.push_back(format!("{now:>8} {line}"));
    }

    /// The last lines, the oldest first.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(String::as_str)
    }

    /// Tells two histories apart.
    pub fn digest(&self) -> u64 {
        self.digest.finish()
    }
}
