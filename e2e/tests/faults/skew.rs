//! Programs of other versions: payloads of released ones, fields of newer ones, resources of both.

use std::time::Instant;

use fleet_contracts::UnixMillis;
use fleet_contracts::kv::Bucket;
use fleet_contracts::payload::{DeviceState, Phase};
use fleet_testbed::wait;
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams};
use kube::{Api, ResourceExt as _};
use serde_json::{Value, json};

use crate::scene::{EVERYBODY, Held, PATIENCE, Scene, app};

const OLD_INFO: &str = include_str!("../../../contracts/tests/data/v1-device-info.json");
const OLD_STATE: &str = include_str!("../../../contracts/tests/data/v1-device-state.json");
const OLD_BEAT: &str = include_str!("../../../contracts/tests/data/v1-heartbeat.json");
const OLD_SCORE: &str = include_str!("../../../contracts/tests/data/v1-score.json");
/// The device of these examples.
const OLD_DEVICE: &str = "robot-7";

/// The same document from a version that says more, wherever there is room for it.
fn newer(mut document: Value) -> Value {
    match &mut document {
        Value::Object(fields) => {
            for value in fields.values_mut() {
                *value = newer(value.take());
            }
            fields.insert("fromLater".into(), json!({"deep": [1, null]}));
        }
        Value::Array(items) => {
            for item in items {
                *item = newer(item.take());
            }
        }
        _ => {}
    }
    document
}

fn parse(example: &str) -> Value {
    serde_json::from_str(example).expect("JSON")
}

async fn put(scene: &Scene, bucket: Bucket, key: &str, document: &Value) {
    let value = document.to_string().into();
    scene.bus.put(bucket, key, value).await.expect("stored");
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_of_other_versions_are_understood() {
    let scene = Scene::open("fault-skew", 8).await;
    let operator = scene.operator("operator");
    let old_score = parse(OLD_SCORE);
    let revision = scene.deploy_score(&app(0), EVERYBODY, old_score).await;
    let since = Instant::now();
    scene.converged(since, &[&operator]).await;

    // An older agent, by the examples of released versions.
    put(&scene, Bucket::DeviceInfo, OLD_DEVICE, &parse(OLD_INFO)).await;
    put(
        &scene,
        Bucket::DeviceHeartbeat,
        OLD_DEVICE,
        &parse(OLD_BEAT),
    )
    .await;
    scene.deploy("old", ("site", "lyon"), "old:v1").await;
    let since = Instant::now();
    let matched = || async { counts(&scene, "old").await == Some([1, 0, 0, 1]) };
    assert!(
        wait::until(PATIENCE, matched).await,
        "the old device matches"
    );
    let old = scene.deployments().get("old").await.expect("there");
    let mut state: DeviceState = serde_json::from_str(OLD_STATE).expect("a state");
    state.revision = old.spec.score.revision();
    let key = format!("{OLD_DEVICE}.default.old");
    let said = serde_json::to_value(&state).expect("JSON");
    put(&scene, Bucket::DeviceState, &key, &said).await;
    let failed = || async { counts(&scene, "old").await == Some([1, 0, 1, 0]) };
    assert!(wait::until(PATIENCE, failed).await, "its report counts");

    // A newer one, which says more than we know.
    (state.phase, state.reason) = (Phase::Running, None);
    state.at = UnixMillis(state.at.0 + 1);
    let said = newer(serde_json::to_value(&state).expect("JSON"));
    put(&scene, Bucket::DeviceState, &key, &said).await;
    let mut info = newer(parse(OLD_INFO));
    // There a further field is a further label, and a label is text.
    info["labels"] = parse(OLD_INFO)["labels"].clone();
    put(&scene, Bucket::DeviceInfo, OLD_DEVICE, &info).await;
    put(
        &scene,
        Bucket::DeviceHeartbeat,
        OLD_DEVICE,
        &newer(parse(OLD_BEAT)),
    )
    .await;
    let runs = || async { counts(&scene, "old").await == Some([1, 1, 0, 0]) };
    assert!(wait::until(PATIENCE, runs).await, "the newer report counts");
    let converged = since.elapsed();
    assert!(!operator.log().contains("refused;"), "{}", operator.log());
    let still = scene.deployments().get(&app(0)).await.expect("there");
    assert_eq!(still.spec.score.revision(), revision);
    scene.held(&Held {
        fault: "agents of other versions",
        converged: vec![converged],
    });
}

/// Another release's tools write fields that this one's definitions do not have: the API server drops
/// them, and what is left means what it meant.
#[tokio::test(flavor = "multi_thread")]
async fn resources_with_fields_of_a_newer_version_mean_what_they_meant() {
    let scene = Scene::open("fault-skew-resources", 8).await;
    let operator = scene.operator("operator");
    let asked = scene.deploy(&app(0), EVERYBODY, "app:v1").await;
    scene.converged(Instant::now(), &[&operator]).await;
    let kind = ApiResource::erase::<fleet_api::Deployment>(&());
    let objects: Api<DynamicObject> = Api::default_namespaced_with(scene.client.clone(), &kind);
    let patch =
        json!({"spec": {"rollout": {"maxUnavailable": 1}, "score": {"PodmanV0": {"later": true}}}});
    let (params, merge) = (PatchParams::default(), Patch::Merge(&patch));
    let patched = objects
        .patch(&app(0), &params, &merge)
        .await
        .expect("taken");
    assert_eq!(patched.name_any(), app(0));
    let found = scene.deployments().get(&app(0)).await.expect("there");
    assert_eq!(found.spec.score.revision(), asked, "the same score");
    scene.deploy(&app(1), EVERYBODY, "app:v1").await;
    let converged = scene.converged(Instant::now(), &[&operator]).await;
    scene.held(&Held {
        fault: "resources of other versions",
        converged: vec![converged],
    });
}

/// Matched, succeeded, failed, pending.
async fn counts(scene: &Scene, name: &str) -> Option<[i64; 4]> {
    let found = scene.deployments().get(name).await.ok()?;
    let a = found.status?.aggregate;
    Some([a.matched_device_count, a.succeeded, a.failed, a.pending])
}
