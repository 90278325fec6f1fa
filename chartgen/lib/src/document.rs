//! Kubernetes objects, and the places in them that users of a chart can change.

use std::panic::Location;

use serde::Serialize;

use crate::error::{ChartError, Problem};
use crate::expr::Place;
use crate::fit::{KindCheck, fitting};
use crate::pointer::{Pointer, PointerError, Spot, describe};
use crate::tree::{Entry, Item, Key, Node, Part, rank};
use crate::{Cond, Expr, Kind};

/// One Kubernetes object of a template: a tree of data, over which expressions are laid.
///
/// Places are named by JSON pointers, in which a list's item may be named by what distinguishes
/// it: `/spec/template/spec/containers/[name=app]/image`. What an overlay finds wrong does not
/// stop it: [`Chart::build`](crate::Chart::build) returns all errors together, each with the
/// line of Rust that caused it.
#[derive(Debug, Clone)]
pub struct Document {
    pub(crate) root: Node,
    pub(crate) cond: Option<Cond>,
    /// What all pointers begin with.
    base: String,
    pub(crate) at: Place,
    pub(crate) errors: Vec<ChartError>,
    pub(crate) checks: Vec<KindCheck>,
}

impl Document {
    /// An object as the base: what it holds is what the chart installs as long as no overlay
    /// says otherwise. [`Node::of`] says what is left out and in which order keys stand.
    #[track_caller]
    pub fn new(object: &impl Serialize) -> Self {
        let at = Location::caller();
        let (root, errors) = match Node::of(object) {
            Ok(root) => (root, Vec::new()),
            Err(error) => {
                let problem = Problem::Serialize(error.to_string());
                (Node::map([]), vec![ChartError::new(at, problem)])
            }
        };
        Self {
            root,
            cond: None,
            base: String::new(),
            at,
            errors,
            checks: Vec::new(),
        }
    }

    /// Overlays below a place: their pointers begin there.
    #[must_use]
    pub fn within(mut self, pointer: &str, overlay: impl FnOnce(Self) -> Self) -> Self {
        let outer = self.base.len();
        self.base.push_str(pointer);
        let mut changed = overlay(self);
        changed.base.truncate(outer);
        changed
    }

    /// Puts an expression in place of what stands at a place. Its kind has to fit: a string
    /// cannot replace a number.
    #[must_use]
    #[track_caller]
    pub fn bind(mut self, pointer: &str, expr: impl Into<Expr>) -> Self {
        self.set_at(Location::caller(), pointer, Node::Expr(expr.into()));
        self
    }

    /// Like [`Document::bind`], but the entry or item is left out if the value is empty.
    #[must_use]
    #[track_caller]
    pub fn bind_if_set(mut self, pointer: &str, expr: impl Into<Expr>) -> Self {
        let at = Location::caller();
        let expr = expr.into();
        self.set_at(at, pointer, Node::Expr(expr.clone()));
        self.wrap(at, pointer, |part| Part::with(expr.clone(), [part]), {
            |part| Part::with(expr.clone(), [part])
        });
        self
    }

    /// Puts a node in place of what stands at a place. Of an expression the kind has to fit.
    #[must_use]
    #[track_caller]
    pub fn set(mut self, pointer: &str, node: impl Into<Node>) -> Self {
        self.set_at(Location::caller(), pointer, node.into());
        self
    }

    /// The entry or item at a place stands there only if a condition holds.
    #[must_use]
    #[track_caller]
    pub fn when(mut self, pointer: &str, cond: impl Into<Cond>) -> Self {
        let cond = cond.into();
        self.wrap(
            Location::caller(),
            pointer,
            |part| Part::when(cond.clone(), [part]),
            |part| Part::when(cond.clone(), [part]),
        );
        self
    }

    /// Adds what the user gives to the list or mapping at a place.
    ///
    /// To a mapping: keys that stand there already win over the user's, also under a condition
    /// that does not hold, and of several splices the first wins. To a list: at the end.
    /// A user who repeats the name of a fixed environment variable or volume gets what the API
    /// server makes of it (server-side apply refuses it), so document which names are taken.
    #[must_use]
    #[track_caller]
    pub fn splice(mut self, pointer: &str, expr: impl Into<Expr>) -> Self {
        let at = Location::caller();
        let expr = expr.into();
        self.edit(at, pointer, |pointer, node| {
            let found = describe(node);
            let fits: &[Kind] = match node {
                Node::Map(parts) => {
                    parts.push(Part::Splice(expr.clone()));
                    &[Kind::Obj]
                }
                Node::Seq(parts) => {
                    parts.push(Part::Splice(expr.clone()));
                    &[Kind::Seq]
                }
                _ => return Err(wrong(pointer, "a list or mapping", found)),
            };
            Ok(Some(KindCheck {
                at,
                pointer: pointer.to_owned(),
                found,
                fits,
                expr,
            }))
        });
        self
    }

    /// Adds an entry to a mapping, or with `-` as the last part of the pointer, an item to a
    /// list.
    #[must_use]
    #[track_caller]
    pub fn insert(mut self, pointer: &str, node: impl Into<Node>) -> Self {
        let at = Location::caller();
        let node = node.into();
        let pointer = &self.below(pointer);
        let result = Pointer::parse(pointer).and_then(|p| {
            let (holder, name) = p.holder(&mut self.root)?;
            Ok(insert(pointer, holder, name, node))
        });
        self.note(at, pointer, result.map(|done| done.map(|()| None)));
        self
    }

