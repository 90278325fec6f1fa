//! Alerts and dashboards ask for metrics and labels that the programs have.
#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

mod asked;
mod every;
mod firing;

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

use asked::Metrics;

const LIMIT: Duration = Duration::from_secs(60);

/// An alert of a chart.
#[derive(Debug)]
pub(crate) struct Alert {
    pub(crate) chart: &'static str,
    pub(crate) name: String,
    pub(crate) expr: String,
    pub(crate) summary: String,
}

/// The alerts of all charts.
pub(crate) async fn alerts(home: &Path) -> Vec<Alert> {
    let helm = Helm::offline(Major::Four, home).expect("helm");
    let mut alerts = Vec::new();
    for chart in ["fleet-operator", "fleet-auth"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../charts")
            .join(chart);
        let mut args = vec!["template", "rel", folder.to_str().expect("a path")];
        args.push("--set=metrics.prometheusRule.enabled=true");
        if chart == "fleet-auth" {
            args.push(TOLD);
        }
        let rendered = Manifests::read("rules", &helm.run(args).await.expect("rendered"));
        let rules = rendered
            .objects()
            .iter()
            .filter(|o| o.kind() == "PrometheusRule");
        let before = alerts.len();
        alerts.extend(rules.flat_map(|rule| alerts_of(chart, &rule.value)));
        assert!(alerts.len() > before, "{chart} has no alerts");
    }
    alerts
}

/// What the chart has to be told.
const TOLD: &str = "--set=oidc.issuer=https://id.example,oidc.project=p,oidc.organisation=o,\
                    openbao.address=https://bao.example,\
                    enrolmentApi.publicUrls={https://join.example}";

fn alerts_of(chart: &'static str, rule: &Value) -> Vec<Alert> {
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let groups = rule["spec"]["groups"].as_array().expect("a list");
    let rules = groups
        .iter()
        .flat_map(|group| group["rules"].as_array().expect("a list"));
    let alert = |rule: &Value| Alert {
        chart,
        name: text(&rule["alert"]),
        expr: text(&rule["expr"]),
        summary: text(&rule["annotations"]["summary"]),
    };
    rules.map(alert).collect()
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
    let real = Metrics(found);
    let own = alerts
        .iter()
        .filter(|alert| alert.chart == "fleet-operator");
    for alert in own {
        let missing = real.missing(&alert.expr);
        assert!(missing.is_empty(), "{alert:?}: {missing:?}");
    }
    for name in ["process_resident_memory_bytes", "fleet_build_info"] {
        assert!(real.0.contains_key(name), "{name} is not in {real:?}");
    }
}
