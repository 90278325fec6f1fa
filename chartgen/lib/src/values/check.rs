//! Whether a default keeps its own schema: the keywords of draft 7 that a struct can bring forth.
//!
//! Helm's own validator has the last word; this one tells an author before a chart is written.

use std::collections::BTreeSet;

use regex::Regex;
use serde_json::Value;

use super::{Path, ValuesError};

/// Checks `value` and all below it.
pub(super) fn check(path: &Path, schema: &Value, value: &Value) -> Result<(), ValuesError> {
    if schema == &Value::Bool(false) {
        return bad(path, "is not allowed by the schema".to_owned());
    }
    check_type(path, schema, value)?;
    check_choice(path, schema, value)?;
    match value {
        Value::String(text) => check_string(path, schema, text),
        Value::Number(number) => check_number(path, schema, number.as_f64().unwrap_or_default()),
        Value::Array(items) => check_items(path, schema, items),
        Value::Object(_) => check_entries(path, schema, value),
        Value::Null | Value::Bool(_) => Ok(()),
    }?;
    check_unions(path, schema, value)
}

fn bad(path: &Path, found: String) -> Result<(), ValuesError> {
    let path = path.clone();
    Err(ValuesError::BadDefault { path, found })
}

fn has_type(value: &Value, name: &str) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "number" => value.is_number(),
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        _ => false,
    }
}

fn check_type(path: &Path, schema: &Value, value: &Value) -> Result<(), ValuesError> {
    let allowed: Vec<&str> = match schema.get("type") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        _ => return Ok(()),
    };
    if allowed.iter().any(|name| has_type(value, name)) {
        return Ok(());
    }
    bad(path, format!("{value} is no {}", allowed.join(" or ")))
}

fn check_choice(path: &Path, schema: &Value, value: &Value) -> Result<(), ValuesError> {
    match schema.get("enum") {
        Some(Value::Array(choices)) if !choices.contains(value) => {
            let choices = choices.iter().map(Value::to_string).collect::<Vec<_>>();
            bad(path, format!("{value} is none of {}", choices.join(", ")))
        }
        _ => Ok(()),
    }
}

/// A limit of the schema, or nothing.
fn limit(schema: &Value, keyword: &str) -> Option<f64> {
    schema.get(keyword).and_then(Value::as_f64)
}

/// A count as a number to compare with a limit.
#[expect(clippy::cast_precision_loss, reason = "no default has 2^53 entries")]
fn count(number: usize) -> f64 {
    number as f64
}

fn check_string(path: &Path, schema: &Value, text: &str) -> Result<(), ValuesError> {
    let length = count(text.chars().count());
    if limit(schema, "minLength").is_some_and(|least| length < least) {
        return bad(path, format!("{text:?} is too short"));
    }
    if limit(schema, "maxLength").is_some_and(|most| length > most) {
        return bad(path, format!("{text:?} is too long"));
    }
    match schema.get("pattern") {
        Some(Value::String(pattern)) if !regex(path, pattern)?.is_match(text) => {
            bad(path, format!("{text:?} does not match {pattern}"))
        }
        _ => Ok(()),
    }
}

/// Helm's expressions are those of Go, which this crate was modelled on.
fn regex(path: &Path, pattern: &str) -> Result<Regex, ValuesError> {
    Regex::new(pattern).map_err(|source| ValuesError::Pattern {
        path: path.clone(),
        source: Box::new(source),
    })
}

/// Whether a number keeps a bound.
type Holds = fn(f64, f64) -> bool;

fn check_number(path: &Path, schema: &Value, number: f64) -> Result<(), ValuesError> {
    let bounds: [(&str, Holds, &str); 5] = [
        ("minimum", |n, least| n >= least, "is less than"),
        ("exclusiveMinimum", |n, least| n > least, "is not more than"),
        ("maximum", |n, most| n <= most, "is more than"),
        ("exclusiveMaximum", |n, most| n < most, "is not less than"),
        (
            "multipleOf",
            |n, step| (n / step).fract() == 0.0,
            "is no multiple of",
        ),
    ];
    for (keyword, holds, otherwise) in bounds {
        if let Some(bound) = limit(schema, keyword).filter(|bound| !holds(number, *bound)) {
            return bad(path, format!("{number} {otherwise} {bound}"));
        }
    }
    Ok(())
}

fn check_items(path: &Path, schema: &Value, items: &[Value]) -> Result<(), ValuesError> {
    let length = count(items.len());
    if limit(schema, "minItems").is_some_and(|least| length < least)
        || limit(schema, "maxItems").is_some_and(|most| length > most)
    {
        return bad(path, format!("has {length} items, which is out of range"));
    }
    let unique = schema.get("uniqueItems") == Some(&Value::Bool(true));
    let distinct: BTreeSet<_> = items.iter().map(Value::to_string).collect();
    if unique && distinct.len() < items.len() {
        return bad(path, "has an item twice".to_owned());
    }
    for (position, item) in items.iter().enumerate() {
        let place = path.join(position.to_string());
        match schema.get("items") {
            Some(Value::Array(each)) => {
                let one = each.get(position).unwrap_or(&Value::Bool(true));
                check(&place, one, item)?;
            }
            Some(all) => check(&place, all, item)?,
            None => {}
        }
    }
    Ok(())
}

fn check_entries(path: &Path, schema: &Value, value: &Value) -> Result<(), ValuesError> {
    let (Value::Object(entries), empty) = (value, serde_json::Map::new()) else {
        return Ok(());
    };
    let named = |keyword| {
        schema
            .get(keyword)
            .and_then(Value::as_object)
            .unwrap_or(&empty)
    };
    let (properties, patterns) = (named("properties"), named("patternProperties"));
    for key in schema
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        if let Some(key) = key.as_str().filter(|key| !entries.contains_key(*key)) {
            return bad(&path.join(key), "is missing".to_owned());
        }
    }
    let size = count(entries.len());
    if limit(schema, "minProperties").is_some_and(|least| size < least)
        || limit(schema, "maxProperties").is_some_and(|most| size > most)
    {
        return bad(path, format!("has {size} entries, which is out of range"));
    }
    for (key, below) in entries {
        let place = path.join(key.as_str());
        if let Some(names) = schema.get("propertyNames") {
            check(&place, names, &Value::from(key.as_str()))?;
        }
        let mut known = properties.contains_key(key);
        if let Some(one) = properties.get(key) {
            check(&place, one, below)?;
        }
        for (pattern, one) in patterns {
            if regex(path, pattern)?.is_match(key) {
                known = true;
                check(&place, one, below)?;
            }
        }
        if let Some(others) = schema.get("additionalProperties").filter(|_| !known) {
            check(&place, others, below)?;
        }
    }
    Ok(())
}

fn check_unions(path: &Path, schema: &Value, value: &Value) -> Result<(), ValuesError> {
    let branches = |keyword| schema.get(keyword).and_then(Value::as_array);
    for branch in branches("allOf").into_iter().flatten() {
        check(path, branch, value)?;
    }
    let fitting = |all: &[Value]| all.iter().filter(|b| check(path, b, value).is_ok()).count();
    if branches("anyOf").is_some_and(|all| fitting(all) == 0) {
        return bad(path, "fits none of the forms of its type".to_owned());
    }
    if branches("oneOf").is_some_and(|all| fitting(all) != 1) {
        return bad(path, "does not fit exactly one form of its type".to_owned());
    }
    match schema.get("not") {
        Some(excluded) if check(path, excluded, value).is_ok() => {
            bad(path, "has a form that is excluded".to_owned())
        }
        _ => Ok(()),
    }
}
