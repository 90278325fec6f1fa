//! Texts in CEL, the expression language of the API server.

use std::fmt::Write as _;

/// A string literal. What is not plain is escaped, so that no text can end the literal
/// (CEL specification, "String and Bytes Values").
pub(crate) fn string(text: &str) -> String {
    let mut literal = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => literal.extend(['\\', c]),
            c if c.is_control() || !c.is_ascii() => {
                // Writing to a String cannot fail.
                let _ = write!(literal, "\\U{:08X}", u32::from(c));
            }
            c => literal.push(c),
        }
    }
    literal.push('"');
    literal
}

/// A list of string literals.
pub(crate) fn strings<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let texts: Vec<String> = texts.into_iter().map(string).collect();
    format!("[{}]", texts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn literals_are_as_cel_reads_them() {
        assert_eq!(string("a:b"), r#""a:b""#);
        assert_eq!(string("\"] || true\\"), r#""\"] || true\\""#);
        assert_eq!(string("ä\n"), r#""\U000000E4\U0000000A""#);
        assert_eq!(strings(["a", "b"]), r#"["a", "b"]"#);
    }

    proptest! {
        #[test]
        fn no_text_ends_its_literal(text in ".*") {
            let literal = string(&text);
            let inner = &literal[1..literal.len() - 1];
            let bare = inner.replace("\\\\", "").replace("\\\"", "");
            prop_assert!(!bare.contains('"'));
            prop_assert!(!bare.ends_with('\\'));
            prop_assert!(literal.chars().all(|c| c.is_ascii() && !c.is_control()));
        }
    }
}
