//! The committed manifests are those that the definitions give.
#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

use std::path::Path;

use fleet_gitops::{Files, examples};

#[test]
fn committed_manifests_are_what_the_definitions_give() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/manifests"));
    let files = Files::of_all(&examples().expect("parameters")).expect("files");
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        files.write_to(folder).expect("written");
    }
    let drift = files.diff(folder).expect("read");
    assert!(
        drift.is_empty(),
        "gitops/manifests is not what its definitions give; run `make generate`:\n{}",
        drift.join("\n")
    );
}

/// Whoever names the wrong folder, or keeps files of their own in it, must not lose them.
#[test]
fn writing_removes_what_was_generated_before_and_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let all = examples().expect("parameters");
    Files::of_all(&all)
        .expect("files")
        .write_to(folder.path())
        .expect("written");
    let own = folder.path().join("notes.yaml");
    std::fs::write(&own, "mine: true\n").expect("written");
    let one = Files::of(&all[0]).expect("files");
    one.write_to(folder.path()).expect("written");
    assert_eq!(
        one.diff(folder.path()).expect("read"),
        ["notes.yaml: is not generated"]
    );
    assert!(own.is_file());
}
