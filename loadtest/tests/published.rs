//! What is published is what the reports beside it say.
#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

use std::path::{Path, PathBuf};

use fleet_loadtest::compare::reports;
use fleet_loadtest::plot::pages::pages;
use fleet_loadtest::{Report, capacity};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/performance")
}

fn history() -> Vec<Report> {
    reports(&folder().join("history")).expect("reports")
}

fn read(name: &str) -> String {
    let path = folder().join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn pages_and_plots_are_those_of_the_reports() {
    for file in pages(&history()) {
        let same = read(&file.name) == file.content;
        let again = "fleet-loadtest report docs/performance/history --out docs/performance";
        assert!(same, "{} is of other reports; run `{again}`", file.name);
    }
}

#[test]
fn tables_of_capacity_are_those_of_the_reports() {
    let page = read("capacity.md");
    let filled = capacity::fill(&page, &capacity::blocks(&history())).expect("its marks");
    let again = "fleet-loadtest capacity docs/performance/history";
    assert!(
        page == filled,
        "capacity.md is of other reports; run `{again}`"
    );
}
