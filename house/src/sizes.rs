//! When a file or a function grows past its bound, a concept wants its own place.

use crate::repository::{assert_none, members, shown};
use crate::source::sources;

/// Lines of a file, its tests left out.
const MAX_FILE: usize = 400;
/// Lines of code of a function: blank lines and comments do not count.
const MAX_FUNCTION: usize = 60;

#[test]
fn files_stay_readable() {
    let mut findings = Vec::new();
    for source in members().iter().flat_map(sources) {
        let lines = source.product_lines().count();
        if lines > MAX_FILE {
            findings.push(format!("{}: {lines} lines", shown(&source.path)));
        }
    }
    let rule = format!("files have at most {MAX_FILE} lines outside tests");
    assert_none(&findings, &rule);
}

#[test]
fn functions_stay_readable() {
    let mut findings = Vec::new();
    for source in members().iter().flat_map(sources) {
        let path = shown(&source.path);
        let long = source
            .function_lengths()
            .filter(|(_, lines)| *lines > MAX_FUNCTION);
        findings.extend(long.map(|(f, lines)| format!("{path}: {}: {lines} lines", f.name)));
    }
    let rule = format!("functions have at most {MAX_FUNCTION} lines of code");
    assert_none(&findings, &rule);
}
