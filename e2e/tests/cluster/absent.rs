//! What is missing or wrong has a name, where people look first: Events, and `fleet doctor`. No pod of ours
//! ends because of it, and all go on by themselves when it is mended.

use fleet_e2e::doctor::{Doctor, take_secret};
use fleet_e2e::helm::Major;
use fleet_e2e::installed::{NAMESPACE, Wait};
use fleet_testbed::wait;
use k8s_openapi::api::core::v1::{Event, Pod, Secret};
use kube::ResourceExt as _;
use kube::api::{ListParams, PostParams};
use serde_json::{Value, json};

use crate::own;
use crate::site::Site;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_has_a_name_and_no_pod_ends_because_of_it() {
    let Some(site) = own::start("absent", Major::Four).await else {
        return;
    };
    let doctor = Doctor::new(site.parts.kubeconfig().expect("a kubeconfig"), NAMESPACE);
    let doctor = doctor.expect("fleet is built");
    let secrets = site.namespaced::<Secret>();
    let authority = take_secret(&secrets, "openbao-ca").await.expect("there");
    let nobody = site.platform.with(&bus("nats://127.0.0.1:9"));
    nobody.install(Wait::No, &[]).await.expect("installed");

    // A Secret that the values name is not there.
    event(&site, "fleet-auth-callout-", "FailedMount", "openbao-ca").await;
    let report = doctor.until("what the callout waits for", |report| {
        report.says("WaitsForSecret", "pod/fleet-auth-callout-", "openbao-ca")
    });
    report.await.expect("told");
    let made = secrets.create(&PostParams::default(), &authority).await;
    made.expect("made");

    // Nobody answers at the bus' address.
    let words = "not connected to NATS";
    event(&site, "fleet-operator-", "BusUnreachable", words).await;
    let report = doctor.until("that there is no bus", |report| {
        let says = |pod: &str| report.says("NotReady", pod, "no connection to NATS");
        says("pod/fleet-operator-") && says("pod/fleet-auth-callout-")
    });
    report.await.expect("told");
    nothing_ended(&site).await;
    site.platform.upgrade(Wait::No).await.expect("upgraded");
    site.wait_ready().await;

    // Nobody answers at the issuer's. Those who run already go on.
    let issuer = json!({"auth": {
        "oidc": {"issuer": "https://127.0.0.1:9", "project": "1", "organisation": "2"},
        "zitadelJob": {"enabled": false},
    }});
    let strange = site.platform.with(&issuer);
    strange.upgrade(Wait::No).await.expect("upgraded");
    let report = doctor.until("that there are no keys", |report| {
        report.says("NotReady", "pod/fleet-auth-callout-", "identity provider")
    });
    report.await.expect("told");
    nothing_ended(&site).await;
    site.platform.upgrade(Wait::No).await.expect("upgraded");
    site.wait_ready().await;
    site.enrol_device().await;
    site.device_runs("v1").await;
}

/// The bus of both, elsewhere.
fn bus(url: &str) -> Value {
    json!({"operator": {"nats": {"url": url}}, "auth": {"nats": {"url": url}}})
}

/// Waits for an Event about a pod, as `kubectl get events` shows it.
async fn event(site: &Site, pod: &str, reason: &str, words: &str) {
    let events = site.namespaced::<Event>();
    let told = || async {
        let events = events.list(&ListParams::default()).await;
        let mut events = events
            .map(|list| list.items)
            .unwrap_or_default()
            .into_iter();
        events.any(|event| {
            let about = event.involved_object.name.unwrap_or_default();
            let message = event.message.unwrap_or_default();
            about.starts_with(pod)
                && event.reason.as_deref() == Some(reason)
                && message.contains(words)
        })
    };
    if !wait::until(site.limit, told).await {
        let events = site.all::<Event>().await;
        panic!("no {reason} about {pod}: {events:#?}");
    }
}

/// Containers of services run since they were started first. A Job's may end: it is tried again.
pub(crate) async fn nothing_ended(site: &Site) {
    for pod in site.all::<Pod>().await {
        let owners = pod.owner_references().iter();
        let is_job = owners.into_iter().any(|owner| owner.kind == "Job");
        let status = pod.status.clone().unwrap_or_default();
        for container in status.container_statuses.unwrap_or_default() {
            let (pod, restarts) = (pod.name_any(), container.restart_count);
            assert!(is_job || restarts == 0, "{pod}: {restarts} restarts");
        }
    }
}
