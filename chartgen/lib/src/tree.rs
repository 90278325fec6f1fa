//! The tree that a template is made of: data, and the control structures around it.

use serde::Serialize;
use serde_json::Value;

use crate::{Cond, Expr, ValueRef};

/// A place in a template: data as it will stand in the rendered object, or an expression that
/// Helm puts in its place.
#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    /// `null`. Seldom wanted: [`Node::of`] leaves out what is null.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number; wide enough for all of `i64` and `u64`.
    Int(i128),
    /// A number with a fraction. Must be finite.
    Float(f64),
    /// A string.
    Str(String),
    /// A list.
    Seq(Vec<Part<Item>>),
    /// A mapping.
    Map(Vec<Part<Entry>>),
    /// What Helm works out.
    Expr(Expr),
}

/// One key of a mapping with its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Why the entry is there; a `#` line above it.
    pub comment: Option<String>,
    /// The key.
    pub key: Key,
    /// The value.
    pub value: Node,
}

/// The key of an [`Entry`].
#[derive(Debug, Clone, PartialEq)]
pub enum Key {
    /// A key known now.
    Text(String),
    /// A key that Helm works out, such as that of a mapping the user gave.
    Expr(Expr),
}

/// One item of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// Why the item is there; a `#` line above it.
    pub comment: Option<String>,
    /// The item itself.
    pub value: Node,
}

/// Whole items, entries or documents, and the control structures around them.
///
/// Control structures always stand around whole things and on lines of their own, so no condition
/// can tear an object apart.
#[derive(Debug, Clone, PartialEq)]
pub enum Part<T> {
    /// One of them.
    One(T),
    /// Some of them, if a condition holds, and others if not.
    If {
        /// The condition.
        cond: Cond,
        /// What stands here if it holds.
        then: Vec<Part<T>>,
        /// What stands here otherwise.
        otherwise: Vec<Part<T>>,
    },
    /// Some of them, unless a value is empty. Inside, the value is written as `.`.
    With {
        /// The value.
        value: Expr,
        /// What stands here if it is not empty.
        body: Vec<Part<T>>,
    },
    /// Some of them for each item of a list or entry of a mapping.
    Range {
        /// The list or mapping.
        over: Expr,
        /// The name of the key's variable, for mappings.
        key: Option<Var>,
        /// The item's or the value's variable.
        item: Var,
        /// What stands here for each.
        body: Vec<Part<T>>,
    },
    /// All items of a list, or entries of a mapping, that an expression yields. Of documents:
    /// a list of objects whose strings are templates.
    Splice(Expr),
}

pub use crate::expr::{Each, Var};

impl Node {
    /// Data from anything that serde can serialize, such as the objects of k8s-openapi.
    ///
    /// Left out are nulls, `creationTimestamp` and an empty `status`. Keys are sorted so that the
    /// same data is always written the same: `apiVersion`, `kind`, `metadata` and `name` first,
    /// the rest by the alphabet.
    ///
    /// # Errors
    /// What does not serialize to JSON, such as a mapping with keys that are not strings.
    pub fn of(data: &impl Serialize) -> Result<Self, serde_json::Error> {
        let mut value = serde_json::to_value(data)?;
        if let Value::Object(map) = &mut value {
            let empty = |status: &Value| status.as_object().is_none_or(serde_json::Map::is_empty);
            if map.get("status").is_some_and(empty) {
                map.remove("status");
            }
        }
        Ok(Self::from(value))
    }

    /// A mapping.
    pub fn map(entries: impl IntoIterator<Item = Part<Entry>>) -> Self {
        Self::Map(entries.into_iter().collect())
    }

    /// A list.
    pub fn seq(items: impl IntoIterator<Item = Part<Item>>) -> Self {
        Self::Seq(items.into_iter().collect())
    }

    /// The value at a key of a mapping, wherever conditions have put it.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        let Self::Map(parts) = self else { return None };
        ones(parts).find_map(|entry| match &entry.key {
            Key::Text(text) if text == key => Some(&entry.value),
            _ => None,
        })
    }
}

/// Everything in a sequence of parts that stands there under some condition or other.
pub(crate) fn ones<T>(parts: &[Part<T>]) -> Box<dyn Iterator<Item = &T> + '_> {
    Box::new(parts.iter().flat_map(|part| match part {
        Part::One(one) => Box::new(std::iter::once(one)) as Box<dyn Iterator<Item = &T>>,
        Part::If {
            then, otherwise, ..
        } => Box::new(ones(then).chain(ones(otherwise))),
        Part::With { body, .. } | Part::Range { body, .. } => ones(body),
        Part::Splice(_) => Box::new(std::iter::empty()),
    }))
}

/// The order of keys: what a reader looks for first stands first.
pub(crate) fn rank(key: &str) -> (usize, &str) {
    const FIRST: [&str; 4] = ["apiVersion", "kind", "metadata", "name"];
    let place = FIRST.iter().position(|first| *first == key);
    (place.unwrap_or(FIRST.len()), key)
}

