//! As much of XML as libvirt's documents need.

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

/// The opposite of [`escape`]. What is no reference stays as it is.
pub(crate) fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        plain.push_str(before);
        let reference = after.split_once(';');
        if let Some((c, behind)) = reference.and_then(|(name, behind)| Some((named(name)?, behind)))
        {
            plain.push(c);
            rest = behind;
        } else {
            plain.push('&');
            rest = after;
        }
    }
    plain.push_str(rest);
    plain
}

fn named(name: &str) -> Option<char> {
    match name {
        "lt" => Some('<'),
        "gt" => Some('>'),
        "amp" => Some('&'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix('x') {
                Some(hex) => u32::from_str_radix(hex, 16),
                None => number.parse(),
            };
            char::from_u32(code.ok()?)
        }
    }
}

/// A tag of a document.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Tag<'a> {
    /// The beginning of an element with others inside.
    Open(Element<'a>),
    /// An element with nothing inside.
    Empty(Element<'a>),
    /// The end of the element of this name.
    Close(&'a str),
}

/// An element: its name and its attributes, their values unescaped.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Element<'a> {
    pub(crate) name: &'a str,
    attributes: Vec<(&'a str, String)>,
}

impl Element<'_> {
    /// The value of an attribute.
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(key, _)| *key == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// The tags of a document up to its end, or up to what is no XML.
pub(crate) fn tags(document: &str) -> impl Iterator<Item = Tag<'_>> {
    let mut rest = document;
    std::iter::from_fn(move || {
        let (found, behind) = next_tag(rest)?;
        rest = behind;
        Some(found)
    })
}

/// What begins with the first may hold anything up to the second. The longer ones come first.
const NO_TAGS: [(&str, &str); 4] = [
    ("<!--", "-->"),
    ("<![CDATA[", "]]>"),
    ("<?", "?>"),
    ("<!", ">"),
];

fn next_tag(document: &str) -> Option<(Tag<'_>, &str)> {
    let mut rest = document.get(document.find('<')?..)?;
    while let Some((open, close)) = NO_TAGS.iter().find(|(open, _)| rest.starts_with(open)) {
        let inside = rest.get(open.len()..)?;
        let (_, behind) = inside.split_once(close)?;
        rest = behind.get(behind.find('<')?..)?;
    }
    let inside = rest.get(1..)?;
    let (inside, behind) = inside.split_at_checked(end(inside)?)?;
    let tag = match (inside.strip_prefix('/'), inside.strip_suffix('/')) {
        (Some(name), _) => Tag::Close(name.trim_end()),
        (None, Some(inside)) => Tag::Empty(element(inside)?),
        (None, None) => Tag::Open(element(inside)?),
    };
    Some((tag, behind.get(1..)?))
}

/// Where a tag's `>` is: quoted ones are values.
fn end(text: &str) -> Option<usize> {
    let mut quote = None;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (None, '>') => return Some(at),
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), _) if open == c => quote = None,
            _ => {}
        }
    }
    None
}

fn element(inside: &str) -> Option<Element<'_>> {
    let inside = inside.trim_end();
    let (name, mut rest) = inside
        .split_once(|c: char| c.is_ascii_whitespace())
        .unwrap_or((inside, ""));
    let mut attributes = Vec::new();
    while let Some((key, value)) = rest.split_once('=') {
        let value = value.trim_start();
        let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        let (value, behind) = value.get(1..)?.split_once(quote)?;
        attributes.push((key.trim(), unescape(value)));
        rest = behind;
    }
    Some(Element { name, attributes })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn tags_are_found_among_what_looks_like_them() {
        let document = r#"<?xml version="1.0"?>
            <!DOCTYPE domain>
            <!-- <metadata/> -->
            <domain type='a&gt;b' x = "1>'2">
              <name><![CDATA[<metadata/>]]></name>
              <metadata
                a='1'/>
            </domain >"#;
        let found: Vec<_> = tags(document).collect();
        let element = |name, attributes: &[(&'static str, &str)]| Element {
            name,
            attributes: attributes
                .iter()
                .map(|(key, value)| (*key, (*value).to_owned()))
                .collect(),
        };
        let expected = [
            Tag::Open(element("domain", &[("type", "a>b"), ("x", "1>'2")])),
            Tag::Open(element("name", &[])),
            Tag::Close("name"),
            Tag::Empty(element("metadata", &[("a", "1")])),
            Tag::Close("domain"),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_no_reference_stays() {
        assert_eq!(unescape("&#x41;&#66;&c;&&amp;lt;"), "AB&c;&&lt;");
    }

    proptest! {
        #[test]
        fn escaped_text_says_the_same_and_holds_no_markup(text in any::<String>()) {
            let escaped = escape(&text);
            prop_assert!(!escaped.contains(['<', '>', '"', '\'', '\n', '\0']));
            let lost = |c: char| c < ' ' && !matches!(c, '\t' | '\n' | '\r');
            let lost = |c: char| lost(c) || matches!(c, '\u{fffe}' | '\u{ffff}');
            prop_assert_eq!(unescape(&escaped), text.replace(lost, "\u{fffd}"));
            let references = escaped.split('&').skip(1);
            for reference in references {
                let name = reference.split(';').next().and_then(named);
                prop_assert!(name.is_some(), "{}", escaped);
            }
        }

        #[test]
        fn markup_and_quotes_come_back(text in "[<>&\"'/;#a \t\n]{0,40}") {
            prop_assert_eq!(unescape(&escape(&text)), text.clone());
            let document = format!("<a b='{0}' c=\"{0}\"/>", escape(&text));
            let found: Vec<_> = tags(&document).collect();
            let [Tag::Empty(element)] = found.as_slice() else {
                return Err(TestCaseError::fail(document));
            };
            prop_assert_eq!(element.attribute("b"), Some(text.as_str()));
            prop_assert_eq!(element.attribute("c"), Some(text.as_str()));
        }

        #[test]
        fn no_document_is_too_strange(text in any::<String>(), soup in "[<>&!?\\-\\[\\]'\"/=a ]{0,60}") {
            let _ = tags(&text).count();
            let _ = tags(&soup).count();
        }
    }
}
