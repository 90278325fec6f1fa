//! What is saved of one cluster is there in another, on real API servers.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use fleet_api::{DeviceEnrolment, DeviceEnrolmentSpec};
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::Api;
use kube::ResourceExt as _;
use kube::api::{ObjectMeta, Patch, PatchParams, PostParams};
use serde_json::json;

use crate::bed::{Bed, soon};

/// Where the platform is, unless something says otherwise.
const PLATFORM: &str = "fleet-system";
const SIGNING: &str = "fleet-operator-signing";

async fn make_namespace(bed: &Bed, name: &str) {
    let namespace = Namespace {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            ..ObjectMeta::default()
        },
        ..Namespace::default()
    };
    let api: Api<Namespace> = Api::all(bed.client.clone());
    let made = api.create(&PostParams::default(), &namespace).await;
    made.expect("a namespace");
}

fn secrets(bed: &Bed) -> Api<Secret> {
    Api::namespaced(bed.client.clone(), PLATFORM)
}

async fn make_secret(bed: &Bed, name: &str) {
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "immutable": true,
        "stringData": {"key": format!("that of {name}")},
    });
    let secret = serde_json::from_value(secret).expect("a Secret");
    let made = secrets(bed).create(&PostParams::default(), &secret).await;
    made.expect("a Secret");
}

fn enrolments(bed: &Bed) -> Api<DeviceEnrolment> {
    Api::all(bed.client.clone())
}

/// A device that was let in, and has changed its key since.
async fn make_enrolment(bed: &Bed) -> DeviceEnrolment {
    let name = "a".repeat(40);
    let spec: DeviceEnrolmentSpec = serde_json::from_value(json!({
        "publicKey": "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----\n",
        "fingerprint": format!("SHA256:{}", "a".repeat(43)),
        "deviceId": "pi-1", "labels": {"site": "lyon"}, "tokenId": "0".repeat(20),
    }))
    .expect("a spec");
    let api = enrolments(bed);
    let object = DeviceEnrolment::new(&name, spec);
    let made = api.create(&PostParams::default(), &object).await;
    made.expect("created");
    let status = json!({"status": {
        "userId": "1", "keyId": "2",
        "publicKey": "-----BEGIN PUBLIC KEY-----\nMIIC\n-----END PUBLIC KEY-----\n",
        "conditions": [{"type": "Ready", "status": "True", "reason": "Provisioned", "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z"}],
    }});
    let written = api
        .patch_status(&name, &PatchParams::default(), &Patch::Merge(&status))
        .await;
    written.expect("written");
    bed.fleet(&["approve", &name]).ok();
    api.get(&name).await.expect("an enrolment")
}

async fn fill(bed: &Bed) -> DeviceEnrolment {
    for namespace in [PLATFORM, "shop"] {
        make_namespace(bed, namespace).await;
    }
    make_secret(bed, SIGNING).await;
    make_secret(bed, "fleet-openbao-seal-1").await;
    make_secret(bed, "not-ours").await;
    let deploy = [
        "deploy",
        "--name",
        "web",
        "-n",
        "shop",
        "--target-all",
        "--image",
        "registry.example/web:1",
    ];
    bed.fleet(&deploy).ok();
    bed.add_device("pi-1", "lyon", "True").await;
    make_enrolment(bed).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_cluster_has_what_was_decided_in_the_one_before() {
    let (old, new) = tokio::join!(Bed::installed("backup-old"), Bed::installed("backup-new"));
    let enrolment = fill(&old).await;
    let home = tempfile::tempdir().expect("a folder");
    let folder = home.path().join("saved");
    let path = |file: &str| folder.join(file).display().to_string();
    let shown = folder.display().to_string();
    old.fleet(&["backup", &shown]).ok();
    let (resources, keys) = (path("resources.json"), path("keys.json"));
    let mode = fs::metadata(&keys).expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let text = fs::read_to_string(&keys).expect("read");
    assert!(text.contains(SIGNING) && !text.contains("not-ours"));
    // That of an earlier day is not lost by a slip.
    let again = old.fleet(&["backup", &shown]).failed();
    assert!(again.contains("cannot create"), "{again}");

    let early = new.fleet(&["restore", &keys, &resources]).failed();
    assert!(
        early.contains("the namespace fleet-system is not there"),
        "{early}"
    );
    for namespace in [PLATFORM, "shop"] {
        make_namespace(&new, namespace).await;
    }
    let told = new.fleet(&["restore", &keys, &resources]).ok();
    assert!(
        told.contains("deployment.fleet.nationtech.io/web restored"),
        "{told}"
    );

    let there = enrolments(&new).get(&enrolment.name_any()).await;
    let there = there.expect("an enrolment");
    assert_eq!(there.spec, enrolment.spec);
    assert_eq!(there.status, enrolment.status);
    let key = secrets(&new).get(SIGNING).await.expect("a Secret");
    let before = secrets(&old).get(SIGNING).await.expect("a Secret");
    assert_eq!((key.data, key.immutable), (before.data, before.immutable));
    let device = new.devices().get("pi-1").await.expect("a device");
    assert_eq!(device.labels()["site"], "lyon");
    soon("the Deployment is as it was", || async {
        let listed = new.fleet(&["get", "deployments", "-n", "shop", "-o", "name"]);
        listed.ok().contains("/web")
    })
    .await;

    // A second time there is nothing to do, and what was decided since stays.
    new.fleet(&["deny", &enrolment.name_any()]).ok();
    let told = new.fleet(&["restore", &keys, &resources]).ok();
    assert!(!told.contains("restored"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_without_the_key_that_devices_follow_is_none() {
    let bed = Bed::installed("backup-none").await;
    let home = tempfile::tempdir().expect("a folder");
    let folder = home.path().join("saved");
    let told = bed
        .fleet(&["backup", &folder.display().to_string(), "-n", "elsewhere"])
        .failed();
    assert!(
        told.contains(SIGNING) && told.contains("elsewhere"),
        "{told}"
    );
    assert!(!folder.exists(), "nothing is half saved");
    let file = home.path().join("other.json");
    let pods = json!({"items": [{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}}]});
    fs::write(&file, pods.to_string()).expect("written");
    let told = bed
        .fleet(&["restore", &file.display().to_string()])
        .failed();
    assert!(told.contains("holds Pod"), "{told}");
}
