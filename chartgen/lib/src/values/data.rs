//! Plain data as YAML, in the block form that people edit.

use serde_json::{Number, Value};

use crate::yaml;

/// The lines of one entry of a mapping. `key` is ready to be written.
pub(super) fn entry(key: &str, value: &Value) -> Vec<String> {
    match block(value) {
        None => vec![format!("{key}: {}", inline(value))],
        Some(lines) => {
            let lines = lines.into_iter().map(|line| format!("  {line}"));
            std::iter::once(format!("{key}:")).chain(lines).collect()
        }
    }
}

/// The lines of what does not fit on the line of its key.
fn block(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::Object(entries) if !entries.is_empty() => {
            let lines = entries
                .iter()
                .flat_map(|(key, value)| entry(&yaml::scalar(key), value));
            Some(lines.collect())
        }
        Value::Array(items) if !items.is_empty() => Some(items.iter().flat_map(item).collect()),
        _ => None,
    }
}

fn item(value: &Value) -> Vec<String> {
    let lines = block(value).unwrap_or_else(|| vec![inline(value)]);
    let lines = lines.into_iter().enumerate();
    lines
        .map(|(number, line)| format!("{} {line}", if number == 0 { "-" } else { " " }))
        .collect()
}

fn inline(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(true) => "true".to_owned(),
        Value::Bool(false) => "false".to_owned(),
        Value::Number(number) => self::number(number),
        Value::String(text) => yaml::scalar(text).into_owned(),
        Value::Array(_) => "[]".to_owned(),
        Value::Object(_) => "{}".to_owned(),
    }
}

/// YAML 1.1 takes a number with an exponent for a string unless it has a point and a sign.
fn number(number: &Number) -> String {
    let text = number.to_string();
    let Some((digits, power)) = text.split_once('e') else {
        return text;
    };
    let point = if digits.contains('.') { "" } else { ".0" };
    let sign = if power.starts_with(['+', '-']) {
        ""
    } else {
        "+"
    };
    format!("{digits}{point}e{sign}{power}")
}
