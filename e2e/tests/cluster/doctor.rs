//! `fleet doctor` on the whole platform as pods.

use fleet_e2e::doctor::{Doctor, Report, take_secret};
use fleet_e2e::helm::Major;
use fleet_e2e::installed::{NAMESPACE, Wait};
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::api::{Api, DeleteParams, ListParams, PostParams};
use serde_json::json;

use crate::own;

/// The checks of a platform whose bus, OpenBao and identity provider are elsewhere.
const CHECKS: [&str; 7] = [
    "definitions",
    "secrets",
    "public-keys",
    "operator",
    "callout",
    "enrolment",
    "versions",
];

fn is_well(report: &Report) -> bool {
    report.is_well(&CHECKS)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_platform_of_pods_is_well_until_something_is_taken_from_it() {
    let Some(bed) = own::start("doctor-platform", Major::Four).await else {
        return;
    };
    let doctor = Doctor::new(bed.parts.kubeconfig().expect("a kubeconfig"), NAMESPACE);
    let doctor = doctor.expect("fleet is built");
    let installed = bed.platform.install(Wait::No, &[]).await;
    installed.expect("installed");
    doctor.until("it is well", is_well).await.expect("told");

    // The callout waits for a key that somebody deleted.
    let secrets: Api<Secret> = bed.namespaced();
    let issuer = take_secret(&secrets, "fleet-auth-issuer")
        .await
        .expect("a key");
    let pods: Api<Pod> = bed.namespaced();
    let callouts = ListParams::default().labels("app.kubernetes.io/component=callout");
    let deleted = pods
        .delete_collection(&DeleteParams::default(), &callouts)
        .await;
    deleted.expect("deleted");
    let report = doctor
        .until("the callout's pod says what it waits for", |report| {
            report.says(
                "WaitsForSecret",
                "pod/fleet-auth-callout-",
                "fleet-auth-issuer",
            )
        })
        .await
        .expect("told");
    assert!(
        report.says("SecretMissing", "secret/fleet-auth-issuer", "callout"),
        "{report:#?}"
    );
    let remedy = report
        .with("SecretMissing")
        .next()
        .map(|f| f["remedy"].clone());
    let expected = format!("fleet-auth secrets ensure --namespace {NAMESPACE}");
    assert_eq!(remedy, Some(json!(expected)));
    let made = secrets.create(&PostParams::default(), &issuer).await;
    made.expect("made");
    doctor
        .until("it is well again", is_well)
        .await
        .expect("told");

    // Without a bus neither is ready, and says so.
    let nats = bed.parts.nats().expect("a bus");
    nats.stop().await.expect("stopped");
    let report = doctor
        .until("both are not ready", |report| {
            let not_ready = |pod: &str| report.says("NotReady", pod, "503");
            not_ready("pod/fleet-operator-") && not_ready("pod/fleet-auth-callout-")
        })
        .await
        .expect("told");
    assert_eq!(report.code, Some(1));
    nats.start().await.expect("started");
    doctor
        .until("it is well again", is_well)
        .await
        .expect("told");

    // OpenShift gives the user id; who chooses one is not let in.
    let chosen = json!({"operator": {"podSecurityContext": {"runAsUser": 1000}}});
    let chosen = bed.platform.with(&chosen);
    chosen.upgrade(Wait::No).await.expect("upgraded");
    doctor
        .until("the refusal is told", |report| {
            report.says("PodRefused", "deployment/fleet-operator", "restricted-v2")
        })
        .await
        .expect("told");
}
