//! What can be wrong with a chart's definition.

use std::fmt;
use std::panic::Location;

use crate::pointer::PointerError;
use crate::{Kind, Path};

/// All that is wrong with a chart's definition, each with its place in the Rust source.
pub struct ChartErrors(pub(crate) Vec<ChartError>);

/// One thing that is wrong with a chart's definition.
#[derive(Debug, Clone)]
pub struct ChartError {
    pub(crate) at: Option<&'static Location<'static>>,
    pub(crate) problem: Problem,
}

/// What is wrong.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// An object does not serialize.
    #[error("the object cannot be written as JSON: {0}")]
    Serialize(String),
    /// An object of a template is not a mapping with `kind` and `metadata`.
    #[error("a document is a Kubernetes object, with `apiVersion`, `kind` and `metadata.name`")]
    NotAnObject,
    /// A pointer leads nowhere.
    #[error("{pointer}: {error}")]
    Pointer {
        /// The pointer.
        pointer: String,
        /// What is wrong with it.
        error: PointerError,
    },
    /// Something stands there already.
    #[error("{pointer}: something stands there already")]
    Occupied {
        /// The pointer.
        pointer: String,
    },
    /// An operation wants another kind of node.
    #[error("{pointer}: {found} stands there, but {wanted} is wanted")]
    WrongNode {
        /// The pointer.
        pointer: String,
        /// What the operation needs.
        wanted: &'static str,
        /// What stands there.
        found: String,
    },
    /// The kind of a value does not fit the place it is bound to.
    #[error("{pointer}: {found} stands there, and {expr} is {kind:?}")]
    WrongKind {
        /// The pointer.
        pointer: String,
        /// What stands there.
        found: String,
        /// The expression.
        expr: String,
        /// The kind it yields.
        kind: Kind,
    },
    /// A reference to values that do not have it.
    #[error("the values have no `{0}`")]
    UnknownValue(Path),
    /// A value that no template refers to.
    #[error("no template refers to the value `{0}`; use it, remove it, or exempt it with a reason")]
    UnusedValue(Path),
    /// A value is exempted from being referred to, but is referred to.
    #[error("the value `{0}` is exempted from use, but a template refers to it")]
    NeedlessExemption(Path),
    /// A dependency whose values nobody could set.
    #[error("the dependency `{name}` has no values: add a struct as `{key}`")]
    NoDependencyValues {
        /// The dependency.
        name: String,
        /// Where Helm takes its values from.
        key: Path,
    },
    /// A condition that Helm would not find, and so take for one that holds.
    #[error(
        "the dependency `{name}` is switched by `{switch}`, which is no boolean with a default"
    )]
    NoCondition {
        /// The dependency.
        name: String,
        /// Its condition.
        switch: Path,
    },
    /// A choice of a profile that chooses what holds anyway.
    #[error("the choice changes nothing that was not so before: {why}")]
    IdleChoice {
        /// Its reason.
        why: String,
    },
    /// A choice of a profile that takes away what only a null could: in the chart's own values there
    /// are none.
    #[error("`{path}` cannot be taken away; only defaults of a dependency can")]
    Removed {
        /// The value.
        path: Path,
    },
    /// Two of the same name where Kubernetes or Helm allows one.
    #[error("{what} stands there twice")]
    Duplicate {
        /// What there are two of.
        what: String,
    },
    /// A number that YAML and JSON cannot carry.
    #[error("not a finite number")]
    NotFinite,
    /// Readers of YAML take keys of at most 1024 characters.
    #[error("a key of {0} bytes; keys have at most 1000")]
    LongKey(usize),
    /// A loop's variable outside its loop.
    #[error("the variable of a loop is used outside of it")]
    OutOfLoop,
    /// An expression of a kind that cannot stand in text.
    #[error("{expr} is {kind:?}, and only strings, numbers and booleans can be part of text")]
    NotText {
        /// The expression.
        expr: String,
        /// Its kind.
        kind: Kind,
    },
    /// A comparison of things of different kinds, which Helm refuses.
    #[error("{expr} is {kind:?} and cannot be compared with {literal}")]
    Incomparable {
        /// The expression.
        expr: String,
        /// Its kind.
        kind: Kind,
        /// What it is compared with.
        literal: String,
    },
    /// A condition over nothing.
    #[error("a condition of no conditions")]
    EmptyCondition,
    /// A checksum of a template that the chart does not have.
    #[error("the chart has no template `{0}`")]
    UnknownTemplate(String),
    /// The text of a file that the chart does not have.
    #[error("the chart has no file `{0}`")]
    UnknownFile(String),
    /// A name that Helm, Kubernetes or a reader of YAML 1.1 would not take for what it is.
    #[error("`{name}` is no good name for {what}: {why}")]
    BadName {
        /// What is named.
        what: &'static str,
        /// The name.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The text of the README does not render.
    #[error("the README: {0}")]
    Readme(String),
    /// The values struct.
    #[error("the values: {0}")]
    Values(String),
}

impl ChartError {
    pub(crate) fn new(at: &'static Location<'static>, problem: Problem) -> Self {
        let at = Some(at);
        Self { at, problem }
    }

    /// What is wrong.
    pub fn problem(&self) -> &Problem {
        &self.problem
    }

    /// The place in the Rust source.
    pub fn at(&self) -> Option<&'static Location<'static>> {
        self.at
    }
}

impl ChartErrors {
    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &ChartError> {
        self.0.iter()
    }
}

impl fmt::Display for ChartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at {
            Some(at) => write!(
                f,
                "{}:{}:{}: {}",
                at.file(),
                at.line(),
                at.column(),
                self.problem
            ),
            None => self.problem.fmt(f),
        }
    }
}

impl fmt::Display for ChartErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, plural) = (self.0.len(), if self.0.len() == 1 { "" } else { "s" });
        write!(f, "the chart's definition has {count} error{plural}")?;
        self.0.iter().try_for_each(|error| write!(f, "\n  {error}"))
    }
}

// What people see when their `main` or their test ends with it.
impl fmt::Debug for ChartErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for ChartError {}
impl std::error::Error for ChartErrors {}
