//! `NOTES.txt`: what Helm prints after an installation.

use crate::expr::Form;
use crate::{Cond, Expr};

/// What Helm prints after an installation: lines of text and expressions, some of them under
/// conditions.
///
/// ```
/// # struct Values { ingress: bool }
/// use chartgen::{Expr, Notes, text, v};
/// let notes = Notes::new()
///     .line(text!["The release ", Expr::release_name(), " is installed."])
///     .when(v!(Values, ingress), |notes| notes.text("It can be reached from outside."));
/// ```
#[derive(Debug, Clone, Default)]
pub struct Notes(pub(crate) Vec<Note>);

#[derive(Debug, Clone)]
pub(crate) enum Note {
    Line(Vec<Expr>),
    If(Cond, Vec<Note>, Vec<Note>),
}

impl Notes {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lines of text.
    #[must_use]
    #[track_caller]
    pub fn text(mut self, text: &str) -> Self {
        for line in text.split('\n') {
            self.0.push(Note::Line(vec![Expr::text(line)]));
        }
        self
    }

    /// One line, such as [`text!`](crate::text) puts together.
    #[must_use]
    pub fn line(mut self, line: impl Into<Expr>) -> Self {
        let line = line.into();
        self.0.push(Note::Line(match line.form {
            Form::Concat(parts) => parts,
            _ => vec![line],
        }));
        self
    }

    /// Lines that are printed only if a condition holds.
    #[must_use]
    pub fn when(mut self, cond: impl Into<Cond>, then: impl FnOnce(Self) -> Self) -> Self {
        let then = then(Self::new()).0;
        self.0.push(Note::If(cond.into(), then, Vec::new()));
        self
    }

    /// Some lines if a condition holds, others if not.
    #[must_use]
    pub fn either(
        mut self,
        cond: impl Into<Cond>,
        then: impl FnOnce(Self) -> Self,
        otherwise: impl FnOnce(Self) -> Self,
    ) -> Self {
        let (then, otherwise) = (then(Self::new()).0, otherwise(Self::new()).0);
        self.0.push(Note::If(cond.into(), then, otherwise));
        self
    }
}
