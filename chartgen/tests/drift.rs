//! The committed charts are those that the definitions give.
#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

use std::path::Path;

#[test]
fn committed_charts_are_what_the_definitions_give() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../charts"));
    let update = std::env::var_os("UPDATE_GENERATED").is_some();
    for chart in fleet_chartgen::charts().expect("charts") {
        let folder = folder.join(&chart.name);
        if update {
            chart.write_to(&folder).expect("written");
        }
        let drift = chart.diff(&folder).expect("read");
        assert!(
            drift.is_empty(),
            "charts/{} is not what its definition gives; run `make generate`:\n{drift}",
            chart.name
        );
    }
}
