//! Devices: their objects, labels and reachability.
#![allow(clippy::expect_used, reason = "test code")]

mod support;

use fleet_contracts::UnixMillis;
use fleet_contracts::kv::Bucket;
use fleet_contracts::payload::{Heartbeat, Phase, Refusal, encode};
use fleet_contracts::reason::RefusalReason;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;
use support::{Stage, eventually, heartbeat};

fn answer(status: &str, message: &str) -> (String, String) {
    (status.to_owned(), message.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_route_workloads_whoever_set_them() {
    let stage = Stage::open("labels").await;
    let _operator = stage.operator("operator");
    stage
        .announce(
            "dev-1",
            &[("region", "eu"), ("bad key", "x"), ("note", "not a value")],
        )
        .await;
    let web = stage
        .deploy("web", &json!({"region": "eu"}), "web:v1")
        .await;
    stage.wait_runs("dev-1", &[("web", web)]).await;
    let dropped = r#"dropped "bad key" (invalid key), "note" (invalid value)"#;
    eventually("LabelsAccepted", Some(answer("False", dropped)), || {
        stage.device_condition("dev-1", "LabelsAccepted")
    })
    .await;

    // A person adds a label; the device changes its own. Both count, and neither undoes the other.
    let patch = json!({"metadata": {"labels": {"tier": "gold"}}});
    stage
        .devices()
        .patch("dev-1", &PatchParams::default(), &Patch::Merge(&patch))
        .await
        .expect("labelled");
    let gold = stage
        .deploy("gold", &json!({"tier": "gold"}), "gold:v1")
        .await;
    stage
        .wait_runs("dev-1", &[("web", web), ("gold", gold)])
        .await;
    stage.announce("dev-1", &[("region", "us")]).await;
    stage.wait_runs("dev-1", &[("gold", gold)]).await;
    eventually(
        "LabelsAccepted",
        Some(answer("True", "all labels were usable")),
        || stage.device_condition("dev-1", "LabelsAccepted"),
    )
    .await;
    let object = stage.devices().get("dev-1").await.expect("the device");
    let labels = object.metadata.labels.expect("labels");
    assert_eq!(
        serde_json::to_value(labels).expect("json"),
        json!({"device-id": "dev-1", "region": "us", "tier": "gold"})
    );
    stage.wait_counts("web", [0, 0, 0, 0, 0]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_device_is_forgotten_and_may_come_back() {
    let stage = Stage::open("forget").await;
    let _operator = stage.operator("operator");
    stage.announce("dev-1", &[("region", "eu")]).await;
    let web = stage
        .deploy("web", &json!({"region": "eu"}), "web:v1")
        .await;
    stage.wait_runs("dev-1", &[("web", web)]).await;
    stage.report("dev-1", "web", web, Phase::Running).await;
    stage.wait_counts("web", [1, 1, 0, 0, 0]).await;

    let params = DeleteParams::default();
    stage
        .devices()
        .delete("dev-1", &params)
        .await
        .expect("deleted");
    stage.wait_counts("web", [0, 0, 0, 0, 0]).await;
    eventually("keys of the device", 0, || async {
        stage.desired_keys().await.len()
    })
    .await;
    for (bucket, key) in [
        (Bucket::DeviceInfo, "dev-1"),
        (Bucket::DeviceState, "dev-1.default.web"),
    ] {
        eventually("its own keys", true, || async {
            matches!(stage.bus.get(bucket, key).await, Ok(None))
        })
        .await;
    }

    stage.announce("dev-1", &[("region", "eu")]).await;
    stage.wait_runs("dev-1", &[("web", web)]).await;
    stage.wait_counts("web", [1, 0, 0, 1, 0]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_and_refusals_show_on_the_device_and_in_the_counts() {
    let stage = Stage::open("silence").await;
    let operator = stage.operator_with(
        "operator",
        &["--heartbeat-period", "0.4", "--stale-after", "0.8"],
    );
    stage.announce("dev-1", &[("region", "eu")]).await;
    stage
        .deploy("web", &json!({"region": "eu"}), "web:v1")
        .await;
    let status = |kind: &'static str| {
        let stage = &stage;
        async move {
            stage
                .device_condition("dev-1", kind)
                .await
                .map(|(status, _)| status)
        }
    };
    eventually("Stale", Some("True".to_owned()), || status("Stale")).await;
    stage.wait_counts("web", [1, 0, 0, 1, 1]).await;

    let refusal = Refusal {
        reason: RefusalReason::BadSignature,
        message: "unknown key".into(),
        at: UnixMillis(1),
    };
    let refusing = Heartbeat {
        refusal: Some(refusal),
        ..heartbeat("dev-1")
    };
    let beats = async {
        let mut period = tokio::time::interval(std::time::Duration::from_millis(200));
        loop {
            period.tick().await;
            let value = encode(&refusing);
            stage.put(Bucket::DeviceHeartbeat, "dev-1", value).await;
        }
    };
    let checks = async {
        eventually("Reachable", Some("True".to_owned()), || status("Reachable")).await;
        stage.wait_counts("web", [1, 0, 0, 1, 0]).await;
        eventually(
            "Synced",
            Some(answer("False", "BadSignature: unknown key")),
            || stage.device_condition("dev-1", "Synced"),
        )
        .await;
        let metric = "fleet_device_refusals_total{reason=\"BadSignature\"}";
        eventually("refusals", Some(1.0), || stage.metric(&operator, metric)).await;
    };
    tokio::select! {
        () = beats => {}
        () = checks => {}
    }
    eventually("Stale again", Some("True".to_owned()), || status("Stale")).await;
}
