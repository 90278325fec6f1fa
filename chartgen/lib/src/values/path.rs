//! References to fields of a `Values` struct that the Rust compiler checks.

use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;

/// What kind of value stands at a place, and so how an expression for it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Int,
    /// Any number.
    Number,
    /// A string.
    Str,
    /// A mapping.
    Obj,
    /// A list.
    Seq,
    /// A whole number or a string, such as a port or `maxUnavailable`.
    IntOrStr,
    /// Anything.
    Any,
}

/// The way from the top of the values to one of them, as users write it: `image.pullPolicy`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path(Vec<String>);

impl Path {
    /// A path of keys as they stand in `values.yaml`.
    pub fn new<S: Into<String>>(keys: impl IntoIterator<Item = S>) -> Self {
        Self(keys.into_iter().map(Into::into).collect())
    }

    /// A path of Rust field names, which `#[serde(rename_all = "camelCase")]` renames.
    pub fn from_fields(fields: &[&str]) -> Self {
        Self(fields.iter().map(|field| camel_case(field)).collect())
    }

    /// The keys, from the top.
    pub fn keys(&self) -> &[String] {
        &self.0
    }

    /// This path and one key more.
    #[must_use]
    pub fn join(&self, key: impl Into<String>) -> Self {
        let mut keys = self.0.clone();
        keys.push(key.into());
        Self(keys)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("."))
    }
}

/// The rule of serde's `camelCase` for field names.
fn camel_case(field: &str) -> String {
    let mut name = String::with_capacity(field.len());
    let mut upper = false;
    for letter in field.trim_start_matches("r#").chars() {
        if letter == '_' {
            upper = true;
        } else if upper {
            name.extend(letter.to_uppercase());
            upper = false;
        } else {
            name.push(letter);
        }
    }
    name
}

/// A field of the values struct `V`. Made with [`v!`](crate::v), so that a field that is renamed or
/// removed no longer compiles.
pub struct ValueRef<V> {
    path: Path,
    at: &'static Location<'static>,
    values: PhantomData<fn(&V)>,
}

impl<V> ValueRef<V> {
    /// For [`v!`](crate::v) only: `check` is what makes the compiler look the field up.
    #[doc(hidden)]
    #[track_caller]
    pub fn checked<T: ?Sized>(fields: &[&str], _check: fn(&V) -> &T) -> Self {
        Self {
            path: Path::from_fields(fields),
            at: Location::caller(),
            values: PhantomData,
        }
    }

    /// The path as users write it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where in the Rust source the reference stands.
    pub fn at(&self) -> &'static Location<'static> {
        self.at
    }
}

// By hand: derived, they would ask the same of `V`.
impl<V> Clone for ValueRef<V> {
    fn clone(&self) -> Self {
        Self {
            path: self.path.clone(),
            at: self.at,
            values: PhantomData,
        }
    }
}

impl<V> fmt::Debug for ValueRef<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.path, self.at)
    }
}

/// A reference to a field of a values struct: `v!(Values, image.pull_policy)`.
///
/// The struct and those below it rename their fields to camel case.
///
/// ```
/// # struct Image { pull_policy: String }
/// # struct Values { image: Image }
/// let policy = chartgen::v!(Values, image.pull_policy);
/// assert_eq!(policy.path().to_string(), "image.pullPolicy");
/// ```
///
/// A field that is not there does not compile:
///
/// ```compile_fail
/// # struct Values { replicas: u32 }
/// chartgen::v!(Values, replica_count);
/// ```
#[macro_export]
macro_rules! v {
    ($values:ty, $($field:ident).+) => {
        $crate::ValueRef::<$values>::checked(
            &[$(stringify!($field)),+],
            |values: &$values| &values.$($field).+,
        )
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn field_names_become_keys_as_serde_renames_them() {
        let path = Path::from_fields(&["image", "pull_policy", "r#type", "a_b_c", "x509_sans"]);
        assert_eq!(path.to_string(), "image.pullPolicy.type.aBC.x509Sans");
    }
}
