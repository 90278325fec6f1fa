//! The macro behind every parse-once string.

/// Defines a string newtype: one rule, checked on entry, repeated in the JSON schema.
macro_rules! checked_string {
    (
        $(#[$doc:meta])* $name:ident, kind: $kind:literal, max: $max:expr, pattern: $pattern:expr,
        rule: $rule:literal, check: $check:path, error: $error:ident
    ) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
        )]
        #[serde(try_from = "String", into = "String")]
        // Shared, because names are cloned far more often than made.
        pub struct $name(std::sync::Arc<str>);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = $error;

            fn from_str(given: &str) -> Result<Self, Self::Err> {
                if !given.is_empty() && given.len() <= $max && $check(given) {
                    Ok(Self(given.into()))
                } else {
                    Err($error::new($kind, given, $rule))
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = $error;

            fn try_from(given: String) -> Result<Self, Self::Error> {
                given.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                String::from(&*name.0)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        #[cfg(feature = "schema")]
        impl schemars::JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "type": "string", "minLength": 1, "maxLength": $max, "pattern": $pattern,
                })
            }
        }
    };
}
pub(crate) use checked_string;
