//! `fleet doctor` before and after an installation with real pods: what it says of a platform that is
//! well, and of the mistakes that people make.
#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

use fleet_e2e::Installation;
use fleet_e2e::cluster::{Cluster, with_root};
use fleet_e2e::doctor::{Doctor, take_secret};
use fleet_e2e::helm::Major;
use fleet_e2e::installed::{Admission, NAMESPACE, Wait};
use fleet_testbed::Testbed;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, PostParams};
use serde_json::json;

const SIGNING: &str = "fleet-operator-signing";

/// A cluster with a node, the namespace with its Secrets, and nothing installed; none where there is
/// no root, which is said.
async fn bed(name: &str) -> Option<(Testbed, Installation, Doctor)> {
    let bed = Testbed::builder(name)
        .control_plane()
        .node()
        .nats()
        .start()
        .await;
    let bed = with_root(name, bed).expect("a cluster")?;
    let cluster = Cluster::of_testbed(&bed).await.expect("an image");
    let admission = Admission::Restricted;
    let chart = Installation::prepare(&cluster, &bed, Major::Four, NAMESPACE, admission).await;
    let doctor = Doctor::new(bed.kubeconfig().expect("a kubeconfig"), NAMESPACE);
    let doctor = doctor.expect("fleet is built");
    Some((bed, chart.expect("a namespace with Secrets"), doctor))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_secret_is_named_and_what_is_mended_is_well() {
    let Some((bed, chart, doctor)) = bed("doctor-secret").await else {
        return;
    };
    let report = doctor.asks(&["--before"]).await.expect("a report");
    assert_eq!(report.code, Some(0), "{report:#?}");
    for check in ["api-server", "permissions", "namespace", "definitions"] {
        assert_eq!(report.severity(check), ["ok"], "{check}: {report:#?}");
    }
    assert!(report.says("Fine", "namespace/fleet-system", "`restricted`"));

    let client = bed.kube_client().await.expect("a client");
    let secrets: Api<Secret> = Api::namespaced(client, NAMESPACE);
    let secret = take_secret(&secrets, SIGNING).await.expect("a key");
    chart.install(Wait::No, &[]).await.expect("installed");
    let report = doctor
        .until("the pod says what it waits for", |report| {
            report.says("WaitsForSecret", "pod/fleet-operator-", SIGNING)
        })
        .await
        .expect("told");
    assert_eq!(report.code, Some(1));
    assert!(
        report.says(
            "SecretMissing",
            &format!("secret/{SIGNING}"),
            "deployment/fleet-operator"
        ),
        "{report:#?}"
    );

    // Somebody makes another one by hand, with something else in it.
    let mut wrong = secret.clone();
    wrong.data = Some([("manifest.key".to_owned(), ByteString(b"none".to_vec()))].into());
    let made = secrets.create(&PostParams::default(), &wrong).await;
    made.expect("made");
    let report = doctor
        .until("the operator's last words are told", |report| {
            report.says("CrashLoop", "pod/fleet-operator-", "it said last: ")
        })
        .await
        .expect("told");
    assert!(report.says("KeyUnusable", &format!("secret/{SIGNING}"), "manifest.key"));
    let told: Vec<_> = report
        .with("CrashLoop")
        .map(|f| f["message"].clone())
        .collect();
    assert!(
        report.says("CrashLoop", "pod/fleet-operator-", "signing key"),
        "{told:?}"
    );

    let gone = take_secret(&secrets, SIGNING).await;
    gone.expect("the wrong one");
    let made = secrets.create(&PostParams::default(), &secret).await;
    made.expect("made");
    let report = doctor
        .until("it is well by itself", |report| {
            report.code == Some(0) && report.severity("operator") == ["ok"]
        })
        .await
        .expect("told");
    for check in ["definitions", "storage", "secrets", "versions", "devices"] {
        assert_eq!(report.severity(check), ["ok"], "{check}: {report:#?}");
    }
    assert!(report.says("Fine", "deployment/fleet-operator", "1 of 1 ready, version"));
    let release = format!("Helm release {NAMESPACE}/fleet-operator");
    assert!(report.says("Fine", "", &release), "{report:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_image_and_a_pod_that_is_not_let_in_are_named() {
    let Some((_bed, chart, doctor)) = bed("doctor-image").await else {
        return;
    };
    let wrong = json!({"image": {"registry": "registry.invalid", "tag": "no-such-tag"}});
    let wrong = chart.with(&wrong);
    wrong.install(Wait::No, &[]).await.expect("installed");
    let report = doctor
        .until("the image is named", |report| {
            report.says("ImageNotPulled", "pod/", "registry.invalid/")
        })
        .await
        .expect("told");
    assert_eq!(report.code, Some(1));

    // Pod Security does not let root in.
    let root = chart.with(&json!({"podSecurityContext": {"runAsUser": 0}}));
    root.upgrade(Wait::No).await.expect("upgraded");
    let report = doctor
        .until("the refusal is told", |report| {
            report.says(
                "PodRefused",
                "deployment/fleet-operator",
                "violates PodSecurity",
            )
        })
        .await
        .expect("told");
    assert!(report.says("PodRefused", "", "runAsUser=0"), "{report:#?}");

    // The refusal that an Event remembers is not told any more.
    chart.upgrade(Wait::Yes).await.expect("upgraded");
    doctor
        .until("it is well", |report| {
            report.code == Some(0) && report.severity("operator") == ["ok"]
        })
        .await
        .expect("told");
}
