//! What a chart says about itself.

use std::fs;

use serde_json::{Value, json};

use crate::support::{Case, charts};

fn text(chart: &str, file: &str) -> String {
    fs::read_to_string(charts().join(chart).join(file)).expect(file)
}

#[test]
fn every_chart_says_where_it_runs_who_looks_after_it_and_what_its_values_are() {
    for chart in [
        "fleet-auth",
        "fleet-crds",
        "fleet-operator",
        "fleet-platform",
    ] {
        let meta = text(chart, "Chart.yaml");
        for line in [
            "kubeVersion: ",
            "maintainers:",
            "appVersion: ",
            "description: ",
        ] {
            assert!(meta.contains(line), "{chart}: {line}");
        }
        let schema: Value = serde_json::from_str(&text(chart, "values.schema.json")).expect("JSON");
        assert_eq!(schema["additionalProperties"], false, "{chart}");
        assert!(
            text(chart, "README.md").contains("| Key | Type | Default | Description |"),
            "{chart}"
        );
        // Definitions need no words after they are installed.
        let notes = charts().join(chart).join("templates/NOTES.txt").exists();
        assert_eq!(notes, chart != "fleet-crds", "{chart}");
    }
    for (case, chart) in [
        (Case::crds(), "fleet-crds"),
        (Case::operator(), "fleet-operator"),
    ] {
        for said in case.values(json!({"nosuch": 1})).refused() {
            assert!(said.contains("nosuch"), "{chart}: {said}");
        }
    }
}