/// An entry of a mapping.
pub fn entry(key: impl Into<Key>, value: impl Into<Node>) -> Part<Entry> {
    Part::One(Entry {
        comment: None,
        key: key.into(),
        value: value.into(),
    })
}

/// An item of a list.
pub fn item(value: impl Into<Node>) -> Part<Item> {
    Part::One(Item {
        comment: None,
        value: value.into(),
    })
}

impl<T> Part<T> {
    /// Some of them, if a condition holds.
    pub fn when(cond: impl Into<Cond>, then: impl IntoIterator<Item = Part<T>>) -> Self {
        Self::If {
            cond: cond.into(),
            then: then.into_iter().collect(),
            otherwise: Vec::new(),
        }
    }

    /// What stands there instead if the condition of [`Part::when`] does not hold. Changes
    /// nothing of other parts.
    #[must_use]
    pub fn otherwise(mut self, parts: impl IntoIterator<Item = Part<T>>) -> Self {
        if let Self::If { otherwise, .. } = &mut self {
            otherwise.extend(parts);
        }
        self
    }

    /// Some of them, unless the value is empty.
    pub fn with(value: impl Into<Expr>, body: impl IntoIterator<Item = Part<T>>) -> Self {
        Self::With {
            value: value.into(),
            body: body.into_iter().collect(),
        }
    }

    /// Some of them for each item of a list.
    pub fn each<I: IntoIterator<Item = Part<T>>>(
        list: impl Into<Expr>,
        body: impl FnOnce(&Each) -> I,
    ) -> Self {
        let item = Each::new("item");
        Self::Range {
            over: list.into(),
            key: None,
            body: body(&item).into_iter().collect(),
            item: item.var(),
        }
    }

    /// Some of them for each key and value of a mapping.
    pub fn each_entry<I: IntoIterator<Item = Part<T>>>(
        map: impl Into<Expr>,
        body: impl FnOnce(&Each, &Each) -> I,
    ) -> Self {
        let (key, value) = (Each::new("key"), Each::new("value"));
        Self::Range {
            over: map.into(),
            key: Some(key.var()),
            body: body(&key, &value).into_iter().collect(),
            item: value.var(),
        }
    }

    /// All that a list or mapping of the user holds.
    pub fn splice(value: impl Into<Expr>) -> Self {
        Self::Splice(value.into())
    }
}

impl Part<Entry> {
    /// Says why the entry is there, in `#` lines above it.
    #[must_use]
    pub fn comment(mut self, text: impl Into<String>) -> Self {
        if let Self::One(entry) = &mut self {
            entry.comment = Some(text.into());
        }
        self
    }
}

impl Part<Item> {
    /// Says why the item is there, in `#` lines above it.
    #[must_use]
    pub fn comment(mut self, text: impl Into<String>) -> Self {
        if let Self::One(item) = &mut self {
            item.comment = Some(text.into());
        }
        self
    }
}

impl From<Value> for Node {
    fn from(value: Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(yes) => Self::Bool(yes),
            Value::Number(number) => number
                .as_i128()
                .map(Self::Int)
                .or_else(|| number.as_f64().map(Self::Float))
                .unwrap_or(Self::Null),
            Value::String(text) => Self::Str(text),
            Value::Array(items) => Self::seq(items.into_iter().map(item)),
            Value::Object(map) => {
                let mut entries: Vec<_> = map
                    .into_iter()
                    .filter(|(key, value)| !value.is_null() && key != "creationTimestamp")
                    .collect();
                entries.sort_by(|(a, _), (b, _)| rank(a).cmp(&rank(b)));
                Self::map(entries.into_iter().map(|(key, value)| entry(key, value)))
            }
        }
    }
}

macro_rules! node_from_int {
    ($($int:ty),+) => {$(
        impl From<$int> for Node {
            fn from(number: $int) -> Self {
                Self::Int(i128::from(number))
            }
        }
    )+};
}

node_from_int!(u8, u16, u32, u64, i8, i16, i32, i64);

impl From<bool> for Node {
    fn from(yes: bool) -> Self {
        Self::Bool(yes)
    }
}

impl From<&str> for Node {
    fn from(text: &str) -> Self {
        Self::Str(text.to_owned())
    }
}

impl From<String> for Node {
    fn from(text: String) -> Self {
        Self::Str(text)
    }
}

impl From<Expr> for Node {
    fn from(expr: Expr) -> Self {
        Self::Expr(expr)
    }
}

impl<V> From<ValueRef<V>> for Node {
    fn from(value: ValueRef<V>) -> Self {
        Self::Expr(value.into())
    }
}

impl From<&str> for Key {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Key {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Expr> for Key {
    fn from(expr: Expr) -> Self {
        Self::Expr(expr)
    }
}
