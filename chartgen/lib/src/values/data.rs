//! Plain data as YAML, in the block form that people edit.

use serde_json::{Number, Value};

use crate::{emit, yaml};

/// The lines of one entry of a mapping. `key` is ready to be written.
pub(crate) fn entry(key: &str, value: &Value) -> Vec<String> {
    if let Some((indicator, lines)) = value.as_str().and_then(emit::plain_block) {
        let lines = lines.into_iter().map(|line| format!("  {line}"));
        // An empty line stays empty: nobody wants blanks at the end of lines.
        let lines = lines.map(|line| line.trim_end().to_owned());
        let head = format!("{key}: {indicator}");
        return std::iter::once(head).chain(lines).collect();
    }
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

#[cfg(test)]
#[allow(clippy::expect_used, reason = "test code")]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// Words that some reader of YAML takes for something else, and any text.
    fn text() -> impl Strategy<Value = String> {
        let odd = [
            "y",
            "n",
            "on",
            "NO",
            "1_000",
            "12:30:45",
            "0o7",
            "1e3",
            "~",
            "=",
            "<<",
            "null",
            "",
            "2001-01-01",
            "007",
            "{{ x }}",
            "a: b",
            "- a",
            "a\nb\n",
            " a ",
            "#",
            "é\u{2028}\u{85}",
        ];
        prop_oneof![
            proptest::sample::select(odd.to_vec()).prop_map(str::to_owned),
            ".*",
            "[a-z0-9_.:+-]{1,6}",
        ]
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(Value::from),
            (-(1_i64 << 53)..(1 << 53)).prop_map(Value::from),
            any::<f64>()
                .prop_filter("JSON", |n| n.is_finite())
                .prop_map(Value::from),
            text().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::btree_map(text(), inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_what_is_read(value in value()) {
            let text = entry("key", &value).join("\n");
            let read: Value = serde_saphyr::from_str(&text).expect(&text);
            prop_assert_eq!(read, json!({"key": value}), "{}", text);
        }
    }

    #[test]
    fn numbers_with_exponents_are_numbers_to_every_reader() {
        let written = [1e30, 1.5e-9, -2e300].map(|n| inline(&json!(n)));
        assert_eq!(written, ["1.0e+30", "1.5e-9", "-2.0e+300"]);
    }
}
