//! What Helm works out: references to values, and what can be made of them.

use std::panic::Location;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::helpers::Helper;
use crate::{Kind, Path, ValueRef};

/// A place in Rust source, for messages.
pub(crate) type Place = &'static Location<'static>;

/// An expression that Helm works out when it renders the chart.
///
/// It knows what kind of value it yields, and that alone decides how it is written: there is one
/// right way for each kind, and no way to choose another.
///
/// | kind | written as |
/// |---|---|
/// | whole number | `{{ int64 X }}`, for a bare 1000000 prints as `1e+06` |
/// | number, int-or-string | `{{ toJson X }}`, exact and on one line |
/// | boolean | `{{ X }}` |
/// | string | `{{ X \| quote }}` |
/// | list, mapping, anything | `{{- toYaml X \| nindent N }}` |
#[derive(Debug, Clone)]
pub struct Expr {
    pub(crate) form: Form,
    pub(crate) at: Place,
}

/// What an expression is made of.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Form {
    Value(Path),
    Var {
        var: Var,
        path: Path,
        kind: Kind,
    },
    Text(String),
    /// A field of Helm's objects, such as `Release.Name`.
    Builtin(&'static str),
    Include(Helper),
    Concat(Vec<Expr>),
    Default {
        value: Box<Expr>,
        fallback: Box<Expr>,
    },
    FirstOf(Vec<Expr>),
    Join {
        list: Box<Expr>,
        separator: String,
    },
    /// A string, or all strings of a list or mapping, that the user wrote as a template.
    Tpl(Box<Expr>),
    /// A value as text, in JSON.
    Json(Box<Expr>),
    /// What a file of the chart holds.
    File(String),
    /// The hash of what another template renders to.
    Checksum(String),
    /// Mappings as one, the first winning, without some keys.
    Merged {
        maps: Vec<Expr>,
        without: Vec<String>,
    },
}

/// A variable of a loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Var {
    /// Tells variables of the same name in nested loops apart; never written.
    pub(crate) id: usize,
    pub(crate) name: &'static str,
}

/// The item, key or value in the body of a loop.
#[derive(Debug, Clone)]
pub struct Each(Var);

// Two expressions are the same if they yield the same, wherever they were written.
impl PartialEq for Expr {
    fn eq(&self, other: &Self) -> bool {
        self.form == other.form
    }
}

impl Expr {
    #[track_caller]
    pub(crate) fn new(form: Form) -> Self {
        Self {
            form,
            at: Location::caller(),
        }
    }

    /// Fixed text, to be put together with expressions.
    #[track_caller]
    pub fn text(text: impl Into<String>) -> Self {
        Self::new(Form::Text(text.into()))
    }

    /// The name of the release.
    #[track_caller]
    pub fn release_name() -> Self {
        Self::new(Form::Builtin("Release.Name"))
    }

    /// The namespace the release is installed in.
    #[track_caller]
    pub fn release_namespace() -> Self {
        Self::new(Form::Builtin("Release.Namespace"))
    }

    /// What installs the release: `Helm`.
    #[track_caller]
    pub fn release_service() -> Self {
        Self::new(Form::Builtin("Release.Service"))
    }

    /// The chart's name.
    #[track_caller]
    pub fn chart_name() -> Self {
        Self::new(Form::Builtin("Chart.Name"))
    }

    /// The chart's version.
    #[track_caller]
    pub fn chart_version() -> Self {
        Self::new(Form::Builtin("Chart.Version"))
    }

    /// The version of what the chart installs.
    #[track_caller]
    pub fn app_version() -> Self {
        Self::new(Form::Builtin("Chart.AppVersion"))
    }

    /// Strings one after the other, as [`text!`](crate::text) puts them. Whole numbers are written
    /// in digits.
    #[track_caller]
    pub fn concat(parts: impl IntoIterator<Item = Expr>) -> Self {
        Self::new(Form::Concat(parts.into_iter().collect()))
    }

    /// This, or if it is empty, something else.
    #[must_use]
    #[track_caller]
    pub fn or(self, fallback: impl Into<Expr>) -> Self {
        Self::new(Form::Default {
            value: Box::new(self),
            fallback: Box::new(fallback.into()),
        })
    }

    /// The first that is not empty.
    #[track_caller]
    pub fn first_of(choices: impl IntoIterator<Item = Expr>) -> Self {
        Self::new(Form::FirstOf(choices.into_iter().collect()))
    }

