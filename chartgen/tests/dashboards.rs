//! Dashboards keep to what Grafana takes, and the charts bring them where Grafana looks.
#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

#[allow(dead_code, reason = "shared with the tests of the other charts")]
#[path = "charts/support.rs"]
mod support;

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};

use support::{Case, charts};

/// The chart, its dashboard, and what the chart must be told.
fn all() -> [(Case, &'static str); 2] {
    let auth = Case::of(&charts().join("fleet-auth")).values(json!({
        "oidc": {"issuer": "https://id.example", "project": "1", "organisation": "2"},
        "openbao": {"address": "https://bao.example:8200"},
        "enrolmentApi": {"publicUrls": ["https://join.example"]},
    }));
    [(Case::operator(), "fleet-operator"), (auth, "fleet-auth")]
}

fn file(name: &str) -> String {
    let path = format!("{name}/dashboards/{name}.json");
    fs::read_to_string(charts().join(path)).expect("a dashboard")
}

fn dashboards() -> impl Iterator<Item = (&'static str, Value)> {
    all().into_iter().map(|(_, name)| {
        let text = file(name);
        (name, serde_json::from_str(&text).expect("JSON"))
    })
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().expect("a list")
}

fn number(value: &Value) -> u64 {
    value.as_u64().expect("a number")
}

/// The panels that show something.
fn pictures(dashboard: &Value) -> impl Iterator<Item = &Value> {
    let panels = list(&dashboard["panels"]).iter();
    panels.filter(|panel| panel["type"] != "row")
}

/// Every member `datasource`, wherever it is.
fn sources<'v>(value: &'v Value, found: &mut Vec<&'v Value>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get("datasource"));
            members.values().for_each(|value| sources(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| sources(value, found)),
        _ => {}
    }
}

#[test]
fn panels_have_ids_and_places_of_their_own() {
    for (name, dashboard) in dashboards() {
        let (mut ids, mut cells) = (BTreeSet::new(), BTreeSet::new());
        for panel in list(&dashboard["panels"]) {
            assert!(ids.insert(number(&panel["id"])), "{name}: {panel}");
            let [x, y, w, h] = ["x", "y", "w", "h"].map(|key| number(&panel["gridPos"][key]));
            assert!(w > 0 && h > 0 && x + w <= 24, "{name}: {panel}");
            for cell in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
                assert!(cells.insert(cell), "{name}: {panel} lies on another");
            }
        }
        assert!(!ids.contains(&0), "{name}: ids count from 1");
    }
}

#[test]
fn nothing_refers_to_one_installation_of_grafana() {
    let mut titles = BTreeSet::new();
    for (name, dashboard) in dashboards() {
        assert_eq!(dashboard["uid"], name);
        assert!((8..=40).contains(&name.len()), "{name}");
        let title = dashboard["title"].as_str().expect("a title").to_owned();
        assert!(
            titles.insert(title),
            "{name}: two of the same title in a folder"
        );
        let variable = &dashboard["templating"]["list"][0];
        assert_eq!(variable["type"], "datasource");
        assert_eq!(variable["query"], "prometheus");
        let reference = format!("${{{}}}", variable["name"].as_str().expect("a name"));
        let expected = json!({"type": "prometheus", "uid": reference});
        let mut found = Vec::new();
        sources(&dashboard["panels"], &mut found);
        assert!(
            found.iter().all(|source| **source == expected),
            "{name}: {found:?}"
        );
        // Each picture has one, and so does each of its queries.
        let queries: usize = pictures(&dashboard)
            .map(|panel| list(&panel["targets"]).len())
            .sum();
        assert_eq!(
            found.len(),
            pictures(&dashboard).count() + queries,
            "{name}"
        );
    }
}

#[test]
fn every_panel_says_what_it_shows_and_asks_for_something() {
    for (name, dashboard) in dashboards() {
        for panel in pictures(&dashboard) {
            for key in ["title", "description"] {
                let text = panel[key].as_str().expect("text");
                assert!(!text.is_empty(), "{name}: {panel}");
            }
            let steps = list(&panel["fieldConfig"]["defaults"]["thresholds"]["steps"]);
            let values: Vec<_> = steps.iter().map(|step| step["value"].as_f64()).collect();
            assert!(
                values[0].is_none(),
                "{name}: the first step is the lowest of all"
            );
            assert!(values.is_sorted(), "{name}: {steps:?}");
            let queries = list(&panel["targets"]).iter();
            let queries: BTreeSet<_> = queries.map(|query| query["refId"].to_string()).collect();
            assert!(!queries.is_empty(), "{name}: {panel}");
            assert_eq!(
                queries.len(),
                list(&panel["targets"]).len(),
                "{name}: {panel}"
            );
        }
    }
}

#[test]
fn a_switch_brings_the_dashboard_where_the_sidecar_looks() {
    for (case, name) in all() {
        let map = format!("ConfigMap rel-{name}-dashboard");
        assert!(
            !case.objects().0.contains_key(&map),
            "{name}: nobody asked for it"
        );
        let on = json!({"metrics": {"dashboard": {
            "enabled": true, "annotations": {"grafana_folder": "Fleet"}, "labels": {"team": "robots"},
        }}});
        let objects = case.values(on).objects();
        let found = objects.get(&map);
        assert_eq!(found["data"][format!("{name}.json")], file(name));
        let metadata = &found["metadata"];
        assert_eq!(metadata["labels"]["grafana_dashboard"], "1");
        assert_eq!(metadata["labels"]["team"], "robots");
        assert_eq!(metadata["annotations"]["grafana_folder"], "Fleet");
    }
}
