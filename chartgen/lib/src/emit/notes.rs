//! Writes `NOTES.txt`: text, not YAML.

use super::text::braces;
use super::{Context, Emitter, HEADER};
use crate::chart::notes::Note;
use crate::expr::{Form, Place};
use crate::{Expr, Kind};

/// The text of `NOTES.txt`.
pub(crate) fn notes(context: &Context<'_>, notes: &[Note], at: Place) -> String {
    let mut emitter = Emitter::new(context, at);
    emitter.out = format!("{{{{- /* {HEADER} */ -}}}}\n");
    emitter.notes(notes);
    emitter.out
}

impl Emitter<'_> {
    fn notes(&mut self, notes: &[Note]) {
        for (index, note) in notes.iter().enumerate() {
            match note {
                Note::Line(parts) => {
                    let line: String = parts.iter().map(|part| self.printed(part)).collect();
                    // What follows may begin with a brace that takes the blanks before it.
                    let last = !matches!(notes.get(index + 1), Some(Note::Line(_)));
                    let line = if last && line.trim().is_empty() {
                        r#"{{ "" }}"#.to_owned()
                    } else {
                        line
                    };
                    self.line(0, &line);
                }
                Note::If(cond, then, otherwise) => {
                    let head = format!("if {}", self.test(&cond.0));
                    if otherwise.is_empty() {
                        let scope = self.scope.clone();
                        self.inside(0, &head, scope, |e| e.notes(then));
                    } else {
                        self.either(0, &head, |e| e.notes(then), |e| e.notes(otherwise));
                    }
                }
            }
        }
    }

    fn printed(&self, part: &Expr) -> String {
        if let Form::Text(text) = &part.form {
            return braces(text);
        }
        let writer = self.writer();
        match writer.kind(part) {
            Kind::Int => format!("{{{{ int64 {} }}}}", writer.operand(part)),
            kind => {
                if matches!(kind, Kind::Obj | Kind::Seq) {
                    writer.not_text(part, kind);
                }
                format!("{{{{ {} }}}}", writer.pipeline(part))
            }
        }
    }
}
