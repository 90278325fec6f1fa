//! 1,000 devices and 100 Deployments: 100,000 pairs.
#![allow(clippy::expect_used, reason = "test code")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use fleet_api::Deployment;
use fleet_bus::{Bus, Event, async_nats::HeaderMap};
use fleet_contracts::kv::{Bucket, DesiredKey, EntryKey};
use fleet_contracts::payload::{DeviceState, Phase, SCHEMA_VERSION, encode};
use fleet_contracts::reason::DeviceReason;
use fleet_contracts::{DeploymentRef, DeviceId, Manifest, Revision, UnixMillis};
use fleet_operator_core::admit::admit;
use fleet_operator_core::index::{DeviceSeen, LivenessConfig, Reachability};
use fleet_operator_core::{FleetIndex, Input};
use futures::future::try_join_all;
use kube::ResourceExt as _;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use serde_json::json;
use support::{Stage, device};

const DEVICES: usize = 1_000;
const DEPLOYMENTS: usize = 100;
/// How long a whole phase may take on two busy cores.
const PATIENCE: Duration = Duration::from_secs(300);

fn name(which: usize) -> String {
    format!("dev-{which:04}")
}

fn app(which: usize) -> String {
    format!("app-{which:03}")
}

/// What the simulated devices do with a Deployment: one in ten fails, another one for each.
fn outcome(device: &DeviceId, deployment: &DeploymentRef) -> Phase {
    let digits = |text: &str| -> usize {
        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
        digits.parse().unwrap_or_default()
    };
    if (digits(device.as_str()) + digits(deployment.name.as_str())).is_multiple_of(10) {
        Phase::Failed
    } else {
        Phase::Running
    }
}

/// All devices: each reports on every new line of its manifest.
async fn play(bus: Bus) {
    let mut done: BTreeMap<EntryKey, Revision> = BTreeMap::new();
    loop {
        let filter = "*._manifest";
        let Ok(mut watch) = bus.watch_keys(Bucket::DesiredState, filter).await else {
            tokio::task::yield_now().await;
            continue;
        };
        while let Ok(event) = watch.next().await {
            let Event::Put(stored) = event else { continue };
            let Ok(manifest) = serde_json::from_slice::<Manifest>(&stored.value) else {
                continue;
            };
            report(&bus, &mut done, manifest).await;
        }
    }
}

async fn report(bus: &Bus, done: &mut BTreeMap<EntryKey, Revision>, manifest: Manifest) {
    let mut pending = Vec::new();
    for (deployment, revision) in manifest.deployments {
        let phase = outcome(&manifest.device, &deployment);
        let key = EntryKey {
            device: manifest.device.clone(),
            deployment,
        };
        if done.insert(key.clone(), revision) == Some(revision) {
            continue;
        }
        let state = DeviceState {
            schema_version: SCHEMA_VERSION,
            revision,
            phase,
            reason: (phase == Phase::Failed).then_some(DeviceReason::StartFailed),
            message: String::new(),
            at: UnixMillis(0),
            services: vec![],
        };
        let (key, value) = (key.to_string(), encode(&state).into());
        let sent = bus.send(Bucket::DeviceState, &key, HeaderMap::new(), value, None);
        pending.push(sent.await.expect("sent").acknowledged());
    }
    try_join_all(pending).await.expect("acknowledged");
}

async fn announce_all(stage: &Stage) {
    for which in 0..DEVICES {
        let ring = format!("r{}", which % 10);
        let labels = [("fleet", "load"), ("ring", ring.as_str())];
        stage.announce(&name(which), &labels).await;
    }
}

/// Deploys everything; `version` is the image's tag.
async fn deploy_all(stage: &Stage, which: impl Iterator<Item = usize>, version: &str) {
    let deployments = which.map(|i| {
        let image = format!("load:{version}");
        async move {
            stage
                .deploy(&app(i), &json!({"fleet": "load"}), &image)
                .await
        }
    });
    futures::future::join_all(deployments).await;
}