    /// The items of a list of strings with something between them.
    #[track_caller]
    pub fn join(list: impl Into<Expr>, separator: impl Into<String>) -> Self {
        Self::new(Form::Join {
            list: Box::new(list.into()),
            separator: separator.into(),
        })
    }

    /// A value of the user whose strings are themselves templates, read in the context of this
    /// chart. Say so in the field's documentation: whoever writes the values can then read all
    /// that templates can, and has to escape `{{`.
    #[track_caller]
    pub fn tpl(value: impl Into<Expr>) -> Self {
        Self::new(Form::Tpl(Box::new(value.into())))
    }

    /// A value as text, in JSON: for a file of a `ConfigMap` that a program reads.
    #[track_caller]
    pub fn json(value: impl Into<Expr>) -> Self {
        Self::new(Form::Json(Box::new(value.into())))
    }

    /// The text of a file that [`Chart::file`](crate::Chart::file) adds, as it is: for a file of a
    /// `ConfigMap` that is also there for people to use by hand.
    #[track_caller]
    pub fn file(path: impl Into<String>) -> Self {
        Self::new(Form::File(path.into()))
    }

    /// A hash over what another template of this chart renders to. As an annotation of pods it
    /// makes them restart when their configuration changes.
    #[track_caller]
    pub fn checksum(template: impl Into<String>) -> Self {
        Self::new(Form::Checksum(template.into()))
    }

    #[track_caller]
    pub(crate) fn include(helper: Helper) -> Self {
        Self::new(Form::Include(helper))
    }

    /// The kind it yields, if that does not depend on anything unknown.
    pub(crate) fn kind(&self, kinds: &dyn Fn(&Path) -> Option<Kind>) -> Option<Kind> {
        Some(match &self.form {
            Form::Value(path) => return kinds(path),
            Form::Var { kind, .. } => *kind,
            Form::Text(_)
            | Form::Builtin(_)
            | Form::Concat(_)
            | Form::Join { .. }
            | Form::Json(_)
            | Form::File(_)
            | Form::Checksum(_) => Kind::Str,
            Form::Include(helper) => helper.kind(),
            Form::Default { value, .. } | Form::Tpl(value) => return value.kind(kinds),
            Form::FirstOf(choices) => return choices.first()?.kind(kinds),
            Form::Merged { .. } => Kind::Obj,
        })
    }
}

impl Each {
    pub(crate) fn new(name: &'static str) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        Self(Var {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            name,
        })
    }

    pub(crate) fn var(&self) -> Var {
        self.0
    }

    #[track_caller]
    fn whole(&self, kind: Kind) -> Expr {
        Expr::new(Form::Var {
            var: self.0,
            path: Path::new([] as [&str; 0]),
            kind,
        })
    }

    /// It, being a string.
    #[track_caller]
    pub fn str(&self) -> Expr {
        self.whole(Kind::Str)
    }

    /// It, being a whole number.
    #[track_caller]
    pub fn int(&self) -> Expr {
        self.whole(Kind::Int)
    }

    /// It, whatever it is.
    #[track_caller]
    pub fn any(&self) -> Expr {
        self.whole(Kind::Any)
    }

    /// One of its fields: `item.field(v!(Host, name), Kind::Str)`, where `Host` is the Rust type
    /// of the list's items.
    #[track_caller]
    #[allow(clippy::needless_pass_by_value, reason = "`v!` makes one for the call")]
    pub fn field<T>(&self, field: ValueRef<T>, kind: Kind) -> Expr {
        Expr::new(Form::Var {
            var: self.0,
            path: field.path().clone(),
            kind,
        })
    }
}

impl<V> From<ValueRef<V>> for Expr {
    fn from(value: ValueRef<V>) -> Self {
        Self {
            form: Form::Value(value.path().clone()),
            at: value.at(),
        }
    }
}

impl From<&str> for Expr {
    #[track_caller]
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<String> for Expr {
    #[track_caller]
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

/// Text and expressions one after the other: `text!["http://", helpers::fullname(), ":80"]`.
///
/// ```
/// use chartgen::{Expr, helpers, text};
/// let address: Expr = text!["http://", helpers::fullname(), ".", Expr::release_namespace()];
/// ```
#[macro_export]
macro_rules! text {
    ($($part:expr),+ $(,)?) => {
        $crate::Expr::concat([$($crate::Expr::from($part)),+])
    };
}
