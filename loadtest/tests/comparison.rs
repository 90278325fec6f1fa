//! Whether a commit is worse than noise, on made reports.
#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use fleet_bench_kit::{Histogram, Machine};
use fleet_loadtest::Error;
use fleet_loadtest::compare::{Sides, Verdict};
use fleet_loadtest::report::{
    Connections, Credentials, Latencies, Parameters, Report, SCHEMA_VERSION, Scenario,
};
use serde_json::Value;

/// A run of a commit that took so many milliseconds, as the `number`th of all.
fn report(commit: &str, number: usize, ms: u64) -> Report {
    let mut times = Histogram::default();
    times.record(Duration::from_millis(ms));
    Report {
        schema_version: SCHEMA_VERSION,
        parameters: Parameters {
            scenario: Scenario::Churn,
            devices: 20,
            deployments: 5,
            seconds: 10,
            connections: Connections::Multiplexed,
            credentials: Credentials::Static,
            seed: 1,
            hertz: Some(1.0),
            withheld: None,
            changes: None,
            moves: None,
            nats: 1,
            operators: 1,
            kill: vec![],
        },
        machine: Machine {
            commit: commit.to_owned(),
            ..Machine::default()
        },
        versions: BTreeMap::new(),
        started_at: format!("2026-01-01T00:00:{number:02}Z"),
        seconds: 10.0,
        interrupted: false,
        failure: None,
        simulated: vec![],
        checks: vec![],
        figures: BTreeMap::new(),
        latencies: BTreeMap::from([("report-stored".to_owned(), Latencies::from(times))]),
        errors: BTreeMap::new(),
        throughput: BTreeMap::new(),
        processes: BTreeMap::new(),
        gauges: BTreeMap::new(),
    }
}

fn save(folder: &Path, commit: &str, first: usize, times: &[u64]) {
    for (number, ms) in times.iter().enumerate() {
        let report = report(commit, first + number, *ms);
        report.save(folder).expect("saved");
    }
}

fn verdict(before: &[u64], after: &[u64]) -> Verdict {
    let folder = tempfile::tempdir().expect("a folder");
    save(folder.path(), "old", 0, before);
    save(folder.path(), "new", 30, after);
    let sides = Sides::read(&[folder.path().to_owned()]).expect("two commits");
    assert_eq!(
        (sides.before.len(), sides.after.len()),
        (before.len(), after.len())
    );
    let lines = sides.compare();
    let line = lines.iter().find(|line| line.figure.ends_with("p99, ms"));
    line.expect("a line").verdict
}

#[test]
fn several_runs_on_both_sides_tell_worse_from_better_and_from_noise() {
    let old = [100, 104, 98, 102, 101];
    assert_eq!(verdict(&old, &[130, 128, 141, 133, 127]), Verdict::Worse);
    assert_eq!(verdict(&old, &[70, 72, 69, 75, 71]), Verdict::Better);
    assert_eq!(verdict(&old, &[99, 131, 97, 103, 100]), Verdict::Same);
}

#[test]
fn a_difference_that_is_certain_but_small_is_none() {
    let (old, new) = ([1000; 6], [1020; 6]);
    assert_eq!(verdict(&old, &new), Verdict::Same);
}

#[test]
fn few_runs_cannot_tell_however_far_apart() {
    assert_eq!(verdict(&[100], &[900]), Verdict::CannotTell);
    let (old, new) = ([100, 101, 102], [900, 901, 902]);
    assert_eq!(verdict(&old, &new), Verdict::CannotTell);
}

#[test]
fn runs_of_another_kind_and_other_files_are_no_second_side() {
    let folder = tempfile::tempdir().expect("a folder");
    save(folder.path(), "old", 0, &[100]);
    let mut other = report("new", 30, 100);
    other.parameters.devices = 21;
    other.save(folder.path()).expect("saved");
    let read = Sides::read(&[folder.path().to_owned()]);
    assert!(matches!(read, Err(Error::Nothing(_))), "{read:?}");
    let file = folder.path().join("another.json");
    std::fs::write(&file, r#"{"schemaVersion": 99}"#).expect("written");
    let read = Report::load(&file);
    assert!(
        matches!(read, Err(Error::Version { found: 99, .. })),
        "{read:?}"
    );
}

#[test]
fn reports_from_before_there_was_a_choice_had_one_server_and_one_operator() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = report("old", 0, 100).save(folder.path()).expect("saved");
    let text = std::fs::read(&path).expect("read");
    let mut value: Value = serde_json::from_slice(&text).expect("JSON");
    let parameters = value["parameters"].as_object_mut().expect("parameters");
    for name in ["nats", "operators"] {
        assert!(parameters.remove(name).is_some(), "{name} is written");
    }
    std::fs::write(&path, value.to_string()).expect("written");
    save(folder.path(), "new", 30, &[100]);
    let sides = Sides::read(&[folder.path().to_owned()]).expect("of one kind");
    assert_eq!((sides.before.len(), sides.after.len()), (1, 1));
}
