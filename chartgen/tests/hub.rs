//! What catalogues read of our charts is true.
#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use fleet_api::Deployment;
use fleet_chartgen::Release;
use serde_json::Value;

const CHARTS: [&str; 4] = [
    "fleet-auth",
    "fleet-crds",
    "fleet-operator",
    "fleet-platform",
];
/// A release holds it, and so does each page of a catalogue.
const SANE: usize = 24 * 1024;

fn folder(chart: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../charts")
        .join(chart)
}

fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).expect("YAML")
}

fn annotations(chart: &str) -> BTreeMap<String, String> {
    let text = fs::read_to_string(folder(chart).join("Chart.yaml")).expect("read");
    assert!(text.len() < SANE, "{chart}: {} bytes", text.len());
    of(&yaml(&text))
}

fn of(meta: &Value) -> BTreeMap<String, String> {
    let all = meta["annotations"].as_object().expect("annotations").iter();
    let ours = all.filter_map(|(key, value)| {
        let key = key.strip_prefix("artifacthub.io/")?;
        Some((key.to_owned(), value.as_str().expect("text").to_owned()))
    });
    ours.collect()
}

fn list(annotations: &BTreeMap<String, String>, key: &str) -> Vec<Value> {
    let text = annotations.get(key).map_or("[]", String::as_str);
    yaml(text).as_array().expect("a list").clone()
}

fn words(list: &[Value], key: &str) -> BTreeSet<String> {
    let words = list.iter().map(|item| item[key].as_str().expect("text"));
    let words: Vec<_> = words.map(str::to_owned).collect();
    let set: BTreeSet<_> = words.iter().cloned().collect();
    assert_eq!(set.len(), words.len(), "twice: {words:?}");
    set
}

#[test]
fn every_chart_says_what_it_is() {
    for chart in CHARTS {
        let said = annotations(chart);
        assert_eq!(said["license"], "Apache-2.0", "{chart}");
        assert_eq!(said["category"], "integration-delivery", "{chart}");
        let prerelease = env!("CARGO_PKG_VERSION").starts_with("0.");
        assert_eq!(said["prerelease"], prerelease.to_string(), "{chart}");
        let operator = said.get("operator").map(String::as_str);
        let operates = ["fleet-operator", "fleet-platform"].contains(&chart);
        assert_eq!(operator, operates.then_some("true"), "{chart}");
        // There is no address of a key that they could name, and what is committed is of no release.
        for missing in ["signKey", "changes", "containsSecurityUpdates"] {
            assert!(!said.contains_key(missing), "{chart}: {missing}");
        }
    }
}

#[test]
fn the_images_are_those_that_pods_run() {
    let said = annotations("fleet-platform");
    let images = list(&said, "images");
    let listed = fs::read_to_string(folder("fleet-platform").join("images.txt")).expect("read");
    let listed: BTreeSet<_> = listed.lines().map(str::to_owned).collect();
    assert_eq!(words(&images, "image"), listed);
    words(&images, "name");
    for chart in ["fleet-operator", "fleet-auth"] {
        let images = list(&annotations(chart), "images");
        let image = format!("localhost/{chart}:{}", env!("CARGO_PKG_VERSION"));
        assert_eq!(words(&images, "image"), BTreeSet::from([image]));
    }
}

#[test]
fn the_definitions_are_those_of_the_api_and_the_example_is_what_it_reads() {
    let definitions = fleet_api::crds().expect("definitions");
    let names = definitions
        .iter()
        .filter_map(|crd| crd.metadata.name.clone());
    let names: BTreeSet<_> = names.collect();
    for chart in ["fleet-crds", "fleet-operator", "fleet-platform"] {
        let said = annotations(chart);
        let crds = list(&said, "crds");
        assert_eq!(words(&crds, "name"), names, "{chart}");
        for crd in &crds {
            for key in ["kind", "version", "displayName", "description"] {
                assert_ne!(crd[key].as_str().unwrap_or_default(), "", "{crd}");
            }
        }
        let examples = list(&said, "crdsExamples");
        assert!(!examples.is_empty(), "{chart}");
        for example in examples {
            let read: Deployment = serde_json::from_value(example.clone()).expect("a Deployment");
            assert_eq!(serde_json::to_value(&read).expect("JSON"), example);
        }
    }
}

#[test]
fn a_release_says_what_changed() {
    let release = Release::current().expect("a release");
    let release = release.with_changes().expect("changes");
    let changes = release.changes.clone().expect("changes");
    for chart in fleet_chartgen::charts_of(&release).expect("charts") {
        let text = chart.text("Chart.yaml").expect("text");
        assert!(text.len() < SANE, "{}: {} bytes", chart.name, text.len());
        let said = of(&yaml(text));
        let expected = serde_json::to_value(&changes).expect("JSON");
        assert_eq!(
            Value::Array(list(&said, "changes")),
            expected,
            "{}",
            chart.name
        );
        assert!(["true", "false"].contains(&said["containsSecurityUpdates"].as_str()));
    }
}
