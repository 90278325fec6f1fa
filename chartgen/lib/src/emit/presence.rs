//! When something may turn out empty.
//!
//! A key whose entries or items are all left out would get null, so it is left out with them. So
//! is a key bound to an `Option` that the user did not set.

use super::Emitter;
use crate::Expr;
use crate::cond::Test;
use crate::expr::Form;
use crate::tree::{Entry, Item, Node, Part};

/// When something that may turn out empty stands there.
pub(super) enum Presence<'n> {
    /// It holds nothing but what one expression yields.
    Only(&'n Expr),
    When(Test),
}

impl Emitter<'_> {
    /// Nothing for what always stands there.
    pub(super) fn presence<'n>(&self, node: &'n Node) -> Option<Presence<'n>> {
        let test = self.node_test(node)?;
        let only = match node {
            Node::Map(parts) => match parts.as_slice() {
                [Part::Splice(expr)] => Some(expr),
                _ => None,
            },
            Node::Seq(parts) => match parts.as_slice() {
                [Part::Splice(expr)] => Some(expr),
                _ => None,
            },
            _ => None,
        };
        match only {
            Some(expr) => Some(Presence::Only(expr)),
            None => Some(Presence::When(test)),
        }
    }

    /// The condition under which a node holds anything; nothing if it always does, or is meant to
    /// be empty.
    fn node_test(&self, node: &Node) -> Option<Test> {
        match node {
            Node::Map(parts) if !parts.is_empty() => {
                any(parts, &|entry: &Entry| self.node_test(&entry.value))
            }
            Node::Seq(parts) if !parts.is_empty() => {
                any(parts, &|item: &Item| self.node_test(&item.value))
            }
            Node::Expr(expr) => match &expr.form {
                Form::Value(path) if self.context.is_optional(path) => {
                    let guarded = self.scope.dot.as_ref() == Some(expr);
                    (!guarded).then(|| Test::Set(expr.clone()))
                }
                _ => None,
            },
            _ => None,
        }
    }
}

/// The condition under which any of the parts stands there.
fn any<T>(parts: &[Part<T>], inner: &dyn Fn(&T) -> Option<Test>) -> Option<Test> {
    let tests: Option<Vec<_>> = parts.iter().map(|part| one(part, inner)).collect();
    match tests?.as_slice() {
        [one] => Some(one.clone()),
        tests => Some(Test::Any(tests.to_vec())),
    }
}

fn one<T>(part: &Part<T>, inner: &dyn Fn(&T) -> Option<Test>) -> Option<Test> {
    match part {
        Part::One(one) => inner(one),
        Part::If {
            cond,
            then,
            otherwise,
        } => {
            let holds = both(cond.0.clone(), any(then, inner));
            if otherwise.is_empty() {
                return Some(holds);
            }
            let fails = Test::Not(Box::new(cond.0.clone()));
            match (any(then, inner), any(otherwise, inner)) {
                (None, None) => None,
                (_, other) => Some(Test::Any(vec![holds, both(fails, other)])),
            }
        }
        Part::With { value, .. } => Some(Test::Truthy(value.clone())),
        Part::Range { over, .. } => Some(Test::Truthy(over.clone())),
        Part::Splice(expr) => match &expr.form {
            Form::Include(helper) if helper.never_empty() => None,
            Form::Tpl(value) => Some(Test::Truthy((**value).clone())),
            _ => Some(Test::Truthy(expr.clone())),
        },
    }
}

fn both(first: Test, second: Option<Test>) -> Test {
    match second {
        Some(second) => Test::All(vec![first, second]),
        None => first,
    }
}
