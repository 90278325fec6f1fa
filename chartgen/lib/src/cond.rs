//! Conditions: when something stands in the rendered chart.

use std::ops::Not;

use crate::{Expr, ValueRef};

/// When something stands in the rendered chart.
///
/// A value by itself is a condition that holds unless the value is empty, as Helm sees it:
/// `false`, 0, an empty string, list or mapping.
#[derive(Debug, Clone, PartialEq)]
pub struct Cond(pub(crate) Test);

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Test {
    Truthy(Expr),
    Set(Expr),
    Not(Box<Test>),
    All(Vec<Test>),
    Any(Vec<Test>),
    Equals(Expr, Literal),
    MoreThan(Expr, i64),
    Api(String),
}

/// Something fixed to compare with.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    /// A string.
    Str(String),
    /// A whole number.
    Int(i64),
    /// `true` or `false`.
    Bool(bool),
}

impl Cond {
    /// The value is not empty.
    pub fn is(value: impl Into<Expr>) -> Self {
        Self(Test::Truthy(value.into()))
    }

    /// The value, of an `Option`, is there at all, be it empty or not.
    pub fn is_set(value: impl Into<Expr>) -> Self {
        Self(Test::Set(value.into()))
    }

    /// The value is this one.
    pub fn equals(value: impl Into<Expr>, literal: impl Into<Literal>) -> Self {
        Self(Test::Equals(value.into(), literal.into()))
    }

    /// The whole number is greater.
    pub fn more_than(value: impl Into<Expr>, bound: i64) -> Self {
        Self(Test::MoreThan(value.into(), bound))
    }

    /// The cluster knows an API: `monitoring.coreos.com/v1`, or with a kind,
    /// `monitoring.coreos.com/v1/ServiceMonitor`. Without a cluster (`helm template`) only the
    /// built-in ones and those named by `--api-versions` count.
    pub fn api_known(api: impl Into<String>) -> Self {
        Self(Test::Api(api.into()))
    }

    /// All of them hold. There has to be one at least.
    pub fn all<C: Into<Cond>>(conds: impl IntoIterator<Item = C>) -> Self {
        Self(Test::All(conds.into_iter().map(|c| c.into().0).collect()))
    }

    /// At least one of them holds. There has to be one at least.
    pub fn any<C: Into<Cond>>(conds: impl IntoIterator<Item = C>) -> Self {
        Self(Test::Any(conds.into_iter().map(|c| c.into().0).collect()))
    }

    /// Both hold.
    #[must_use]
    pub fn and(self, other: impl Into<Cond>) -> Self {
        match self.0 {
            Test::All(mut tests) => {
                tests.push(other.into().0);
                Self(Test::All(tests))
            }
            test => Self(Test::All(vec![test, other.into().0])),
        }
    }

    /// At least one holds.
    #[must_use]
    pub fn or(self, other: impl Into<Cond>) -> Self {
        match self.0 {
            Test::Any(mut tests) => {
                tests.push(other.into().0);
                Self(Test::Any(tests))
            }
            test => Self(Test::Any(vec![test, other.into().0])),
        }
    }
}

impl Not for Cond {
    type Output = Self;

    fn not(self) -> Self {
        match self.0 {
            Test::Not(test) => Self(*test),
            test => Self(Test::Not(Box::new(test))),
        }
    }
}

impl Test {
    /// Whether it, or one that it is made of, is over no conditions at all.
    pub(crate) fn is_hollow(&self) -> bool {
        match self {
            Self::All(tests) | Self::Any(tests) => {
                tests.is_empty() || tests.iter().any(Self::is_hollow)
            }
            Self::Not(test) => test.is_hollow(),
            _ => false,
        }
    }

    /// The expressions it looks at.
    pub(crate) fn exprs(&self) -> Vec<&Expr> {
        match self {
            Self::Truthy(expr)
            | Self::Set(expr)
            | Self::Equals(expr, _)
            | Self::MoreThan(expr, _) => vec![expr],
            Self::Not(test) => test.exprs(),
            Self::All(tests) | Self::Any(tests) => tests.iter().flat_map(Self::exprs).collect(),
            Self::Api(_) => Vec::new(),
        }
    }
}

impl<V> From<ValueRef<V>> for Cond {
    fn from(value: ValueRef<V>) -> Self {
        Self::is(value)
    }
}

impl From<Expr> for Cond {
    fn from(expr: Expr) -> Self {
        Self::is(expr)
    }
}

impl From<&str> for Literal {
    fn from(text: &str) -> Self {
        Self::Str(text.to_owned())
    }
}

impl From<i64> for Literal {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<i32> for Literal {
    fn from(number: i32) -> Self {
        Self::Int(number.into())
    }
}

impl From<bool> for Literal {
    fn from(yes: bool) -> Self {
        Self::Bool(yes)
    }
}