    /// Adds entries under control structures to the mapping at a place.
    #[must_use]
    #[track_caller]
    pub fn add_entries(
        mut self,
        pointer: &str,
        entries: impl IntoIterator<Item = Part<Entry>>,
    ) -> Self {
        self.edit(Location::caller(), pointer, |pointer, node| match node {
            Node::Map(parts) => {
                parts.extend(entries);
                Ok(None)
            }
            other => Err(wrong(pointer, "a mapping", describe(other))),
        });
        self
    }

    /// Adds items, with comments or under control structures, to the list at a place.
    #[must_use]
    #[track_caller]
    pub fn add_items(mut self, pointer: &str, items: impl IntoIterator<Item = Part<Item>>) -> Self {
        self.edit(Location::caller(), pointer, |pointer, node| match node {
            Node::Seq(parts) => {
                parts.extend(items);
                Ok(None)
            }
            other => Err(wrong(pointer, "a list", describe(other))),
        });
        self
    }

    /// Says why the entry or item at a place is there, in `#` lines above it.
    #[must_use]
    #[track_caller]
    pub fn comment(mut self, pointer: &str, text: impl Into<String>) -> Self {
        let text = text.into();
        self.wrap(
            Location::caller(),
            pointer,
            |part| part.comment(text.clone()),
            |part| part.comment(text.clone()),
        );
        self
    }

    /// The whole document stands there only if a condition holds. Several must all hold.
    #[must_use]
    pub fn document_when(mut self, cond: impl Into<Cond>) -> Self {
        self.cond = Some(match self.cond {
            Some(first) => first.and(cond),
            None => cond.into(),
        });
        self
    }

    fn below(&self, pointer: &str) -> String {
        format!("{}{pointer}", self.base)
    }

    fn set_at(&mut self, at: Place, pointer: &str, new: Node) {
        self.edit(at, pointer, |pointer, node| {
            let check = match &new {
                Node::Expr(expr) => Some(KindCheck {
                    at,
                    pointer: pointer.to_owned(),
                    found: describe(node),
                    fits: fitting(node),
                    expr: expr.clone(),
                }),
                _ => None,
            };
            *node = new;
            Ok(check)
        });
    }

    fn edit(
        &mut self,
        at: Place,
        pointer: &str,
        change: impl FnOnce(&str, &mut Node) -> Result<Option<KindCheck>, Problem>,
    ) {
        let pointer = &self.below(pointer);
        let result = Pointer::parse(pointer).and_then(|p| {
            let node = p.node(&mut self.root)?;
            Ok(change(pointer, node))
        });
        self.note(at, pointer, result);
    }

    fn wrap(
        &mut self,
        at: Place,
        pointer: &str,
        entry: impl FnOnce(Part<Entry>) -> Part<Entry>,
        item: impl FnOnce(Part<Item>) -> Part<Item>,
    ) {
        let pointer = &self.below(pointer);
        let result = Pointer::parse(pointer).and_then(|p| {
            match p.place(&mut self.root)? {
                Spot::Entry(parts, index) => {
                    let part = parts.remove(index);
                    parts.insert(index, entry(part));
                }
                Spot::Item(parts, index) => {
                    let part = parts.remove(index);
                    parts.insert(index, item(part));
                }
            }
            Ok(Ok(None))
        });
        self.note(at, pointer, result);
    }

    fn note(
        &mut self,
        at: Place,
        pointer: &str,
        result: Result<Result<Option<KindCheck>, Problem>, PointerError>,
    ) {
        let problem = match result {
            Ok(Ok(check)) => return self.checks.extend(check),
            Ok(Err(problem)) => problem,
            Err(error) => Problem::Pointer {
                pointer: pointer.to_owned(),
                error,
            },
        };
        self.errors.push(ChartError::new(at, problem));
    }
}

fn insert(pointer: &str, holder: &mut Node, name: String, node: Node) -> Result<(), Problem> {
    match holder {
        Node::Map(_) if holder.get(&name).is_some() => Err(Problem::Occupied {
            pointer: pointer.to_owned(),
        }),
        Node::Map(parts) => {
            let after = |part: &Part<Entry>| match part {
                Part::One(Entry {
                    key: Key::Text(key),
                    ..
                }) => rank(key) > rank(&name),
                _ => false,
            };
            let place = parts.iter().position(after).unwrap_or(parts.len());
            parts.insert(place, crate::tree::entry(name, node));
            Ok(())
        }
        Node::Seq(parts) if name == "-" => {
            parts.push(crate::tree::item(node));
            Ok(())
        }
        Node::Seq(parts) => {
            let found = describe(&Node::Seq(parts.clone()));
            Err(wrong(
                pointer,
                "a mapping, or `-` for the end of the list",
                found,
            ))
        }
        other => Err(wrong(pointer, "a list or mapping", describe(other))),
    }
}

fn wrong(pointer: &str, wanted: &'static str, found: String) -> Problem {
    Problem::WrongNode {
        pointer: pointer.to_owned(),
        wanted,
        found,
    }
}
