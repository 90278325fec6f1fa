//! The values as a tree of fields: one walk over schema and default, from which all is written.

use serde_json::{Map, Value};

use super::{Kind, Path, ValuesError, schema};
use crate::yaml;

/// The largest whole number that a JSON reader with 64-bit floats keeps exactly.
const LARGEST: u64 = 1 << 53;

/// One key of the values.
#[derive(Debug, Clone)]
pub(super) struct Field {
    pub(super) path: Path,
    pub(super) docs: String,
    pub(super) kind: Kind,
    pub(super) type_name: String,
    /// Absent for an `Option` that is `None`: the key is not in `values.yaml`.
    pub(super) default: Option<Value>,
    /// The known fields of a struct.
    pub(super) fields: Vec<Field>,
    pub(super) is_optional: bool,
    /// No reference can go through an `Option`, so it is used as a whole.
    pub(super) is_leaf: bool,
}

impl Field {
    pub(super) fn key(&self) -> &str {
        self.path.keys().last().map_or("", String::as_str)
    }

    /// This field and all below it, in the order of declaration.
    pub(super) fn walk<'a>(&'a self, visit: &mut dyn FnMut(&'a Field)) {
        visit(self);
        for field in &self.fields {
            field.walk(visit);
        }
    }

    /// What is used as a whole, here and below.
    pub(super) fn leaves<'a>(&'a self, found: &mut Vec<&'a Path>) {
        if self.is_leaf {
            found.push(&self.path);
        } else {
            self.fields.iter().for_each(|field| field.leaves(found));
        }
    }
}

/// The fields of a struct. `default` is absent below an `Option` that is `None`.
pub(super) fn fields(
    path: &Path,
    schema: &Value,
    default: Option<&Value>,
) -> Result<Vec<Field>, ValuesError> {
    let Some(Value::Object(properties)) = schema.get("properties") else {
        return Ok(Vec::new());
    };
    let ours = !schema::is_open(schema);
    let each = properties.iter();
    each.map(|(key, below)| {
        let path = path.join(key.as_str());
        if ours {
            check_key(&path, key)?;
        } else if schema::is_closed(below) {
            return Err(ValuesError::Closed { path });
        }
        field(path, below, default)
    })
    .collect()
}

fn field(path: Path, schema: &Value, parent: Option<&Value>) -> Result<Field, ValuesError> {
    let key = path.keys().last().map_or("", String::as_str);
    let optional = schema::is_optional(schema);
    let default = match parent.map(|parent| parent.get(key)) {
        None => None,
        Some(Some(Value::Null) | None) if optional => None,
        Some(Some(Value::Null)) => return Err(ValuesError::NullDefault { path }),
        Some(None) => return Err(ValuesError::NoDefault { path }),
        Some(Some(value)) => Some(value),
    };
    let kind = kind(&path, schema)?;
    let fields = fields(&path, schema, default)?;
    let default = match default {
        Some(Value::Object(_)) if !fields.is_empty() => Some(default_of(&fields)),
        Some(value) => {
            check_data(&path, value)?;
            Some(value.clone())
        }
        None => None,
    };
    let docs = schema.get("description").and_then(Value::as_str);
    Ok(Field {
        docs: docs.unwrap_or_default().to_owned(),
        type_name: type_name(schema),
        is_optional: optional,
        is_leaf: optional || fields.is_empty(),
        path,
        kind,
        default,
        fields,
    })
}

/// The default of a struct, without what is not set.
pub(super) fn default_of(fields: &[Field]) -> Value {
    let set = fields.iter().filter_map(|field| {
        let value = field.default.clone()?;
        Some((field.key().to_owned(), value))
    });
    Value::Object(set.collect::<Map<_, _>>())
}

/// Field names become keys by one rule; only then is what `v!` refers to there. An open struct is a
/// part of somebody else's values, whose keys are as they are.
fn check_key(path: &Path, key: &str) -> Result<(), ValuesError> {
    let camel = key.starts_with(|c: char| c.is_ascii_lowercase())
        && key.chars().all(|c| c.is_ascii_alphanumeric());
    if !camel {
        return Err(ValuesError::Key { path: path.clone() });
    }
    if yaml::scalar(key) != key {
        return Err(ValuesError::AmbiguousKey { path: path.clone() });
    }
    Ok(())
}

fn kind(path: &Path, schema: &Value) -> Result<Kind, ValuesError> {
    if let Some(reference) = schema::reference(schema) {
        let path = path.clone();
        return Err(if reference.starts_with('#') {
            ValuesError::Recursive { path }
        } else {
            let reference = reference.to_owned();
            ValuesError::Reference { path, reference }
        });
    }
    let mut types = schema::types(schema);
    types.sort_unstable();
    Ok(match types[..] {
        ["boolean"] => Kind::Bool,
        ["integer"] => Kind::Int,
        ["number"] => Kind::Number,
        ["string"] => Kind::Str,
        ["object"] => Kind::Obj,
        ["array"] => Kind::Seq,
        ["integer", "string"] => Kind::IntOrStr,
        [] => return Err(ValuesError::UnclearType { path: path.clone() }),
        _ => Kind::Any,
    })
}

/// The type as a reader of the table calls it.
fn type_name(schema: &Value) -> String {
    let names = schema::types(schema).into_iter().map(|name| match name {
        "boolean" => "bool",
        "integer" => "int",
        "array" => "list",
        other => other,
    });
    names.collect::<Vec<_>>().join(" or ")
}

/// Data that both Helm versions read as it is written.
fn check_data(path: &Path, value: &Value) -> Result<(), ValuesError> {
    match value {
        Value::Null => Err(ValuesError::NullDefault { path: path.clone() }),
        Value::Number(number) => {
            let size = number.as_u64().or(number.as_i64().map(i64::unsigned_abs));
            if size.is_some_and(|size| size > LARGEST) {
                let value = number.to_string();
                let path = path.clone();
                return Err(ValuesError::TooLarge { path, value });
            }
            Ok(())
        }
        Value::Array(items) => items.iter().try_for_each(|item| check_data(path, item)),
        Value::Object(entries) => entries
            .iter()
            .try_for_each(|(key, value)| check_data(&path.join(key.as_str()), value)),
        Value::Bool(_) | Value::String(_) => Ok(()),
    }
}
