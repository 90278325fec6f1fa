//! The chart's alerts ask for metrics that the programs have.
#![allow(clippy::expect_used, reason = "test code")]

use std::collections::BTreeSet;

use fleet_auth::{enrol, metrics};

const RULES: &str = include_str!("../../charts/fleet-auth/templates/prometheusrules.yaml");

/// The names of our metrics in a text.
fn asked_for(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let ours = words.filter(|w| w.starts_with("fleet_auth_") || w.starts_with("fleet_enrol_"));
    ours.map(|name| {
        let counter = name.strip_suffix("_total");
        let histogram = name.strip_suffix("_bucket");
        counter.or(histogram).unwrap_or(name)
    })
    .collect()
}

#[test]
fn alerts_ask_for_metrics_that_are_there() {
    let totals = metrics::Totals {
        key_age: None,
        kept_tokens: 0,
        in_flight: 0,
        connected: false,
    };
    // What is counted by labels is there from the first time on.
    let (callout, enrolment) = (
        metrics::Metrics::default(),
        enrol::metrics::Metrics::default(),
    );
    callout.read_policy("stale");
    callout.cloned("alert");
    enrolment.provisioned("PolicyStoreFailed");
    let texts = [callout.render(&totals), enrolment.render()];
    let texts = texts.map(|text| text.expect("metrics"));
    let there: BTreeSet<_> = texts
        .iter()
        .flat_map(|text| text.lines())
        .filter_map(|line| line.strip_prefix("# HELP ")?.split(' ').next())
        .collect();
    let asked = asked_for(RULES);
    assert!(asked.len() >= 6, "{asked:?}");
    let missing: Vec<_> = asked.difference(&there).collect();
    assert!(missing.is_empty(), "{missing:?} are not among {there:?}");
}
