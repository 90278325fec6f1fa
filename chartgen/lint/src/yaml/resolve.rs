//! What a plain scalar means, and to whom.

use serde_json::{Number, Value};

/// A plain scalar and what different readers take it for.
pub(crate) struct Resolved {
    /// As kubectl and Helm read it (YAML 1.1 as their Go library has it).
    pub(crate) value: Value,
    /// Another reader takes it for something else: who, and for what.
    pub(crate) otherwise: Option<String>,
}

/// Reads a plain scalar.
pub(crate) fn plain(text: &str) -> Resolved {
    let value = go(text);
    let newer = core(text);
    let otherwise = if !same(&value, &newer) {
        Some(format!(
            "kubectl and Helm read {value}, YAML 1.2 reads {newer}"
        ))
    } else if value.is_string() {
        older(text)
            .map(|kind| format!("kubectl and Helm read a string, other YAML 1.1 readers {kind}"))
    } else if text.starts_with("0o") || text.starts_with("0O") {
        Some(format!(
            "kubectl and Helm read {value}, other YAML 1.1 readers a string"
        ))
    } else {
        None
    };
    Resolved { value, otherwise }
}

fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        _ => a == b,
    }
}

fn word(text: &str) -> Option<Value> {
    Some(match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => return None,
    })
}

/// The rules of Go's yaml.v2, which kubectl and Helm use: booleans of YAML 1.1, underscores in
/// numbers, octal by a leading zero; no base 60, and dates stay text.
fn go(text: &str) -> Value {
    if let Some(value) = word(text) {
        return value;
    }
    match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => return Value::Bool(true),
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => return Value::Bool(false),
        _ => {}
    }
    let number = match text.as_bytes().first() {
        // Behind a leading point it takes underscores for text.
        Some(b'.') => float(text),
        Some(b'0'..=b'9' | b'+' | b'-') => {
            let digits = text.replace('_', "");
            go_integer(&digits).or_else(|| float(&digits))
        }
        _ => None,
    };
    number.unwrap_or_else(|| Value::String(text.to_owned()))
}

fn go_integer(text: &str) -> Option<Value> {
    let (negative, digits) = sign(text);
    let (radix, digits) = match digits.get(..2) {
        Some("0x" | "0X") => (16, &digits[2..]),
        Some("0o" | "0O") => (8, &digits[2..]),
        Some("0b" | "0B") => (2, &digits[2..]),
        Some(_) if digits.starts_with('0') => (8, &digits[1..]),
        _ => (10, digits),
    };
    integer(negative, digits, radix)
}

/// The core schema of YAML 1.2.
fn core(text: &str) -> Value {
    if let Some(value) = word(text) {
        return value;
    }
    let number = match text.get(..2) {
        Some("0x") => integer(false, &text[2..], 16),
        Some("0o") => integer(false, &text[2..], 8),
        _ => {
            let (negative, digits) = sign(text);
            integer(negative, digits, 10).or_else(|| float(text))
        }
    };
    number.unwrap_or_else(|| Value::String(text.to_owned()))
}

/// What YAML 1.1 has beyond Go's rules.
fn older(text: &str) -> Option<&'static str> {
    let digits =
        |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit() || b == b'_');
    let (_, unsigned) = sign(text);
    let mut parts = unsigned.split(':');
    let first = parts.next().unwrap_or_default();
    let rest: Vec<_> = parts.collect();
    let sixty = |part: &&str| {
        let whole = part.split('.').next().unwrap_or_default();
        whole.len() <= 2 && digits(whole) && whole < "6" || whole.len() == 1 && digits(whole)
    };
    if !rest.is_empty() && digits(first) && rest.iter().all(sixty) {
        return Some("a number of base 60");
    }
    let date = text.split(['T', 't', ' ']).next().unwrap_or_default();
    let parts: Vec<_> = date.split('-').collect();
    if parts.len() == 3 && parts[0].len() == 4 && parts.iter().all(|part| digits(part)) {
        return Some("a date");
    }
    (text == "=").then_some("a default value")
}

fn sign(text: &str) -> (bool, &str) {
    match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    }
}

fn integer(negative: bool, digits: &str, radix: u32) -> Option<Value> {
    if !digits.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return None; // `from_str_radix` would take another sign
    }
    let value = i128::from_str_radix(digits, radix).ok()?;
    let value = if negative { -value } else { value };
    let number = i64::try_from(value).map(Number::from);
    let number = number.or_else(|_| u64::try_from(value).map(Number::from));
    number.ok().map(Value::Number)
}

/// Digits, a point, an exponent; not the names that Rust knows besides. What JSON cannot hold
/// (`.inf`) stays text here and is refused by kubectl.
fn float(text: &str) -> Option<Value> {
    let (_, unsigned) = sign(text);
    let shape = unsigned
        .bytes()
        .all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
    let begins = unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    let has_digit = unsigned.bytes().any(|b| b.is_ascii_digit());
    if !(shape && begins && has_digit) {
        return None;
    }
    let value = text.parse().ok().and_then(Number::from_f64)?;
    Some(Value::Number(value))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case("y", json!(true))]
    #[case("NO", json!(false))]
    #[case("on", json!(true))]
    #[case("1_000", json!(1000))]
    #[case("0644", json!(420))]
    #[case("0b11", json!(3))]
    #[case("12:30:45", json!("12:30:45"))]
    #[case("1:2", json!("1:2"))]
    #[case("2001-01-01", json!("2001-01-01"))]
    #[case("0o7", json!(7))]
    #[case("=", json!("="))]
    fn what_readers_disagree_about(#[case] text: &str, #[case] go: Value) {
        let resolved = plain(text);
        assert_eq!(resolved.value, go);
        assert!(resolved.otherwise.is_some(), "{text}");
    }

    #[rstest]
    #[case("true", json!(true))]
    #[case("~", json!(null))]
    #[case("8080", json!(8080))]
    #[case("-5", json!(-5))]
    #[case("1e3", json!(1000.0))]
    #[case("08", json!(8.0))]
    #[case("0.5", json!(0.5))]
    #[case("18446744073709551615", json!(18_446_744_073_709_551_615_u64))]
    #[case("apps/v1", json!("apps/v1"))]
    #[case("nginx:1.2", json!("nginx:1.2"))]
    #[case("100m", json!("100m"))]
    #[case("1.2.3", json!("1.2.3"))]
    #[case("infinity", json!("infinity"))]
    #[case("-", json!("-"))]
    #[case(".5_0", json!(".5_0"))]
    #[case("e3", json!("e3"))]
    #[case("10.0.0.0/8", json!("10.0.0.0/8"))]
    #[case("node", json!("node"))]
    fn what_all_readers_agree_about(#[case] text: &str, #[case] value: Value) {
        let resolved = plain(text);
        assert_eq!(resolved.value, value);
        assert_eq!(resolved.otherwise, None, "{text}");
    }
}
