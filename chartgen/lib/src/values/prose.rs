//! Documentation comments as text for people, wherever it is written.

use crate::yaml::is_printable;

/// A part of a text that stands for itself.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Block {
    /// Running text, on one line here; wrapping it changes nothing.
    Paragraph(String),
    /// Lines whose breaks mean something: lists, tables, code.
    Lines(Vec<String>),
}

/// The blocks of a text, which blank lines and the starts of lists part.
pub(super) fn blocks(text: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let (mut fenced, mut fresh) = (false, true);
    for line in text.split(is_break).map(str::trim_end) {
        let fence = is_fence(line);
        if line.is_empty() && !fenced {
            fresh = true;
            continue;
        }
        let verbatim = fenced || fence || is_verbatim(line);
        match blocks.last_mut() {
            Some(Block::Lines(lines)) if !fresh && (verbatim || fenced) => lines.push(clean(line)),
            // A line below a list item goes on with the item.
            Some(Block::Lines(lines)) if !fresh && !fence => lines.push(clean(line)),
            Some(Block::Paragraph(words)) if !fresh && !verbatim => {
                words.push(' ');
                words.push_str(&clean(line.trim()));
            }
            _ if verbatim => blocks.push(Block::Lines(vec![clean(line)])),
            _ => blocks.push(Block::Paragraph(clean(line.trim()))),
        }
        fresh = false;
        fenced ^= fence;
    }
    blocks
}

/// Where code begins or ends.
fn is_fence(line: &str) -> bool {
    line.trim_start().starts_with("```")
}

/// What some reader of YAML takes for the end of a line, and so of a comment.
fn is_break(letter: char) -> bool {
    matches!(letter, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Comments hold nothing that a reader of YAML refuses.
fn clean(line: &str) -> String {
    let readable = |letter: char| if is_printable(letter) { letter } else { ' ' };
    line.chars().map(readable).collect()
}

/// Lists, tables, quotes, headings and indented code of Markdown.
fn is_verbatim(line: &str) -> bool {
    let text = line.trim_start();
    let numbered = text.split_once(['.', ')']).is_some_and(|(number, rest)| {
        !number.is_empty() && number.bytes().all(|c| c.is_ascii_digit()) && rest.starts_with(' ')
    });
    let marked = ["- ", "* ", "+ ", "|", ">", "#"]
        .iter()
        .any(|mark| text.starts_with(mark));
    numbered || marked || line.starts_with("    ") || line.starts_with('\t')
}

/// A text as lines of at most `width` letters where words allow it.
pub(crate) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for block in blocks(text) {
        if !lines.is_empty() {
            lines.push(String::new());
        }
        match block {
            Block::Paragraph(words) => lines.extend(wrap(&words, width)),
            Block::Lines(kept) if kept.iter().any(|line| is_fence(line)) => lines.extend(kept),
            Block::Lines(kept) => lines.extend(kept.iter().flat_map(|line| hang(line, width))),
        }
    }
    lines
}

/// An item of a list may be wrapped if what follows stands below its text; nothing else may.
fn hang(line: &str, width: usize) -> Vec<String> {
    let Some(text) = line.strip_prefix("- ") else {
        return vec![line.to_owned()];
    };
    let mut lines = wrap(text, width.saturating_sub(2));
    for (number, line) in lines.iter_mut().enumerate() {
        line.insert_str(0, if number == 0 { "- " } else { "  " });
    }
    lines
}

fn wrap(words: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut length = 0;
    for word in words.split(' ') {
        let letters = word.chars().count();
        if length > 0 && length + 1 + letters > width {
            lines.push(String::new());
            length = 0;
        }
        if let Some(line) = lines.last_mut() {
            if length > 0 {
                line.push(' ');
                length += 1;
            }
            line.push_str(word);
            length += letters;
        }
    }
    lines
}

/// A text on one line, for the cell of a table.
pub(super) fn one_line(text: &str) -> String {
    let parts = blocks(text).into_iter().map(|block| match block {
        Block::Paragraph(words) => words,
        Block::Lines(lines) => lines.join("<br>"),
    });
    parts.collect::<Vec<_>>().join("<br>")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paragraphs_are_wrapped_and_what_has_lines_keeps_them() {
        let text = "One two\nthree four.\n\n- first item is long\n- second\n\n```\n- b   c d e f g\n\n  x\n```\nAfter.";
        let lines = wrapped(text, 12);
        let expected = [
            "One two",
            "three four.",
            "",
            "- first item",
            "  is long",
            "- second",
            "",
            "```",
            "- b   c d e f g",
            "",
            "  x",
            "```",
            "After.",
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn one_line_keeps_paragraphs_apart() {
        assert_eq!(one_line("One\ntwo.\n\nThree."), "One two.<br>Three.");
    }

    proptest! {
        #[test]
        fn wrapping_loses_no_word_and_ends_no_comment(text in ".{0,80}(\n.{0,80}){0,4}", width in 1_usize..60) {
            let lines = wrapped(&text, width);
            let ends = |c: char| !is_printable(c);
            prop_assert!(!lines.iter().any(|line| line.contains(ends)), "{:?}", lines);
            let words = |text: &str| -> Vec<String> {
                let text: String = text.chars().map(|c| if ends(c) { ' ' } else { c }).collect();
                text.split_whitespace().map(str::to_owned).collect()
            };
            prop_assert_eq!(words(&lines.join("\n")), words(&text));
        }
    }
}