/// Waits until every status is what these devices must come to.
async fn wait_statuses(stage: &Stage, what: &str, members: &[DeviceId]) {
    let started = Instant::now();
    loop {
        let wrong = wrong_statuses(stage, members).await;
        if wrong.is_empty() {
            println!("{what}: all statuses right after {:?}", started.elapsed());
            return;
        }
        assert!(
            started.elapsed() < PATIENCE,
            "{what}: {} wrong, such as {}",
            wrong.len(),
            wrong[0]
        );
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

async fn wrong_statuses(stage: &Stage, members: &[DeviceId]) -> Vec<String> {
    let params = ListParams::default();
    let objects = stage.deployments().list(&params).await.expect("a list");
    objects
        .iter()
        .filter_map(|object| wrong_status(object, members))
        .collect()
}

fn wrong_status(object: &Deployment, members: &[DeviceId]) -> Option<String> {
    let reference = support::reference(&object.name_any());
    let failed = members
        .iter()
        .filter(|device| outcome(device, &reference) == Phase::Failed)
        .count();
    let status = object.status.clone().unwrap_or_default();
    let a = &status.aggregate;
    let found = [a.matched_device_count, a.succeeded, a.failed, a.pending];
    let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    let expected = [
        count(members.len()),
        count(members.len() - failed),
        count(failed),
        0,
    ];
    let current = status.observed_generation == object.metadata.generation;
    (found != expected || !current)
        .then(|| format!("{reference}: {found:?} instead of {expected:?}"))
}

/// The keys of `desired-state` and their revisions, computed from the objects alone.
async fn computed(stage: &Stage) -> BTreeMap<String, Vec<(String, Revision)>> {
    let mut index = FleetIndex::new(LivenessConfig::default(), UnixMillis(0));
    let params = ListParams::default();
    for object in stage.deployments().list(&params).await.expect("a list") {
        let admitted = admit(&object).expect("valid");
        index.apply(Input::Deployment(admitted), UnixMillis(0));
    }
    for object in stage.devices().list(&params).await.expect("a list") {
        let seen = DeviceSeen {
            device: device(&object.name_any()),
            labels: object.labels().clone(),
            applied: None,
            reachability: Reachability::Unknown,
        };
        index.apply(Input::Device(seen), UnixMillis(0));
    }
    let mut keys = BTreeMap::new();
    let devices: Vec<_> = index.devices().cloned().collect();
    for device in devices {
        let desired = index.desired(&device).expect("known");
        let mut lines = Vec::new();
        for (deployment, line) in desired.lines {
            lines.push((deployment.to_string(), line.revision));
            let key = EntryKey {
                device: device.clone(),
                deployment: deployment.clone(),
            };
            let line = (deployment.to_string(), line.revision);
            keys.insert(key.to_string(), vec![line]);
        }
        keys.insert(DesiredKey::Manifest(device).to_string(), lines);
    }
    keys
}

/// The same, from what the stream holds.
async fn stored(stage: &Stage) -> BTreeMap<String, Vec<(String, Revision)>> {
    let held = stage.bus.held(Bucket::DesiredState).await.expect("read");
    let lines = |key: &str, value: &[u8]| match key.parse().expect("no foreign key") {
        DesiredKey::Manifest(_) => {
            let manifest: Manifest = serde_json::from_slice(value).expect("a manifest");
            let lines = manifest.deployments.into_iter();
            lines
                .map(|(d, revision)| (d.to_string(), revision))
                .collect()
        }
        DesiredKey::Entry(entry) => {
            let body: fleet_contracts::payload::DesiredEntry =
                serde_json::from_slice(value).expect("an entry");
            vec![(entry.deployment.to_string(), Revision::of(&body.score))]
        }
    };
    held.into_iter()
        .map(|(key, stored)| (key.clone(), lines(&key, &stored.value)))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_devices_and_a_hundred_deployments_and_a_restart_in_the_middle() {
    let stage = Stage::open("fleet").await;
    let operator = stage.operator("operator");
    let devices = tokio::spawn(play(stage.bus.clone()));
    announce_all(&stage).await;
    deploy_all(&stage, 0..DEPLOYMENTS, "v1").await;
    let members: Vec<DeviceId> = (0..DEVICES).map(|i| device(&name(i))).collect();
    wait_statuses(&stage, "first roll-out", &members).await;

    // The operator dies while everything changes: new images, moved devices, deletions.
    let halves = (0..DEPLOYMENTS).collect::<BTreeSet<_>>();
    deploy_all(&stage, halves.iter().copied().filter(|i| i % 2 == 0), "v2").await;
    operator.kill().await.expect("killed");
    deploy_all(&stage, halves.iter().copied().filter(|i| i % 2 == 1), "v2").await;
    let params = DeleteParams::default();
    for which in 0..5 {
        let deleted = stage.deployments().delete(&app(which), &params).await;
        deleted.expect("deleted");
    }
    for which in 0..20 {
        let patch = json!({"metadata": {"labels": {"fleet": "retired"}}});
        let object = name(which);
        let (objects, params) = (stage.devices(), PatchParams::default());
        let patched = objects.patch(&object, &params, &Patch::Merge(&patch)).await;
        patched.expect("labelled");
        stage
            .announce(&object, &[("fleet", "retired"), ("ring", "r0")])
            .await;
    }
    operator.start().expect("started");
    wait_statuses(&stage, "roll-out over a restart", &members[20..]).await;
    support::eventually("deleted objects are gone", DEPLOYMENTS - 5, || async {
        let list = stage.deployments().list(&ListParams::default()).await;
        list.expect("a list").items.len()
    })
    .await;

    let (computed, stored) = (computed(&stage).await, stored(&stage).await);
    let keys = |map: &BTreeMap<String, _>| map.keys().cloned().collect::<BTreeSet<String>>();
    let orphans: Vec<_> = keys(&stored)
        .difference(&keys(&computed))
        .cloned()
        .collect();
    let missing: Vec<_> = keys(&computed)
        .difference(&keys(&stored))
        .cloned()
        .collect();
    assert_eq!((orphans, missing), (vec![], vec![]));
    let different = computed
        .iter()
        .filter(|(key, lines)| stored[*key] != **lines);
    assert_eq!(different.count(), 0);
    assert_eq!(stored.len(), DEVICES + 980 * (DEPLOYMENTS - 5));
    let violations = stage.metric(&operator, "fleet_invariant_violations").await;
    assert_eq!(violations, Some(0.0));
    devices.abort();
}
