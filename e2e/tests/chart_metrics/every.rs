//! Every alert and every panel, against all that the programs can count.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fleet_api::condition::ConditionReason;
use fleet_auth::metrics as callout;
use fleet_auth_core::AuthReason;
use fleet_operator::metrics as operator;
use serde_json::Value;

use crate::alerts;
use crate::asked::{Metrics, asked};

/// The pages of programs in which everything was counted once.
fn pages() -> [String; 3] {
    let of_operator = operator::Metrics::default();
    of_operator.rejected("device-state", "Malformed");
    of_operator.refusal("BadSignature");
    of_operator.wrote("manifest", "Written");
    of_operator.became_ready(Duration::from_secs(1));
    for stage in fleet_operator_core::index::Stage::ALL {
        of_operator.passed(stage.as_str(), Duration::ZERO);
    }
    of_operator.event();
    let of_callout = callout::Metrics::default();
    let reasons = AuthReason::ALL.iter().map(|reason| reason.as_str());
    for reason in reasons.chain([callout::ADMITTED]) {
        of_callout.judged(reason, Duration::ZERO);
    }
    of_callout.looked_up(true);
    of_callout.read_keys("ok");
    of_callout.read_policy("stale");
    of_callout.read_denials("ok");
    of_callout.closed("Denied");
    of_callout.cloned("alert");
    let of_enrolment = fleet_auth::enrol::metrics::Metrics::default();
    of_enrolment.answered("Pending");
    of_enrolment.provisioned(ConditionReason::Provisioned.as_str());
    [
        of_operator.render(&operator_totals()),
        of_callout.render(&callout_totals()),
        of_enrolment.render(),
    ]
    .map(|page| page.expect("a page"))
}

fn operator_totals() -> operator::Totals {
    operator::Totals {
        stats: fleet_operator_core::index::Stats::default(),
        violations: 0,
        active: true,
        connected: true,
        depths: [("manifest", 0); 7],
    }
}

fn callout_totals() -> callout::Totals {
    callout::Totals {
        key_age: None,
        kept_tokens: 0,
        in_flight: 0,
        connected: true,
    }
}

fn metrics() -> Metrics {
    let mut metrics = Metrics::default();
    for page in pages() {
        metrics.add(&page);
    }
    metrics
}

/// What a dashboard asks for: the title of the panel, the expression, and the name of what comes out.
fn queries(chart: &str) -> Vec<(String, String, String)> {
    let file = charts().join(format!("{chart}/dashboards/{chart}.json"));
    let text = fs::read_to_string(file).expect("a dashboard");
    let dashboard: Value = serde_json::from_str(&text).expect("JSON");
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let panels = dashboard["panels"].as_array().expect("a list").iter();
    let queries = panels.flat_map(|panel| {
        let queries = panel["targets"].as_array().into_iter().flatten();
        queries.map(move |query| {
            let title = format!("{chart}: {}", panel["title"]);
            (title, text(&query["expr"]), text(&query["legendFormat"]))
        })
    });
    queries.collect()
}

fn charts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../charts")
}

/// The names between braces.
fn blanks(text: &str) -> Vec<&str> {
    let blanks = text.split("{{").skip(1);
    let blanks = blanks.filter_map(|rest| rest.split_once("}}"));
    blanks.map(|(name, _)| name.trim()).collect()
}

#[test]
fn every_panel_asks_for_what_programs_count() {
    let metrics = metrics();
    for chart in ["fleet-operator", "fleet-auth"] {
        let queries = queries(chart);
        assert!(queries.len() > 15, "{chart}: {queries:?}");
        for (title, expr, legend) in queries {
            let missing = metrics.missing(&expr);
            assert!(missing.is_empty(), "{title}: {missing:?} in {expr}");
            let results = asked(&expr).grouped;
            for label in blanks(&legend) {
                assert!(results.contains(label), "{title}: {legend} of {expr}");
            }
        }
    }
}

#[test]
fn every_metric_is_shown_or_watched() {
    let folder = tempfile::tempdir().expect("a folder");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let alerts = runtime.block_on(alerts(folder.path()));
    let panels = ["fleet-operator", "fleet-auth"].map(queries);
    let exprs = panels.iter().flatten().map(|(_, expr, _)| expr);
    let used: Vec<_> = exprs
        .chain(alerts.iter().map(|alert| &alert.expr))
        .cloned()
        .collect();
    let used = asked(&used.join("\n")).metrics;
    let Metrics(all) = metrics();
    let parts = |name: &str| name.ends_with("_sum") || name.ends_with("_count");
    let unused = all
        .keys()
        .filter(|name| !used.contains(*name) && !parts(name));
    // What another one says better, or what is for a closer look.
    let known = [
        "fleet_auth_policies_answered_timestamp_seconds",
        "fleet_deployments",
        "fleet_deployments_refused",
        "fleet_reports",
        "process_open_fds",
    ];
    assert_eq!(unused.collect::<Vec<_>>(), known);
}

#[tokio::test]
async fn every_alert_asks_for_what_programs_count() {
    let folder = tempfile::tempdir().expect("a folder");
    let metrics = metrics();
    let alerts = alerts(folder.path()).await;
    for alert in &alerts {
        let missing = metrics.missing(&alert.expr);
        assert!(missing.is_empty(), "{alert:?}: {missing:?}");
        let results = asked(&alert.expr).grouped;
        let labels = blanks(&alert.summary).into_iter();
        for label in labels.filter_map(|blank| blank.strip_prefix("$labels.")) {
            assert!(results.contains(label), "{alert:?}");
        }
    }
    let names: Vec<_> = alerts.iter().map(|alert| alert.name.as_str()).collect();
    let wanted = [
        "FleetInvariantViolated",
        "FleetDevicesStale",
        "FleetCalloutFails",
        "FleetOperatorLags",
    ];
    for name in wanted {
        assert!(names.contains(&name), "{name} is not among {names:?}");
    }
}

/// A counter that begins with its first happening has not increased by it, and the alert is silent.
#[tokio::test]
async fn what_an_alert_counts_is_there_before_it_happens() {
    let mut fresh = Metrics::default();
    let of_operator = operator::Metrics::default().render(&operator_totals());
    let of_callout = callout::Metrics::default().render(&callout_totals());
    for page in [of_operator, of_callout] {
        fresh.add(&page.expect("a page"));
    }
    let folder = tempfile::tempdir().expect("a folder");
    let alerts = alerts(folder.path()).await;
    let counting = alerts
        .iter()
        .filter(|alert| alert.expr.contains("increase("));
    let mut any = false;
    for alert in counting {
        let missing = fresh.missing(&alert.expr);
        assert!(missing.is_empty(), "{alert:?}: {missing:?}");
        any = true;
    }
    assert!(any, "no alert counts what happens once");
}
