//! Bad input: at the API server, in the buckets, and past both.
#![allow(clippy::expect_used, reason = "test code")]

mod support;

use fleet_contracts::kv::Bucket;
use fleet_contracts::payload::Phase;
use serde_json::{Value, json};
use support::{Stage, eventually};

fn spec(services: &Value) -> Value {
    json!({
        "targetSelector": {"matchLabels": {"region": "eu"}},
        "score": {"PodmanV0": {"services": services}},
    })
}

fn service(extra: &Value) -> Value {
    let mut service = json!({"name": "web", "image": "web:v1"});
    if let (Some(fields), Some(extra)) = (service.as_object_mut(), extra.as_object()) {
        fields.extend(extra.clone());
    }
    service
}

/// What is refused, and the words of the message that name field and rule.
fn refusals() -> Vec<(&'static str, &'static str, Value, Vec<&'static str>)> {
    let one = |extra: Value| spec(&json!([service(&extra)]));
    vec![
        (
            "a name with a dot",
            "web.v1",
            one(json!({})),
            vec!["metadata.name", "RFC 1123 label"],
        ),
        (
            "an empty selector",
            "web",
            json!({"score": {"PodmanV0": {"services": [service(&json!({}))]}}}),
            vec!["targetSelector is empty", "targetAll"],
        ),
        (
            "a bad label key",
            "web",
            json!({"targetSelector": {"matchLabels": {"a b": "x"}},
                "score": {"PodmanV0": {"services": [service(&json!({}))]}}}),
            vec!["spec.targetSelector.matchLabels", "label keys"],
        ),
        (
            "In without values",
            "web",
            json!({"targetSelector": {"matchExpressions": [{"key": "a", "operator": "In"}]},
                "score": {"PodmanV0": {"services": [service(&json!({}))]}}}),
            vec![
                "spec.targetSelector.matchExpressions[0]",
                "values must be given",
            ],
        ),
        (
            "port 0",
            "web",
            one(json!({"ports": [{"hostPort": 0, "containerPort": 80}]})),
            vec!["ports[0].hostPort", "greater than or equal to 1"],
        ),
        (
            "port 65536",
            "web",
            one(json!({"ports": [{"hostPort": 65536, "containerPort": 80}]})),
            vec!["ports[0].hostPort", "65535"],
        ),
        (
            "two services of one name",
            "web",
            spec(&json!([service(&json!({})), service(&json!({}))])),
            vec!["services", "uplicate"],
        ),
        (
            "no service",
            "web",
            spec(&json!([])),
            vec!["services", "at least 1"],
        ),
        (
            "a service name that is no label",
            "web",
            one(json!({"name": "Web_1"})),
            vec!["services[0].name", "should match"],
        ),
        (
            "a dependency that is not there",
            "web",
            one(json!({"dependsOn": ["db"]})),
            vec!["dependsOn must name other services"],
        ),
        (
            "an argument that is too long",
            "web",
            one(json!({"args": ["x".repeat(40_000)]})),
            vec!["args[0]", "32768"],
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_server_refuses_bad_input_and_names_field_and_rule() {
    let stage = Stage::open("schema").await;
    for (what, name, spec, words) in refusals() {
        let error = stage.apply(name, spec).await.expect_err(what).to_string();
        for word in words {
            assert!(error.contains(word), "{what}: no {word:?} in {error}");
        }
    }
    let unknown = stage
        .apply("web", spec(&json!([service(&json!({"imagePolicy": "x"}))])))
        .await;
    // Server-side apply refuses what the schema does not know, as `kubectl apply` does.
    let error = unknown.expect_err("an unknown field").to_string();
    assert!(error.contains("imagePolicy"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_in_the_buckets_is_counted_and_what_was_good_stays() {
    let stage = Stage::open("garbage").await;
    let operator = stage.operator("operator");
    stage.announce("dev-1", &[("region", "eu")]).await;
    let web = stage
        .deploy("web", &json!({"region": "eu"}), "web:v1")
        .await;
    stage.wait_runs("dev-1", &[("web", web)]).await;
    stage.report("dev-1", "web", web, Phase::Running).await;
    stage.wait_counts("web", [1, 1, 0, 0, 0]).await;

    let garbage = [
        (
            Bucket::DeviceInfo,
            "dev-1",
            b"\xff\x00".to_vec(),
            "Malformed",
        ),
        (
            Bucket::DeviceInfo,
            "Not.A-Device",
            b"{}".to_vec(),
            "ForeignKey",
        ),
        (
            Bucket::DeviceInfo,
            "dev-2",
            br#"{"schemaVersion":1,"device":"dev-1"}"#.to_vec(),
            "WrongDevice",
        ),
        (
            Bucket::DeviceState,
            "dev-1.default.web",
            b"[]".to_vec(),
            "Malformed",
        ),
        (
            Bucket::DeviceState,
            "dev-1.web",
            b"{}".to_vec(),
            "ForeignKey",
        ),
        (
            Bucket::DeviceHeartbeat,
            "dev-1",
            b"null".to_vec(),
            "Malformed",
        ),
        (Bucket::DeviceInfo, "dev-3", vec![b' '; 33_000], "Oversize"),
        (
            Bucket::DesiredState,
            "foreign",
            b"{}".to_vec(),
            "ForeignKey",
        ),
        (
            Bucket::DesiredState,
            "dev-1._manifest",
            b"{}".to_vec(),
            "Malformed",
        ),
        (
            Bucket::DesiredState,
            "dev-1.default.web",
            b"rubbish".to_vec(),
            "",
        ),
    ];
    let key = "dev-1._manifest";
    for (bucket, key, value, reason) in garbage {
        stage.put(bucket, key, value).await;
        if reason.is_empty() {
            continue;
        }
        let name = bucket.name();
        let metric =
            format!("fleet_rejected_payloads_total{{bucket=\"{name}\",reason=\"{reason}\"}}");
        eventually(&metric, true, || async {
            stage.metric(&operator, &metric).await >= Some(1.0)
        })
        .await;
    }
    // What was written over ours is repaired; what devices said before stays.
    eventually("the manifest is ours again", true, || async {
        let stored = stage.bus.get(Bucket::DesiredState, key).await;
        stored.is_ok_and(|s| s.is_some_and(|s| s.value.len() > 2))
    })
    .await;
    stage.wait_runs("dev-1", &[("web", web)]).await;
    stage.wait_counts("web", [1, 1, 0, 0, 0]).await;
    let log = operator.log();
    let logged = log.lines().filter(|l| l.contains("WrongDevice")).count();
    assert_eq!(logged, 1, "logged once");
    let health = operator.page("/healthz").await.expect("a page");
    assert!(health.contains("200 OK"), "{health}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_update_stalls_and_devices_keep_the_last_valid_spec_even_over_a_restart() {
    let stage = Stage::open("invalid").await;
    let operator = stage.operator("operator");
    stage.announce("dev-1", &[("region", "eu")]).await;
    let v1 = stage
        .deploy("web", &json!({"region": "eu"}), "web:v1")
        .await;
    stage.wait_runs("dev-1", &[("web", v1)]).await;
    let before = stage.desired_keys().await;

    // A circle of dependencies is beyond what the schema can refuse.
    let services = json!([
        {"name": "a", "image": "i", "dependsOn": ["b"]},
        {"name": "b", "image": "i", "dependsOn": ["a"]},
    ]);
    stage.apply("web", spec(&services)).await.expect("taken");
    let stalled = Some(("True".to_owned(), "InvalidScore".to_owned()));
    eventually("Stalled", stalled.clone(), || {
        stage.condition("web", "Stalled")
    })
    .await;
    let status = stage.deployment("web").await.status.expect("a status");
    assert_eq!(status.observed_generation, Some(2));
    assert_eq!(stage.desired_keys().await, before);

    operator.stop().await.expect("stopped");
    operator.start().expect("started");
    stage.wait_leader(&operator).await;
    stage.announce("dev-2", &[("region", "us")]).await;
    stage.wait_runs("dev-2", &[]).await;
    stage.wait_runs("dev-1", &[("web", v1)]).await;
    let after = stage.desired_keys().await;
    assert_eq!(before["dev-1._manifest"], after["dev-1._manifest"]);
    assert_eq!(stage.condition("web", "Stalled").await, stalled);

    let v3 = stage
        .deploy("web", &json!({"region": "eu"}), "web:v3")
        .await;
    stage.wait_runs("dev-1", &[("web", v3)]).await;
    eventually("not stalled", Some("False".to_owned()), || async {
        stage
            .condition("web", "Stalled")
            .await
            .map(|(status, _)| status)
    })
    .await;
}
