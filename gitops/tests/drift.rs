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
