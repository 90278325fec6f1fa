//! What `CHANGELOG.md` says of a version, in the form of "Keep a Changelog".

use serde::Serialize;

/// The heading of what is not released yet.
const UNRELEASED: &str = "Unreleased";

/// Why a changelog cannot be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ChangelogError {
    /// A heading that is no kind of change.
    #[error(
        "line {line}: {found:?} is none of Added, Changed, Deprecated, Removed, Fixed, Security"
    )]
    UnknownKind {
        /// The line, from 1.
        line: usize,
        /// The heading.
        found: String,
    },
    /// An entry that stands below no kind of change, or text that stands in no entry.
    #[error("line {line}: below a version there are headings of changes, and entries below them")]
    Loose {
        /// The line, from 1.
        line: usize,
    },
    /// Nothing is said of a version.
    #[error("there are no changes of {version}, and none that are unreleased")]
    Missing {
        /// The version.
        version: String,
    },
}

/// What a change does to people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    /// Something new.
    Added,
    /// Something is otherwise than it was.
    Changed,
    /// Something will go.
    Deprecated,
    /// Something is gone.
    Removed,
    /// Something works that did not.
    Fixed,
    /// A weakness is gone.
    Security,
}

impl ChangeKind {
    fn of(heading: &str) -> Option<Self> {
        Some(match heading {
            "Added" => Self::Added,
            "Changed" => Self::Changed,
            "Deprecated" => Self::Deprecated,
            "Removed" => Self::Removed,
            "Fixed" => Self::Fixed,
            "Security" => Self::Security,
            _ => return None,
        })
    }
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// What it does.
    pub kind: ChangeKind,
    /// In words, on one line and without links.
    pub description: String,
}

/// All changes, the newest version first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changelog {
    versions: Vec<(String, Vec<Change>)>,
}

impl Changelog {
    /// Reads the text of a `CHANGELOG.md`.
    ///
    /// # Errors
    /// Where it is not in the form, with the line.
    pub fn parse(text: &str) -> Result<Self, ChangelogError> {
        let mut log = Self::default();
        let mut kind = None;
        for (index, text) in text.lines().enumerate() {
            let line = index + 1;
            if let Some(heading) = text.strip_prefix("## ") {
                log.versions.push((version(heading).to_owned(), Vec::new()));
                kind = None;
                continue;
            }
            // What stands before the first version is about the file itself.
            let Some((_, changes)) = log.versions.last_mut() else {
                continue;
            };
            if let Some(heading) = text.strip_prefix("### ") {
                let found = heading.trim().to_owned();
                let known = ChangeKind::of(&found);
                kind = Some(known.ok_or(ChangelogError::UnknownKind { line, found })?);
            } else if let Some(entry) = text.strip_prefix("- ") {
                let kind = kind.ok_or(ChangelogError::Loose { line })?;
                let description = entry.trim().to_owned();
                changes.push(Change { kind, description });
            } else if !text.trim().is_empty() {
                let change = changes.last_mut().filter(|_| text.starts_with("  "));
                let change = change.ok_or(ChangelogError::Loose { line })?;
                change.description.push(' ');
                change.description.push_str(text.trim());
            }
        }
        for change in log.versions.iter_mut().flat_map(|(_, changes)| changes) {
            change.description = without_links(&change.description);
        }
        Ok(log)
    }

    /// The changes of a version, or what is unreleased if it has no heading yet.
    ///
    /// # Errors
    /// When there is neither.
    pub fn of(&self, version: &str) -> Result<&[Change], ChangelogError> {
        let named = |wanted: &str| self.versions.iter().find(|(name, _)| name == wanted);
        let found = named(version).or_else(|| named(UNRELEASED));
        let missing = || ChangelogError::Missing {
            version: version.to_owned(),
        };
        let changes = found.map(|(_, changes)| changes.as_slice());
        changes
            .filter(|changes| !changes.is_empty())
            .ok_or_else(missing)
    }
}

/// `[1.2.0] - 2027-01-31` is about 1.2.0.
fn version(heading: &str) -> &str {
    let word = heading.split_whitespace().next().unwrap_or_default();
    word.trim_matches(['[', ']'])
}

/// Links lead to files of the repository, which readers of a catalogue do not have: their text stays.
fn without_links(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('[') {
        let link = after.split_once("](");
        let link = link.and_then(|(label, target)| Some((label, target.split_once(')')?.1)));
        plain.push_str(before);
        if let Some((label, after)) = link.filter(|(label, _)| !label.contains('[')) {
            plain.push_str(label);
            rest = after;
        } else {
            plain.push('[');
            rest = after;
        }
    }
    plain + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# Changelog\n\nAbout it.\n\n## Unreleased\n\n### Added\n- One of\n  two lines, see \
                        [the docs](docs/a.md#b) [not a link].\n### Security\n- Two.\n\n## [1.0.0] - 2027-01-31\n\n\
                        ### Fixed\n- Three.\n";

    fn change(kind: ChangeKind, description: &str) -> Change {
        Change {
            kind,
            description: description.to_owned(),
        }
    }

    #[test]
    fn entries_are_read_by_version_and_kind() {
        let log = Changelog::parse(TEXT).expect("read");
        let unreleased = [
            change(
                ChangeKind::Added,
                "One of two lines, see the docs [not a link].",
            ),
            change(ChangeKind::Security, "Two."),
        ];
        assert_eq!(log.of("1.1.0"), Ok(&unreleased[..]));
        assert_eq!(
            log.of("1.0.0"),
            Ok(&[change(ChangeKind::Fixed, "Three.")][..])
        );
    }

    #[test]
    fn what_is_not_in_the_form_is_said_with_its_line() {
        let parse = |text: &str| Changelog::parse(text).expect_err("refused");
        let (found, line) = ("Nice".to_owned(), 2);
        let expected = ChangelogError::UnknownKind { line, found };
        assert_eq!(parse("## 1.0.0\n### Nice\n"), expected);
        assert_eq!(parse("## 1.0.0\n- a\n"), ChangelogError::Loose { line: 2 });
        assert_eq!(
            parse("## 1.0.0\n### Added\na\n"),
            ChangelogError::Loose { line: 3 }
        );
        let version = "1.0.0".to_owned();
        let empty = Changelog::parse("## Unreleased\n").expect("read");
        assert_eq!(empty.of("1.0.0"), Err(ChangelogError::Missing { version }));
    }

    #[test]
    fn the_changelog_of_this_repository_is_in_the_form() {
        let log = Changelog::parse(include_str!("../../../CHANGELOG.md")).expect("read");
        assert!(
            !log.of(env!("CARGO_PKG_VERSION"))
                .expect("changes")
                .is_empty()
        );
    }
}
