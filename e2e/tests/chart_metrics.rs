//! The alerts of the chart ask for metrics and labels that the operator has.
#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use chartgen_lint::Manifests;
use fleet_api::Deployment;
use fleet_bus::Bus;
use fleet_contracts::kv::Bucket;
use fleet_e2e::helm::{Helm, Major};
use fleet_e2e::platform::wait_ready;
use fleet_e2e::{http, workload};
use fleet_testbed::wait::until;
use fleet_testbed::{OperatorOptions, OperatorRights, Testbed};
use kube::api::{Api, PostParams};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(60);

/// The labels of each metric that the operator shows, by the metric's name as it is asked for.
#[derive(Debug, Default)]
struct Metrics(BTreeMap<String, BTreeSet<String>>);

impl Metrics {
    fn parse(page: &str) -> Self {
        let mut metrics = Self::default();
        for line in page.lines().filter(|line| !line.starts_with('#')) {
            let Some((series, _)) = line.rsplit_once(' ') else {
                continue;
            };
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            let labels = labels.split(',').filter_map(|label| label.split_once('='));
            let found = metrics.0.entry(name.to_owned()).or_default();
            found.extend(labels.map(|(label, _)| label.to_owned()));
        }
        metrics
    }
}

/// What an expression asks for: names of metrics, and names of labels.
fn asked(expr: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let inner = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = |text: &str| -> BTreeSet<String> {
        let words = text.split(|c| !inner(c)).filter(|word| !word.is_empty());
        words.map(str::to_owned).collect()
    };
    let metrics = words(expr)
        .into_iter()
        .filter(|word| word.starts_with("fleet_"));
    let grouped = expr.split(" by (").skip(1);
    let grouped = grouped.filter_map(|rest| rest.split_once(')'));
    let selected = expr.split('{').skip(1);
    let selected = selected.filter_map(|rest| rest.split_once(['=', '!', '~']));
    let labels = grouped.chain(selected).flat_map(|(names, _)| words(names));
    (metrics.collect(), labels.collect())
}

/// The expressions of all alerts.
async fn alerts(home: &Path) -> Vec<(String, String)> {
    let chart = Path::new(env!("CARGO_MANIFEST_DIR")).join("../charts/fleet-operator");
    let helm = Helm::offline(Major::Four, home).expect("helm");
    let args = [
        "template",
        "rel",
        chart.to_str().expect("a path"),
        "--set=metrics.prometheusRule.enabled=true",
        "--show-only=templates/prometheusrule.yaml",
    ];
    let rendered = Manifests::read("rule", &helm.run(args).await.expect("rendered"));
    let [rule] = rendered.objects() else {
        panic!("not one rule: {:?}", rendered.objects());
    };
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let groups = rule.value["spec"]["groups"].as_array().expect("a list");
    let rules = groups
        .iter()
        .flat_map(|group| group["rules"].as_array().expect("a list"));
    rules
        .map(|rule| (text(&rule["alert"]), text(&rule["expr"])))
        .collect()
}

/// A write to a status, and a device that refuses its manifest: what is counted by label shows
/// only once it happened.
async fn happenings(bed: &Testbed) {
    let client = bed.kube_client().await.expect("a client");
    let deployment = workload::web("nowhere", ("no", "device"), "v1", 8080).expect("valid");
    let api: Api<Deployment> = Api::namespaced(client, "default");
    api.create(&PostParams::default(), &deployment)
        .await
        .expect("created");
    let nats = bed.nats().expect("a bus");
    let bus = Bus::over(nats.operator_client().await.expect("a login"));
    let heartbeat = json!({
        "schemaVersion": 1, "device": "dev-1", "at": 0, "generation": 0,
        "refusal": {"reason": "BadSignature", "message": "unknown key", "at": 1},
    });
    let value = heartbeat.to_string().into_bytes();
    bus.put(Bucket::DeviceHeartbeat, "dev-1", value.into())
        .await
        .expect("stored");
}

async fn metrics(operator: SocketAddr) -> Metrics {
    let page = http::text(operator, "/metrics").await;
    Metrics::parse(&page.unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn alerts_ask_for_metrics_and_labels_that_the_operator_has() {
    let bed = Testbed::builder("chart-metrics")
        .control_plane()
        .nats()
        .start()
        .await
        .expect("starts");
    bed.install_crds().await.expect("installed");
    bed.grant_operator(&OperatorRights::default())
        .await
        .expect("granted");
    let operator = bed
        .start_operator(OperatorOptions::default())
        .expect("starts");
    wait_ready(&operator).await.expect("ready");
    happenings(&bed).await;
    let address = operator.metrics_addr();
    let counted = || async {
        let Metrics(found) = metrics(address).await;
        ["fleet_operator_writes_total", "fleet_device_refusals_total"]
            .iter()
            .all(|name| found.contains_key(*name))
    };
    let all_seen = until(LIMIT, counted).await;
    let Metrics(found) = metrics(address).await;
    assert!(all_seen, "not all is counted: {found:?}");
    let alerts = alerts(bed.folder()).await;
    assert!(!alerts.is_empty());
    for (alert, expr) in alerts {
        let (names, labels) = asked(&expr);
        assert!(!names.is_empty(), "{alert}: {expr}");
        let mut known = BTreeSet::new();
        for name in &names {
            let labels = found.get(name);
            let labels = labels.unwrap_or_else(|| panic!("{alert}: {name} is not in {found:?}"));
            known.extend(labels.clone());
        }
        let unknown: Vec<_> = labels.difference(&known).collect();
        assert!(
            unknown.is_empty(),
            "{alert}: {unknown:?} are no labels: {expr}"
        );
    }
}

#[test]
fn expressions_are_read() {
    let (metrics, labels) = asked(
        "sum by (kind, reason) (rate(fleet_a_total{outcome!=\"Written\"}[10m])) / fleet_b > 0",
    );
    assert_eq!(
        metrics,
        ["fleet_a_total", "fleet_b"].map(str::to_owned).into()
    );
    let expected = ["kind", "outcome", "reason"].map(str::to_owned);
    assert_eq!(labels, expected.into());
}
