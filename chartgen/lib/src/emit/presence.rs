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
    either(tests?)
}

/// At least one of the tests; nothing if one of them always holds where another does not.
fn either(tests: Vec<Test>) -> Option<Test> {
    let mut kept: Vec<Test> = Vec::new();
    for test in tests {
        if !kept.contains(&test) {
            kept.push(test);
        }
    }
    let opposite = |test: &Test| match test {
        Test::Not(inner) => (**inner).clone(),
        other => Test::Not(Box::new(other.clone())),
    };
    if kept.iter().any(|test| kept.contains(&opposite(test))) {
        return None;
    }
    match kept.as_slice() {
        [one] => Some(one.clone()),
        _ => Some(Test::Any(kept)),
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
                (_, other) => either(vec![holds, both(fails, other)]),
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
        Some(second) if second != first => Test::All(vec![first, second]),
        _ => first,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_there_either_way_needs_no_condition() {
        let a = || Test::Api("a".to_owned());
        let b = || Test::Api("b".to_owned());
        assert_eq!(either(vec![a(), Test::Not(Box::new(a()))]), None);
        assert_eq!(either(vec![a(), a()]), Some(a()));
        assert_eq!(either(vec![a(), b()]), Some(Test::Any(vec![a(), b()])));
    }
}
