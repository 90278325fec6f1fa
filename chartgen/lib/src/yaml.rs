//! Scalars and keys that every reader of YAML takes for the strings they are.
//!
//! Helm and kubectl read YAML 1.1, where `y`, `no` and `12:30:45` are not strings. Nothing here
//! lists what is dangerous: a string stays bare only if its form is on a short list of harmless
//! ones, and is written in double quotes otherwise.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Words that YAML 1.1 or 1.2 reads as a boolean or null, in lower case.
const WORDS: [&str; 9] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];

/// A string as a key or scalar on one line, quoted unless it is harmless.
pub(crate) fn scalar(text: &str) -> Cow<'_, str> {
    if is_harmless(text) {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(quoted(text))
    }
}

/// Letters, digits and a few marks, beginning with a letter or a slash: no number, date, indicator
/// or merge key looks like this.
fn is_harmless(text: &str) -> bool {
    let first = text.bytes().next();
    first.is_some_and(|c| c.is_ascii_alphabetic() || c == b'/')
        && text
            .bytes()
            .all(|c| c.is_ascii_alphanumeric() || b"/._-".contains(&c))
        && !WORDS.contains(&text.to_ascii_lowercase().as_str())
    // `.inf` and `.nan` begin with a dot and are quoted for that; `e3` and the like are words.
}

/// Neither a control character nor one that some reader takes for a line break or refuses: the
/// separators of YAML 1.1, the byte order mark, and what is no character of YAML (section 5.1).
pub(crate) fn is_printable(letter: char) -> bool {
    !letter.is_control()
        && !matches!(
            letter,
            '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
        )
}

/// A string in double quotes. The escapes are those that JSON and YAML share, so any reader of
/// either takes it for the same.
pub(crate) fn quoted(text: &str) -> String {
    let mut line = String::with_capacity(text.len() + 2);
    line.push('"');
    for letter in text.chars() {
        match letter {
            '"' => line.push_str("\\\""),
            '\\' => line.push_str("\\\\"),
            '\n' => line.push_str("\\n"),
            '\t' => line.push_str("\\t"),
            '\r' => line.push_str("\\r"),
            // All of these lie in the basic plane, so that four digits do.
            c if !is_printable(c) => {
                let _ = write!(line, "\\u{:04x}", u32::from(c));
            }
            c => line.push(c),
        }
    }
    line.push('"');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_yaml_reads_as_something_else_are_quoted() {
        for text in [
            "y",
            "N",
            "on",
            "Off",
            "NO",
            "1_000",
            "12:30:45",
            "0o7",
            "1e3",
            "~",
            "=",
            "<<",
            "2001-01-01",
            "007",
            "",
            " a",
            "a ",
            "a: b",
            "a #b",
            "{{ x }}",
            "- a",
            "null",
            ".inf",
            "!tag",
            "*a",
            "&a",
            "%a",
            "@a",
            "`a",
            "|",
            ">",
            "?",
            "'",
            "\"",
        ] {
            assert_eq!(scalar(text), quoted(text), "{text}");
        }
    }

    #[test]
    fn ordinary_names_stay_readable() {
        for text in [
            "apps/v1",
            "Deployment",
            "apps.example.com",
            "/spec",
            "a-b_c",
        ] {
            assert_eq!(scalar(text), text);
        }
    }
}
