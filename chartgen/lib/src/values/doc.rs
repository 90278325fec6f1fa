//! All that is written about the values of a chart, from one struct.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::field::{self, Field};
use super::{Kind, Path, ValuesError, check, render, schema, table};

/// A schema is part of the chart, and a chart is kept in a Secret of at most 1 MB.
const SCHEMA_LIMIT: usize = 200_000;

/// The values of a chart: their keys, types, defaults, constraints and documentation, read from a
/// struct.
///
/// # Rules of the struct
///
/// - Keys are the field names in camel case: `#[serde(rename_all = "camelCase")]` on every struct,
///   no other rename and no `flatten`, so that [`v!`](crate::v) names what is there.
/// - Every field has a default, which stands in `values.yaml`. The exception is an `Option` that is
///   `None`: its key stands there as a comment. There is no `null` in `values.yaml`, because Helm 3
///   keeps nulls there and Helm from 4.2 on drops them.
/// - A struct refuses keys it does not know, with or without `deny_unknown_fields`.
/// - The exception is a struct with the values of a chart of somebody else, of which it has those
///   that are set here: `#[schemars(extend("additionalProperties" = true))]`. It takes any other key,
///   and so do the structs in it; its own keys are as the other chart has them, renamed in whatever way.
/// - A user who sets a key to `null` removes it: that is how Helm merges values. The schema demands
///   every key that has a default, so the removal is refused with the name of the key; only an
///   `Option` may be removed.
///
/// ```
/// # use chartgen::{Kind, Path, ValuesDoc};
/// #[derive(serde::Serialize, schemars::JsonSchema)]
/// #[serde(rename_all = "camelCase")]
/// struct Values {
///     /// How many pods run.
///     replica_count: u32,
/// }
///
/// impl Default for Values {
///     fn default() -> Self {
///         Self { replica_count: 2 }
///     }
/// }
///
/// let values = ValuesDoc::of::<Values>()?;
/// assert_eq!(values.kind(&Path::new(["replicaCount"])), Some(Kind::Int));
/// assert!(values.values_yaml().ends_with("# -- How many pods run.\nreplicaCount: 2\n"));
/// # Ok::<(), chartgen::ValuesError>(())
/// ```
#[derive(Debug, Clone)]
pub struct ValuesDoc {
    fields: Vec<Field>,
    schema: Value,
}

impl ValuesDoc {
    /// Reads `V` and checks that it keeps the rules.
    pub fn of<V: Serialize + JsonSchema + Default>() -> Result<Self, ValuesError> {
        let type_name = std::any::type_name::<V>();
        let default = serde_json::to_value(V::default())
            .map_err(|source| ValuesError::Serialize { type_name, source })?;
        let mut schema = schema::of::<V>();
        schema::tidy(&mut schema);
        schema::explain(&mut schema);
        if !default.is_object() || !schema::close_top(&mut schema) {
            return Err(ValuesError::NotAStruct { type_name });
        }
        let top = Path::new::<String>([]);
        let fields = field::fields(&top, &schema, Some(&default))?;
        let default = field::default_of(&fields);
        schema::require(&mut schema, &default);
        check::check(&top, &schema, &default)?;
        schema::allow_from_parent(&mut schema, false);
        schema::order(&mut schema);
        let doc = Self { fields, schema };
        let bytes = doc.schema_json().len();
        if bytes > SCHEMA_LIMIT {
            let limit = SCHEMA_LIMIT;
            return Err(ValuesError::SchemaTooLarge {
                type_name,
                bytes,
                limit,
            });
        }
        Ok(doc)
    }

    /// The same for a chart that others depend on: a parent may set `enabled`, the usual condition
    /// of a dependency, which Helm hands down with the rest.
    #[must_use]
    pub fn for_subchart(mut self) -> Self {
        schema::allow_from_parent(&mut self.schema, true);
        self
    }

    /// The same for a chart that has a dependency with its values at `key`. Helm hands `global` down
    /// before it looks at the schema; where the chart has one itself, that wins over the dependency's,
    /// which then is no choice of anybody.
    #[must_use]
    pub(crate) fn with_dependency(mut self, key: &str) -> Self {
        let own_global = self.kind(&Path::new([schema::GLOBAL])).is_some();
        let below = self.schema.pointer_mut(&format!("/properties/{key}"));
        if let Some(below) = below.filter(|below| !schema::is_open(below)) {
            if own_global {
                schema::forget(below, schema::GLOBAL);
            }
            schema::allow_from_parent(below, false);
            let dependency = self.fields.iter_mut().find(|field| field.key() == key);
            if let Some(dependency) = dependency.filter(|_| own_global) {
                dependency
                    .fields
                    .retain(|field| field.key() != schema::GLOBAL);
            }
        }
        self
    }

    /// Whether other values keep the schema, too.
    pub(crate) fn check(&self, values: &Value) -> Result<(), ValuesError> {
        check::check(&Path::new::<String>([]), &self.schema, values)
    }

    /// What stands at `path`; nothing if no field has this path. Knows the keys of structs, not
    /// those of maps.
    pub fn kind(&self, path: &Path) -> Option<Kind> {
        self.find(path).map(|field| field.kind)
    }

    /// Whether the value at `path` is an `Option`, so it may be absent when a template reads it.
    pub fn is_optional(&self, path: &Path) -> bool {
        self.find(path).is_some_and(|field| field.is_optional)
    }

    /// The default at `path`, absent if the field is an `Option` that is `None`.
    pub fn default_at(&self, path: &Path) -> Option<&Value> {
        self.find(path).and_then(|field| field.default.as_ref())
    }

    /// The values that a chart must use: scalars, lists, maps, open objects, and optional structs
    /// as a whole. Not the structs themselves.
    pub fn leaves(&self) -> impl Iterator<Item = &Path> {
        let mut leaves = Vec::new();
        self.fields
            .iter()
            .for_each(|field| field.leaves(&mut leaves));
        leaves.into_iter()
    }

    /// The text of `values.yaml`.
    pub fn values_yaml(&self) -> String {
        render::values_yaml(&self.fields)
    }

    /// The text of `values.schema.json`, in draft 7, which both Helm versions read.
    pub fn schema_json(&self) -> String {
        let mut root = serde_json::Map::new();
        let draft = "http://json-schema.org/draft-07/schema#";
        root.insert("$schema".into(), draft.into());
        if let Value::Object(schema) = &self.schema {
            root.extend(schema.clone());
        }
        format!("{:#}\n", Value::Object(root))
    }

    /// The values as a table of Markdown, for the chart's README.
    pub fn readme_table(&self) -> String {
        table::readme_table(&self.all())
    }

    fn all(&self) -> Vec<&Field> {
        let mut all = Vec::new();
        for field in &self.fields {
            field.walk(&mut |field| all.push(field));
        }
        all
    }

    fn find(&self, path: &Path) -> Option<&Field> {
        self.all().into_iter().find(|field| &field.path == path)
    }
}
