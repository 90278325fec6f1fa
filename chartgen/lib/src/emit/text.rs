//! Strings in templates: what YAML, Go templates and Helm would misread is escaped.

use crate::yaml::{is_printable, quoted, scalar};

/// Helm deletes this from whatever it renders, for it stands for a missing value.
const NO_VALUE: &str = "<no value>";

/// Where text ends up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// A file that Helm renders.
    Template,
    /// A file that is read as it is.
    Plain,
}

/// A string as a key or value on one line.
pub(super) fn inline(text: &str, target: Target) -> String {
    let line = scalar(text);
    match target {
        Target::Plain => line.into_owned(),
        // Quoted, for neither `<` nor a space is harmless; so an escape is understood.
        Target::Template => braces(&line.replace(NO_VALUE, "\\u003cno value>")),
    }
}

/// What a template has to say to render to this text.
pub(super) fn braces(text: &str) -> String {
    text.replace("{{", r#"{{ "{{" }}"#)
}

/// A comment's line. Whatever some reader could take for a line break becomes a space.
pub(super) fn comment(line: &str) -> String {
    let safe = |c: char| if is_printable(c) { c } else { ' ' };
    let line: String = line.chars().map(safe).collect();
    braces(format!("# {line}").trim_end())
}

/// A string of more than one line as a block, if every reader takes it for the same.
pub(super) struct Block {
    /// `|` or `|-`.
    pub(super) indicator: &'static str,
    /// Whether the last line ends with a line break.
    pub(super) ended: bool,
    pub(super) lines: Vec<String>,
}

/// The block for a text, or nothing if it has to be quoted: white space where editors, trimming
/// templates or indentation would change it, or characters that YAML 1.1 takes for line breaks.
pub(super) fn block(text: &str, target: Target) -> Option<Block> {
    let (body, ended) = match text.strip_suffix('\n') {
        Some(body) => (body, true),
        None => (text, false),
    };
    let lines: Vec<_> = body.split('\n').collect();
    let first = lines.first().copied().unwrap_or_default();
    let last = lines.last().copied().unwrap_or_default();
    let odd = |line: &str| {
        line.ends_with(char::is_whitespace)
            || line.trim_start_matches(' ').starts_with('\t')
            || !line.chars().all(|c| c == '\t' || is_printable(c))
            || line.contains(NO_VALUE)
    };
    let unsafe_here = (lines.len() < 2 && !ended)
        || first.is_empty()
        || first.starts_with(' ')
        || last.is_empty()
        || lines.iter().any(|line| odd(line));
    if unsafe_here {
        return None;
    }
    let write = |line: &&str| match target {
        Target::Template => braces(line),
        Target::Plain => (*line).to_owned(),
    };
    Some(Block {
        indicator: if ended { "|" } else { "|-" },
        ended,
        lines: lines.iter().map(write).collect(),
    })
}

/// The indicator and the lines of a text that can be a block in a file that is read as it is.
pub(crate) fn plain_block(text: &str) -> Option<(&'static str, Vec<String>)> {
    let block = block(text, Target::Plain)?;
    Some((block.indicator, block.lines))
}

/// A string literal of a Go template.
pub(super) fn go_string(text: &str) -> String {
    // Go knows the escapes that `quoted` uses. Helm would delete its mark from what the literal
    // yields as well, so there is nothing to be done about it here.
    quoted(text)
}

/// A number that readers of YAML 1.1 and of JSON take for a number with a fraction, exactly.
pub(super) fn float(number: f64) -> String {
    // The shortest digits that read back as the same number.
    let digits = format!("{number:?}");
    match digits.split_once('e') {
        // YAML 1.1 wants a dot and a sign.
        Some((mantissa, exponent)) => {
            let dot = if mantissa.contains('.') { "" } else { ".0" };
            let sign = if exponent.starts_with('-') { "" } else { "+" };
            format!("{mantissa}{dot}e{sign}{exponent}")
        }
        None => digits,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_and_helms_mark_for_missing_values_are_escaped() {
        let line = inline("{{ $labels.x }}", Target::Template);
        assert_eq!(line, r#""{{ "{{" }} $labels.x }}""#);
        let line = inline("a <no value> b", Target::Template);
        assert_eq!(line, r#""a \u003cno value> b""#);
        assert_eq!(inline("{{", Target::Plain), r#""{{""#);
    }

    #[test]
    fn blocks_are_for_text_that_white_space_does_not_hurt() {
        let block_of = |text: &str| block(text, Target::Template).map(|b| b.indicator);
        assert_eq!(block_of("a\nb\n"), Some("|"));
        assert_eq!(block_of("a\n\n  b"), Some("|-"));
        assert_eq!(block_of("a\n"), Some("|"));
        for text in [
            "a",
            "",
            "\n",
            " a\nb",
            "\na\n",
            "a \nb",
            "a\nb\n\n",
            "a\r\nb",
            "a\n\tb",
            "a\u{85}\nb",
            "a\u{2028}b\n",
            "\u{feff}a\nb",
            "a\n<no value>\n",
            "a\n  \nb",
        ] {
            assert_eq!(block_of(text), None, "{text:?}");
        }
    }

    #[test]
    fn numbers_with_fractions_keep_every_digit() {
        let numbers = [0.1, 1.0, -2.5, 1e300, 1.5e-7, f64::MAX, f64::MIN_POSITIVE];
        for number in numbers {
            let text = float(number);
            assert!(text.contains('.'), "{text}");
            assert_eq!(text.parse::<f64>().ok(), Some(number));
        }
        assert_eq!(float(1e300), "1.0e+300");
    }
}
