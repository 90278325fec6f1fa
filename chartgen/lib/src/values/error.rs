//! What is wrong with a values struct, in words for the author of the chart.

use crate::Path;

/// Why no chart can have these values. The text names the value as users write it, and says what
/// to change in the Rust struct.
#[derive(Debug, thiserror::Error)]
pub enum ValuesError {
    /// The struct has no JSON form.
    #[error("cannot write the default of {type_name} as JSON")]
    Serialize {
        /// The values struct.
        type_name: &'static str,
        /// What serde said.
        source: serde_json::Error,
    },
    /// The values are not a mapping.
    #[error("{type_name} is no values struct: it must be a struct with named fields")]
    NotAStruct {
        /// The values struct.
        type_name: &'static str,
    },
    /// A key that no Rust field name becomes in camel case.
    #[error(
        "`{path}`: the key does not read as camel case; put #[serde(rename_all = \"camelCase\")] on its struct and no other rename"
    )]
    Key {
        /// The value.
        path: Path,
    },
    /// A struct in the values of somebody else's chart that would refuse other keys of that chart.
    #[error(
        "`{path}`: it refuses keys it does not know, and the struct it is in takes them; put #[schemars(extend(\"additionalProperties\" = true))] on its struct"
    )]
    Closed {
        /// The value.
        path: Path,
    },
    /// A key that Helm would read as something other than a string.
    #[error(
        "`{path}`: YAML 1.1 does not read this key as a string when a user writes it; rename the field"
    )]
    AmbiguousKey {
        /// The value.
        path: Path,
    },
    /// The schema does not say what the value is.
    #[error(
        "`{path}`: its schema does not say whether it is a string, a number, a list or an object; use a type that does, such as those of chartgen::common"
    )]
    UnclearType {
        /// The value.
        path: Path,
    },
    /// The type contains itself.
    #[error(
        "`{path}`: its type contains itself; use chartgen::common::FreeForm for an open object"
    )]
    Recursive {
        /// The value.
        path: Path,
    },
    /// `null` in a default, which Helm 4 drops and Helm 3 keeps.
    #[error(
        "`{path}`: its default holds a null, which Helm versions treat differently; make the field an Option or give it an empty value"
    )]
    NullDefault {
        /// The value.
        path: Path,
    },
    /// A field that is not serialized, so it would be missing in `values.yaml`.
    #[error(
        "`{path}`: it is in the schema but not in the default; remove skip_serializing or make the field an Option"
    )]
    NoDefault {
        /// The value.
        path: Path,
    },
    /// A whole number that loses digits on its way through Helm.
    #[error("`{path}`: {value} is too large, Helm reads numbers with 53 bits; use a string")]
    TooLarge {
        /// The value.
        path: Path,
        /// Its default.
        value: String,
    },
    /// The default breaks the schema that comes from the same struct.
    #[error("`{path}`: the default {found}; change the default or the constraint")]
    BadDefault {
        /// The value.
        path: Path,
        /// How it breaks the schema.
        found: String,
    },
    /// A `pattern` that is no regular expression.
    #[error("`{path}`: its pattern is no regular expression")]
    Pattern {
        /// The value.
        path: Path,
        /// What is wrong with it.
        source: Box<regex::Error>,
    },
    /// A schema that refers to another one.
    #[error("`{path}`: its schema refers to {reference}; helm would fetch it, or fail offline")]
    Reference {
        /// The value.
        path: Path,
        /// The reference.
        reference: String,
    },
    /// A schema that makes the release Secret too large.
    #[error(
        "the schema of {type_name} has {bytes} bytes, over the limit of {limit}; use open objects for Kubernetes types"
    )]
    SchemaTooLarge {
        /// The values struct.
        type_name: &'static str,
        /// Its size.
        bytes: usize,
        /// What is allowed.
        limit: usize,
    },
}
