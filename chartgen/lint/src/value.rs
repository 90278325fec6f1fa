//! Short ways through JSON values.

use serde_json::{Map, Value};

/// The member at a dotted path of plain names. Null is nothing.
pub(crate) fn at<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.')
        .try_fold(value, |value, name| value.get(name))
        .filter(|value| !value.is_null())
}

/// The text at a path; empty when there is none.
pub(crate) fn text<'a>(value: &'a Value, path: &str) -> &'a str {
    at(value, path).and_then(Value::as_str).unwrap_or_default()
}

/// Whether there is `true` at a path.
pub(crate) fn is_true(value: &Value, path: &str) -> bool {
    flag(value, path) == Some(true)
}

/// The boolean at a path.
pub(crate) fn flag(value: &Value, path: &str) -> Option<bool> {
    at(value, path).and_then(Value::as_bool)
}

/// The number at a path.
pub(crate) fn number(value: &Value, path: &str) -> Option<i64> {
    at(value, path).and_then(Value::as_i64)
}

/// The entries of the list at a path; none when there is no list.
pub(crate) fn list<'a>(value: &'a Value, path: &str) -> &'a [Value] {
    at(value, path)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// The texts in the list at a path.
pub(crate) fn texts<'a>(value: &'a Value, path: &str) -> impl Iterator<Item = &'a str> {
    list(value, path).iter().filter_map(Value::as_str)
}

/// The members of the object at a path; none when there is no object.
pub(crate) fn entries<'a>(
    value: &'a Value,
    path: &str,
) -> impl Iterator<Item = (&'a String, &'a Value)> {
    at(value, path)
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
}

/// The object at a name, made when it is not there. Anything else at that place is replaced.
pub(crate) fn object_at<'a>(
    value: &'a mut Map<String, Value>,
    name: &str,
) -> &'a mut Map<String, Value> {
    let entry = value
        .entry(name)
        .or_insert_with(|| Value::Object(Map::new()));
    if !entry.is_object() {
        *entry = Value::Object(Map::new());
    }
    match entry {
        Value::Object(map) => map,
        _ => unreachable!("was made an object above"),
    }
}

/// Removes members that are null: for the API server they are not there.
pub(crate) fn without_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, member| !member.is_null());
            map.values_mut().for_each(without_nulls);
        }
        Value::Array(list) => list.iter_mut().for_each(without_nulls),
        _ => {}
    }
}
