//! Text in XML. Documents are read by a library; those that are written are one template, which needs
//! no more than this.

/// Text, as it may stand between tags and between quotes of either kind. White space other than the
/// blank is written by number: in attributes a reader would make blanks of it. What XML cannot hold
/// at all becomes U+FFFD.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            '\t' => escaped.push_str("&#9;"),
            '\n' => escaped.push_str("&#10;"),
            '\r' => escaped.push_str("&#13;"),
            '\0'..' ' | '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use roxmltree::Document;

    use super::*;

    proptest! {
        #[test]
        fn a_reader_gets_back_what_was_escaped(text in any::<String>(), soup in "[<>&\"'/;#a \t\r\n]{0,40}") {
            for text in [text, soup] {
                let lost = |c: char| c < ' ' && !matches!(c, '\t' | '\n' | '\r');
                let lost = |c: char| lost(c) || matches!(c, '\u{fffe}' | '\u{ffff}');
                let kept = text.replace(lost, "\u{fffd}");
                let document = format!("<a b='{0}' c=\"{0}\">{0}</a>", escape(&text));
                let read = Document::parse(&document);
                let read = read.map_err(|error| TestCaseError::fail(error.to_string()))?;
                let root = read.root_element();
                prop_assert_eq!(root.attribute("b"), Some(kept.as_str()));
                prop_assert_eq!(root.attribute("c"), Some(kept.as_str()));
                prop_assert_eq!(root.text().unwrap_or_default(), kept);
            }
        }
    }
}
