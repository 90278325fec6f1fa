//! Writes templates: one or more documents, and the control structures around them.

use super::{Context, Emitter, HEADER, Scope};
use crate::Expr;
use crate::document::Document;
use crate::error::Problem;
use crate::tree::{Node, Part};

/// The text of a template.
pub(crate) fn template(
    context: &Context<'_>,
    parts: &[Part<Document>],
    at: crate::expr::Place,
) -> String {
    let mut emitter = Emitter::new(context, at);
    emitter.out = format!("{{{{- /* {HEADER} */ -}}}}\n");
    let separated = !matches!(parts, [Part::One(_) | Part::If { .. }]) || parts.iter().any(several);
    emitter.documents(parts, separated);
    emitter.out
}

/// Whether a part can render to more than one document.
fn several(part: &Part<Document>) -> bool {
    match part {
        Part::One(_) => false,
        Part::If {
            then, otherwise, ..
        } => many(then) || many(otherwise),
        Part::With { body, .. } => many(body),
        Part::Range { .. } | Part::Splice(_) => true,
    }
}

fn many(parts: &[Part<Document>]) -> bool {
    parts.len() > 1 || parts.iter().any(several)
}

impl Emitter<'_> {
    fn documents(&mut self, parts: &[Part<Document>], separated: bool) {
        for part in parts {
            match part {
                Part::One(document) => self.document(document, separated),
                Part::Splice(objects) => self.objects(objects),
                control => self.structure(control, 0, &|emitter, parts| {
                    emitter.documents(parts, separated);
                }),
            }
        }
    }

    fn document(&mut self, document: &Document, separated: bool) {
        self.at = document.at;
        self.context
            .errors
            .borrow_mut()
            .extend(document.errors.iter().cloned());
        for check in &document.checks {
            let error = check.run(&|path| self.context.kind(path));
            self.context.errors.borrow_mut().extend(error);
        }
        if !is_object(&document.root) {
            self.context.report(document.at, Problem::NotAnObject);
        }
        for what in crate::merge::duplicates(&document.root) {
            self.context
                .report(document.at, Problem::Duplicate { what });
        }
        match &document.cond {
            None => self.body(&document.root, separated),
            Some(cond) => {
                let head = format!("if {}", self.test(&cond.0));
                let scope = self.scope.clone();
                self.inside(0, &head, scope, |e| e.body(&document.root, separated));
            }
        }
    }

    fn body(&mut self, root: &Node, separated: bool) {
        if separated {
            self.line(0, "---");
        }
        let depth = std::mem::take(&mut self.depth);
        self.open_text = false;
        self.root(root);
        self.end_text();
        self.depth = depth;
    }

    /// A line after a block of text at the end of a document, so that it keeps its last line
    /// break when Helm trims the document.
    fn end_text(&mut self) {
        if self.open_text {
            self.line(0, "# end");
        }
    }

    /// Objects of the user, whose strings are templates.
    fn objects(&mut self, objects: &Expr) {
        let head = format!("range {}", self.writer().pipeline(objects));
        let scope = Scope {
            inner: true,
            ..Scope::default()
        };
        self.inside(0, &head, scope, |e| {
            e.line(0, "---");
            e.line(0, "{{ tpl (toYaml .) $ }}");
            e.line(0, "# end");
        });
    }
}

/// Whether it is what Helm and Kubernetes take for an object.
fn is_object(root: &Node) -> bool {
    let named = root
        .get("metadata")
        .is_some_and(|m| m.get("name").is_some());
    root.get("apiVersion").is_some() && root.get("kind").is_some() && named
}
