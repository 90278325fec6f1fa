//! The list and the tests of this repository name the same attacks.
#![allow(clippy::expect_used, reason = "test code")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::{Program, Test, attacks};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The file of a test and its function: by convention of cargo and of this repository, a program of
/// tests is `tests/<program>.rs`, or `tests/<program>/` with a file for each module.
fn place(test: &Test) -> (PathBuf, String) {
    let tests = root().join(test.program.folder).join("tests");
    let mut path: Vec<_> = test.name.split("::").collect();
    let function = path.pop().expect("a function").to_owned();
    // The modules that `on_both` makes are in the file of their parent.
    path.retain(|module| !["single", "cluster"].contains(module));
    let program = tests.join(test.program.name);
    let file = if path.is_empty() {
        program
    } else {
        program.join(path.join("/"))
    };
    (file.with_extension("rs"), function)
}

#[test]
fn every_test_of_the_list_exists() {
    for test in attacks().flat_map(|attack| attack.tests) {
        let (file, function) = place(test);
        let text = fs::read_to_string(&file).unwrap_or_default();
        let signature = format!("async fn {function}(");
        let signature = [&signature, signature.trim_start_matches("async ")];
        assert!(
            signature.iter().any(|signature| text.contains(*signature)),
            "{} has no {function}",
            file.display()
        );
    }
}

/// Tests by program, module and name.
type Names = BTreeSet<(Program, String)>;

/// The attacks that a macro `on_both` takes.
fn on_both() -> Names {
    let mut names = Names::new();
    for program in programs() {
        let folder = root().join(program.folder).join("tests").join(program.name);
        for (file, text) in sources(&folder) {
            let module = file.file_stem().expect("a name").to_string_lossy();
            let attacks = text.lines().filter_map(|line| {
                let name = line.strip_prefix("    attack_")?.strip_suffix(',')?;
                Some((program, format!("{module}::attack_{name}")))
            });
            names.extend(attacks);
        }
    }
    names
}

fn programs() -> BTreeSet<Program> {
    let tests = attacks().flat_map(|attack| attack.tests);
    tests.map(|test| test.program).collect()
}

fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let text = fs::read_to_string(&path).expect("a source");
            found.push((path, text));
        }
    }
    found
}

#[test]
fn every_attack_on_the_bus_is_listed_on_both_kinds_of_it() {
    let listed = |kind: &str| -> Names {
        let tests = attacks().flat_map(|attack| attack.tests);
        let of_kind = tests.filter(|test| test.name.contains(kind));
        let name = |test: &Test| (test.program, test.name.replace(kind, "::"));
        of_kind.map(name).collect()
    };
    let written = on_both();
    assert!(written.len() > 40, "{written:?}");
    assert_eq!(listed("::single::"), written);
    assert_eq!(listed("::cluster::"), written);
}

/// A test that is named after an attack is one, wherever it is.
#[test]
fn every_attack_of_another_program_is_listed() {
    let listed: BTreeSet<_> = attacks()
        .flat_map(|attack| attack.tests)
        .map(|test| place(test).1)
        .collect();
    let folders: BTreeSet<_> = programs().iter().map(|program| program.folder).collect();
    for folder in folders {
        for (file, text) in sources(&root().join(folder).join("tests")) {
            let functions = text.lines().filter_map(|line| {
                let rest = line.strip_prefix("async fn attack_")?;
                rest.split_once('(').map(|(name, _)| name)
            });
            for name in functions {
                let name = format!("attack_{name}");
                assert!(listed.contains(&name), "{}: {name}", file.display());
            }
        }
    }
}

#[test]
fn no_attack_is_listed_twice() {
    let names: Vec<_> = attacks().map(|attack| attack.name).collect();
    let different: BTreeSet<_> = names.iter().collect();
    assert_eq!(names.len(), different.len());
}
