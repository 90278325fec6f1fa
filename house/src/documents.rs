//! Documents tell the truth: links lead somewhere, and what they name exists.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use fleet_api::condition::ConditionReason;
use fleet_api::trace::Verdict;
use fleet_auth_core::AuthReason;
use fleet_contracts::{DeviceReason, RefusalReason};

use crate::repository::{assert_none, files, read, root, shown};

/// What ARCHITECTURE.md says of an invariant, or a part of one, that no test holds.
const NOT_HELD: &str = "not yet held by a test";

/// A Markdown link: its text and where it leads.
struct Link {
    text: String,
    target: String,
}

fn documents() -> Vec<PathBuf> {
    files(&root(), &["md"])
}

/// Every `[text](target)` outside fenced blocks.
fn links(markdown: &str) -> Vec<Link> {
    let prose = without_fences(markdown);
    let mut found = Vec::new();
    let mut rest = prose.as_str();
    while let Some(middle) = rest.find("](") {
        let (before, after) = (&rest[..middle], &rest[middle + 2..]);
        rest = after;
        if let (Some(open), Some(close)) = (before.rfind('['), after.find(')')) {
            found.push(Link {
                text: before[open + 1..].trim_matches('`').to_owned(),
                target: after[..close].to_owned(),
            });
        }
    }
    found
}

fn without_fences(markdown: &str) -> String {
    let mut fenced = false;
    let mut prose = String::new();
    for line in markdown.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            prose.push_str(line);
            prose.push('\n');
        }
    }
    prose
}

fn is_file_link(target: &str) -> bool {
    !target.contains("://") && !target.starts_with(['#', '<']) && !target.starts_with("mailto:")
}

fn resolve(document: &Path, target: &str) -> PathBuf {
    let path = target.split('#').next().unwrap_or_default();
    document.parent().expect("a folder").join(path)
}

#[test]
fn links_between_files_lead_somewhere() {
    let mut findings = Vec::new();
    for document in documents() {
        let broken = links(&read(&document))
            .into_iter()
            .filter(|link| is_file_link(&link.target))
            .filter(|link| !resolve(&document, &link.target).exists());
        findings.extend(broken.map(|link| format!("{}: {}", shown(&document), link.target)));
    }
    assert_none(&findings, "no such file");
}

#[test]
fn each_invariant_names_a_test_that_exists() {
    let document = root().join("ARCHITECTURE.md");
    let text = read(&document);
    let invariants = invariants(&text);
    let numbers: Vec<_> = invariants.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, (1..=9).collect::<Vec<_>>(), "the invariants");
    let mut findings = Vec::new();
    for (number, body) in invariants {
        let tests: Vec<_> = links(&body)
            .into_iter()
            .filter(|link| is_source(&link.target))
            .collect();
        if tests.is_empty() && !body.contains(NOT_HELD) {
            findings.push(format!("{number}: names no test, nor says \"{NOT_HELD}\""));
        }
        for Link { text, target } in tests {
            let path = resolve(&document, &target);
            if !path.exists() || !has_test(&read(&path), &text) {
                findings.push(format!("{number}: no test `{text}` in {target}"));
            }
        }
    }
    assert_none(&findings, "ARCHITECTURE.md, invariants");
}

#[test]
fn tests_that_documents_name_exist() {
    let mut findings = Vec::new();
    for document in documents() {
        let named = links(&read(&document)).into_iter().filter(|link| {
            let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            is_source(&link.target) && link.text.contains('_') && link.text.chars().all(is_name)
        });
        for Link { text, target } in named {
            let path = resolve(&document, &target);
            if !path.exists() || !has_test(&read(&path), &text) {
                let document = shown(&document);
                findings.push(format!("{document}: no test `{text}` in {target}"));
            }
        }
    }
    assert_none(&findings, "what a document promises is held by no test");
}

/// The numbered items below the heading "Invariants".
fn invariants(architecture: &str) -> Vec<(usize, String)> {
    let section = architecture
        .split("\n## ")
        .find(|section| section.starts_with("Invariants"))
        .expect("a section called Invariants");
    let mut items: Vec<(usize, String)> = Vec::new();
    for line in section.lines() {
        let number = line.split_once(". ").and_then(|(n, _)| n.parse().ok());
        match (number, items.last_mut()) {
            (Some(number), _) => items.push((number, line.to_owned())),
            (None, Some((_, body))) => {
                body.push('\n');
                body.push_str(line);
            }
            (None, None) => {}
        }
    }
    items
}

fn is_source(target: &str) -> bool {
    Path::new(target).extension().is_some_and(|e| e == "rs")
}

/// Whether a file holds this function with a test attribute above it, or inside `proptest!`.
fn has_test(source: &str, name: &str) -> bool {
    let signature = format!("fn {name}(");
    let Some(at) = source.find(&signature) else {
        return false;
    };
    let above = &source[..at];
    let attributes = above.rsplit("\n\n").next().unwrap_or(above);
    attributes.contains("test]") || attributes.contains("test(") || attributes.contains("rstest")
}

#[test]
fn make_targets_that_documents_name_exist() {
    let targets = make_targets();
    let mut findings = Vec::new();
    for document in documents() {
        for span in read(&document).split('`') {
            let Some(target) = span.strip_prefix("make ") else {
                continue;
            };
            let target = target.split([' ', '\n']).next().unwrap_or_default();
            if !targets.contains(target) {
                findings.push(format!("{}: make {target}", shown(&document)));
            }
        }
    }
    assert_none(&findings, "not in the Makefile");
}

/// The targets of the Makefile; each is on the menu, so each has a `##` text.
fn make_targets() -> BTreeSet<String> {
    let makefile = read(&root().join("Makefile"));
    let rules = makefile.lines().filter_map(|line| {
        let (target, _) = line.split_once(':')?;
        let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        (!target.is_empty() && target.chars().all(is_name)).then_some((target, line))
    });
    rules
        .map(|(target, line)| {
            assert!(
                line.contains("## "),
                "make {target} says nothing in the menu"
            );
            target.to_owned()
        })
        .collect()
}

#[test]
fn every_reason_is_explained() {
    let text = read(&root().join("docs/troubleshooting.md"));
    let device = DeviceReason::ALL.iter().map(|r| r.as_str());
    let refusal = RefusalReason::ALL.iter().map(|r| r.as_str());
    let condition = ConditionReason::ALL.iter().map(|r| r.as_str());
    let auth = AuthReason::ALL.iter().map(|r| r.as_str());
    let verdict = Verdict::ALL.iter().map(|v| v.as_str());
    let missing: Vec<_> = device
        .chain(refusal)
        .chain(condition)
        .chain(auth)
        .chain(verdict)
        .filter(|reason| !text.contains(&format!("`{reason}`")))
        .map(str::to_owned)
        .collect();
    assert_none(
        &missing,
        "say in docs/troubleshooting.md what a user can do about",
    );
}

#[test]
fn decisions_are_complete_and_listed() {
    let folder = root().join("docs/adr");
    let index = read(&folder.join("README.md"));
    let mut findings = Vec::new();
    for path in files(&folder, &["md"]) {
        let name = path.file_name().expect("a name").to_string_lossy();
        if name == "README.md" {
            continue;
        }
        let text = read(&path);
        for part in ["Status:", "## Context", "## Decision", "## Consequences"] {
            if !text.contains(part) {
                findings.push(format!("{name}: no {part}"));
            }
        }
        if !index.contains(&format!("({name})")) {
            findings.push(format!("{name}: not in docs/adr/README.md"));
        }
    }
    assert_none(&findings, "an ADR has all parts and is listed");
}
