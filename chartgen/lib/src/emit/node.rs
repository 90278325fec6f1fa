//! Writes nodes: mappings, lists, scalars, and the control structures in them.

use std::panic::Location;

use super::expr::Writer;
use super::presence::Presence;
use super::text::{self, Target};
use super::{Context, Emitter};
use crate::cond::Test;
use crate::error::Problem;
use crate::expr::Form;
use crate::tree::{Entry, Item, Key, Node, Part, ones};
use crate::{Expr, Kind};

/// Readers of YAML take keys of up to 1024 characters; the rest is for quotes.
const MAX_KEY: usize = 1000;

/// Data as YAML that no one renders, such as `Chart.yaml`.
pub(crate) fn data(root: &Node) -> String {
    let context = Context::new("", None);
    let mut emitter = Emitter::new(&context, Location::caller());
    emitter.target = Target::Plain;
    emitter.root(root);
    emitter.out
}

impl Emitter<'_> {
    /// A whole document.
    pub(super) fn root(&mut self, node: &Node) {
        match node {
            Node::Map(parts) if !parts.is_empty() => self.entries(parts, 0),
            Node::Seq(parts) if !parts.is_empty() => self.items(parts, 0),
            scalar => {
                let text = self.scalar(scalar);
                self.line(0, &text);
            }
        }
    }

    fn entries(&mut self, parts: &[Part<Entry>], indent: usize) {
        let keys: Vec<String> = ones(parts)
            .filter_map(|entry| match &entry.key {
                Key::Text(key) => Some(key.clone()),
                Key::Expr(_) => None,
            })
            .collect();
        self.entry_parts(parts, &keys, indent);
    }

    /// Entries at one level. What the user adds comes last and in one piece, without the keys that
    /// stand there already: a key must not occur twice.
    fn entry_parts(&mut self, parts: &[Part<Entry>], keys: &[String], indent: usize) {
        let mut maps = Vec::new();
        for part in parts {
            match part {
                Part::One(entry) => self.entry(entry, indent),
                Part::Splice(expr) => maps.push(expr.clone()),
                control => self.structure(control, indent, &|emitter, parts| {
                    emitter.entry_parts(parts, keys, indent);
                }),
            }
        }
        match maps.as_slice() {
            [] => {}
            [one] if keys.is_empty() => self.splice(one, indent),
            [first, ..] => {
                let at = first.at;
                let without = keys.to_vec();
                let form = Form::Merged { maps, without };
                self.splice(&Expr { form, at }, indent);
            }
        }
    }

    fn items(&mut self, parts: &[Part<Item>], indent: usize) {
        for part in parts {
            match part {
                Part::One(item) => self.item(item, indent),
                Part::Splice(expr) => self.splice(expr, indent),
                control => self.structure(control, indent, &|emitter, parts| {
                    emitter.items(parts, indent);
                }),
            }
        }
    }

    /// A control structure around entries or items.
    pub(super) fn structure<T>(
        &mut self,
        part: &Part<T>,
        indent: usize,
        body: &dyn Fn(&mut Self, &[Part<T>]),
    ) {
        match part {
            Part::One(_) | Part::Splice(_) => {}
            Part::If {
                cond,
                then,
                otherwise,
            } => {
                let head = format!("if {}", self.test(&cond.0));
                if otherwise.is_empty() {
                    let scope = self.scope.after(&cond.0);
                    self.inside(indent, &head, scope, |e| body(e, then));
                } else {
                    self.either(indent, &head, |e| body(e, then), |e| body(e, otherwise));
                }
            }
            Part::With { value, body: parts } => {
                let head = format!("with {}", self.writer().pipeline(value));
                let scope = self.scope.with_dot(value.clone());
                self.inside(indent, &head, scope, |e| body(e, parts));
            }
            Part::Range {
                over,
                key,
                item,
                body: parts,
            } => {
                let scope = self.scope.in_loop(key.iter().copied().chain([*item]));
                let name = |var| scope.var(var).unwrap_or_default().to_owned();
                let names = match key {
                    Some(key) => format!("{}, {}", name(*key), name(*item)),
                    None => name(*item),
                };
                let over = self.writer().pipeline(over);
                let head = format!("range {names} := {over}");
                self.inside(indent, &head, scope, |e| body(e, parts));
            }
        }
    }

    /// All that a list or mapping of the user holds.
    fn splice(&mut self, expr: &Expr, indent: usize) {
        if let Form::Include(helper) = &expr.form
            && helper.never_empty()
        {
            return self.yaml(expr, indent);
        }
        // An empty list would be written as `[]`, amid other items.
        self.guarded(expr, indent, |emitter| emitter.yaml(expr, indent));
    }

    /// What stands there only if an expression yields something.
    fn guarded(&mut self, expr: &Expr, indent: usize, body: impl FnOnce(&mut Self)) {
        let guard = match &expr.form {
            Form::Tpl(value) => (**value).clone(),
            _ => expr.clone(),
        };
        let head = format!("with {}", self.writer().pipeline(&guard));
        let scope = self.scope.with_dot(guard);
        self.inside(indent, &head, scope, body);
    }

    /// A list or mapping, or anything, on lines of its own.
    fn yaml(&mut self, expr: &Expr, indent: usize) {
        self.flush_lead(indent);
        let yaml = self.writer().yaml(expr);
        self.line(indent, &format!("{{{{- {yaml} | nindent {indent} }}}}"));
        // What the user gave may end with a block of text, unlike what helpers yield.
        self.open_text = self.open_text || !matches!(expr.form, Form::Include(_));
    }

    fn entry(&mut self, entry: &Entry, indent: usize) {
        match self.presence(&entry.value) {
            None => self.bare_entry(entry, indent),
            Some(Presence::Only(expr)) => {
                self.guarded(expr, indent, |emitter| {
                    emitter.comment(indent, entry.comment.as_ref());
                    let key = emitter.key(&entry.key);
                    emitter.line(indent, &format!("{key}:"));
                    emitter.yaml(expr, indent + 2);
                });
            }
            Some(Presence::When(test)) => {
                self.when(&test, indent, |e| e.bare_entry(entry, indent));
            }
        }
    }

    fn bare_entry(&mut self, entry: &Entry, indent: usize) {
        self.comment(indent, entry.comment.as_ref());
        let key = self.key(&entry.key);
        self.value(&format!("{key}:"), &entry.value, indent);
    }

    fn key(&mut self, key: &Key) -> String {
        match key {
            Key::Text(text) => {
                if text.len() > MAX_KEY {
                    self.context.report(self.at, Problem::LongKey(text.len()));
                }
                text::inline(text, self.target)
            }
            Key::Expr(expr) => {
                let kind = self.writer().kind(expr);
                if kind != Kind::Str && kind != Kind::Any {
                    self.writer().not_text(expr, kind);
                }
                format!("{{{{ {} | quote }}}}", self.writer().pipeline(expr))
            }
        }
    }

    /// A value after its key.
    fn value(&mut self, key: &str, node: &Node, indent: usize) {
        match node {
            Node::Map(parts) if !parts.is_empty() => {
                self.line(indent, key);
                self.entries(parts, indent + 2);
            }
            Node::Seq(parts) if !parts.is_empty() => {
                self.line(indent, key);
                self.items(parts, indent + 2);
            }
            Node::Expr(expr) if self.in_lines(expr) => {
                self.line(indent, key);
                self.yaml(expr, indent + 2);
            }
            Node::Str(text) => {
                if !self.block(&format!("{key} "), text, indent) {
                    let text = text::inline(text, self.target);
                    self.line(indent, &format!("{key} {text}"));
                }
            }
            scalar => {
                let text = self.scalar(scalar);
                self.line(indent, &format!("{key} {text}"));
            }
        }
    }

    fn item(&mut self, item: &Item, indent: usize) {
        match self.presence(&item.value) {
            None => self.bare_item(item, indent),
            Some(Presence::Only(expr)) => {
                let test = Test::Truthy(expr.clone());
                self.when(&test, indent, |e| e.bare_item(item, indent));
            }
            Some(Presence::When(test)) => {
                self.when(&test, indent, |e| e.bare_item(item, indent));
            }
        }
    }

    /// What stands there only if a test holds. An item and its only key have the same test, which
    /// is asked once.
    fn when(&mut self, test: &Test, indent: usize, body: impl FnOnce(&mut Self)) {
        if self.scope.holds.contains(test) {
            return body(self);
        }
        let head = format!("if {}", self.test(test));
        let scope = self.scope.after(test);
        self.inside(indent, &head, scope, body);
    }

    fn bare_item(&mut self, item: &Item, indent: usize) {
        self.comment(indent, item.comment.as_ref());
        self.lead.push_str("- ");
        let indent = indent + 2;
        match &item.value {
            Node::Map(parts) if !parts.is_empty() => self.entries(parts, indent),
            Node::Seq(parts) if !parts.is_empty() => self.items(parts, indent),
            Node::Expr(expr) if self.in_lines(expr) => self.yaml(expr, indent),
            Node::Str(text) => {
                if !self.block("", text, indent) {
                    let text = text::inline(text, self.target);
                    self.line(indent, &text);
                }
            }
            scalar => {
                let text = self.scalar(scalar);
                self.line(indent, &text);
            }
        }
    }

    /// Text as a block below `head`, if it can be one. A block lies deeper than the key or dash
    /// it belongs to.
    fn block(&mut self, head: &str, text: &str, indent: usize) -> bool {
        let Some(block) = text::block(text, self.target) else {
            return false;
        };
        let deeper = if head.is_empty() { indent } else { indent + 2 };
        self.line(indent, &format!("{head}{}", block.indicator));
        for line in &block.lines {
            // An empty line stays empty: nobody wants blanks at the end of lines.
            let indent = if line.is_empty() { 0 } else { deeper };
            self.line(indent, line);
        }
        self.open_text = self.open_text || block.ended;
        true
    }

    /// Whether an expression is written on lines of its own.
    fn in_lines(&self, expr: &Expr) -> bool {
        let kind = self.writer().kind(expr);
        matches!(kind, Kind::Obj | Kind::Seq | Kind::Any)
    }

    /// What fits on one line.
    fn scalar(&mut self, node: &Node) -> String {
        match node {
            Node::Null => "null".to_owned(),
            Node::Bool(yes) => yes.to_string(),
            Node::Int(number) => number.to_string(),
            Node::Float(number) => {
                if !number.is_finite() {
                    self.context.report(self.at, Problem::NotFinite);
                }
                text::float(*number)
            }
            Node::Str(text) => text::inline(text, self.target),
            Node::Seq(_) => "[]".to_owned(),
            Node::Map(_) => "{}".to_owned(),
            Node::Expr(expr) => self.writer().scalar(expr),
        }
    }

    pub(super) fn test(&self, test: &Test) -> String {
        if test.is_hollow() {
            self.context.report(self.at, Problem::EmptyCondition);
        }
        self.writer().test(test)
    }
}

impl Writer<'_> {
    /// The one right way to write an expression of each kind.
    fn scalar(&self, expr: &Expr) -> String {
        let pipeline = self.pipeline(expr);
        match self.kind(expr) {
            // A bare 1000000 would come out as 1e+06.
            Kind::Int => format!("{{{{ int64 {} }}}}", self.operand(expr)),
            Kind::Number | Kind::IntOrStr => format!("{{{{ toJson {} }}}}", self.operand(expr)),
            Kind::Bool => format!("{{{{ {pipeline} }}}}"),
            Kind::Str => format!("{{{{ {pipeline} | quote }}}}"),
            Kind::Obj | Kind::Seq | Kind::Any => {
                format!("{{{{ toJson {} }}}}", self.operand(expr))
            }
        }
    }
}
