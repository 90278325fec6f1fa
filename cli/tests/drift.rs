//! The committed page about `fleet doctor` is what the program can find.
#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

#[test]
fn the_committed_list_of_findings_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/install/doctor.md");
    let current = fleet_cli::doctor::guide::page();
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        std::fs::write(path, &current).expect("write");
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == current,
        "docs/install/doctor.md is out of date; run: make generate"
    );
}

#[test]
fn the_oldest_server_is_the_one_of_the_charts() {
    let chart = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../charts/fleet-operator/Chart.yaml"
    );
    let chart = std::fs::read_to_string(chart).expect("the chart");
    let (major, minor) = fleet_cli::doctor::checks::OLDEST_SERVER;
    let wanted = format!("kubeVersion: \">={major}.{minor}.0-0\"");
    assert!(chart.lines().any(|line| line == wanted), "{chart}");
}
