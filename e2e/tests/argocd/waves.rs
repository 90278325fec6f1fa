//! From an empty cluster to a container on a device, by commits alone.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use fleet_api::Device;
use fleet_chartgen::Release;
use fleet_e2e::cluster::Cluster;
use fleet_e2e::helm::Major;
use fleet_e2e::installed::{Admission, Installation, NAMESPACE};
use fleet_e2e::{earlier, http, workload};
use fleet_gitops::sample;
use fleet_testbed::{Node, wait};
use k8s_openapi::api::apps::v1::Deployment as Pods;
use k8s_openapi::api::core::v1::{Namespace, Service};
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams};
use serde_json::json;

use crate::applications::{LIMIT, Seen};
use crate::bed::Bed;

const DEVICE: &str = "dev-1";
const PORT: u16 = 8080;
const OPERATOR: &str = "fleet-operator";
const ALL: [&str; 4] = ["fleet", "fleet-crds", OPERATOR, "fleet-defaults"];

#[tokio::test(flavor = "multi_thread")]
async fn applications_come_in_waves_stay_synced_and_follow_git() {
    let name = "argocd-waves";
    if let Err(why) = Node::supported() {
        writeln!(std::io::stderr(), "skipped: {name}: {why}").expect("said");
        return;
    }
    let parts = |bed: fleet_testbed::Builder| bed.node().nats().devices([DEVICE]);
    let Some(bed) = Bed::start(name, parts, &earlier::release().expect("definitions")).await else {
        return;
    };
    let cluster = Cluster::of_testbed(&bed.parts).await.expect("an image");
    let nats = bed.parts.nats().expect("a bus").url();
    let site = json!({"image": cluster.image.values(), "nats": {"url": nats}});
    bed.repository.write_site(OPERATOR, &site);
    for application in &ALL[1..] {
        bed.repository.add_application(application);
    }
    let commit = bed.repository.commit("the platform");
    bed.bootstrap().await;

    one_wave_waits_for_another(&bed, &commit).await;
    // What an administrator, or a Job, makes beforehand; pods that came earlier heal.
    let admission = Admission::Restricted;
    Installation::prepare(&cluster, &bed.parts, Major::Four, NAMESPACE, admission)
        .await
        .expect("Secrets");
    for application in ALL {
        bed.applications.synced(application, &commit).await;
    }
    assert!(has_earlier_columns(&bed).await);
    let seen = bed.applications.see("fleet-defaults").await.expect("it");
    assert_eq!(
        seen.object("Deployment", "hello"),
        Some((
            "Healthy",
            "NoDevicesMatched: the selector matches no device"
        ))
    );

    stays_synced(&bed, Duration::from_secs(60)).await;
    drift_is_corrected(&bed).await;
    bed.repository
        .write_charts(&Release::current().expect("definitions"));
    let mut site = site;
    site["replicas"] = json!(2);
    bed.repository.write_site(OPERATOR, &site);
    let commit = bed.repository.commit("the next version, twice");
    upgrades(&bed, &commit).await;
    a_commit_runs_a_container_on_a_device(&bed).await;
}

/// The operator cannot be healthy before its Secrets are there, and until then nothing comes that needs it.
async fn one_wave_waits_for_another(bed: &Bed, commit: &str) {
    bed.applications.synced("fleet-crds", commit).await;
    let namespaces: Api<Namespace> = Api::all(bed.client.clone());
    let namespace = namespaces.get(NAMESPACE).await.expect("made by Argo CD");
    let level = "pod-security.kubernetes.io/enforce";
    assert_eq!(
        namespace
            .metadata
            .labels
            .unwrap_or_default()
            .get(level)
            .map(String::as_str),
        Some("restricted")
    );
    let waits = |seen: &Seen| seen.has_synced(commit) && seen.health() == "Progressing";
    bed.applications
        .wait(OPERATOR, "waiting for its Secrets", waits)
        .await;
    assert!(bed.applications.see("fleet-defaults").await.is_none());
}

/// Directly after a sync Argo CD may compare with what it saw before, and sync once more.
async fn stays_synced(bed: &Bed, time: Duration) {
    let rest = Duration::from_secs(5);
    let at_rest = || async { bed.applications.left_sync(&ALL, rest).await.is_none() };
    assert!(wait::until(LIMIT, at_rest).await, "they come to rest");
    assert_eq!(bed.applications.left_sync(&ALL, time).await, None);
    for application in ALL {
        let seen = bed.applications.see(application).await.expect("it");
        assert_eq!(seen.health(), "Healthy", "{application}");
    }
}

async fn drift_is_corrected(bed: &Bed) {
    let pods: Api<Pods> = Api::namespaced(bed.client.clone(), NAMESPACE);
    let services: Api<Service> = Api::namespaced(bed.client.clone(), NAMESPACE);
    let service = services.list(&ListParams::default()).await.expect("listed");
    let service = service.items.first().and_then(|s| s.metadata.name.clone());
    let service = service.expect("a service");
    services
        .delete(&service, &DeleteParams::default())
        .await
        .expect("deleted");
    let none = json!({"spec": {"replicas": 0}});
    pods.patch(OPERATOR, &PatchParams::default(), &Patch::Merge(none))
        .await
        .expect("scaled");
    let corrected = || async {
        let scaled = pods.get(OPERATOR).await.ok().and_then(|p| p.spec?.replicas);
        scaled == Some(1) && services.get(&service).await.is_ok()
    };
    assert!(wait::until(LIMIT, corrected).await, "both are as in git");
    for application in ALL {
        let healthy = |seen: &Seen| seen.sync() == "Synced" && seen.health() == "Healthy";
        bed.applications
            .wait(application, "healthy again", healthy)
            .await;
    }
}

async fn upgrades(bed: &Bed, commit: &str) {
    for application in ALL {
        bed.applications.refresh(application).await;
    }
    for application in ["fleet-crds", OPERATOR] {
        bed.applications.synced(application, commit).await;
    }
    assert!(
        !has_earlier_columns(bed).await,
        "the definitions are those of the commit"
    );
    let pods: Api<Pods> = Api::namespaced(bed.client.clone(), NAMESPACE);
    let status = pods.get(OPERATOR).await.expect("it").status;
    assert_eq!(status.and_then(|s| s.ready_replicas), Some(2));
}

async fn a_commit_runs_a_container_on_a_device(bed: &Bed) {
    let device = bed.parts.device(DEVICE).expect("a device");
    device
        .load_image(&workload::image("v1"), "v1")
        .await
        .expect("an image");
    device.start_agent().await.expect("an agent");
    let devices: Api<Device> = Api::all(bed.client.clone());
    let there = || async { matches!(devices.get_opt(DEVICE).await, Ok(Some(_))) };
    assert!(wait::until(LIMIT, there).await, "the device registers");
    let hello = workload::web("hello", sample::LABEL, "v1", PORT).expect("a deployment");
    let text = serde_json::to_string(&hello).expect("JSON");
    let path = Path::new("gitops/manifests/defaults/hello.yaml");
    bed.repository.write(path, &text);
    let commit = bed.repository.commit("another image");
    bed.applications.synced("fleet-defaults", &commit).await;
    let labels = json!({"metadata": {"labels": {sample::LABEL.0: sample::LABEL.1}}});
    devices
        .patch(DEVICE, &PatchParams::default(), &Patch::Merge(labels))
        .await
        .expect("labelled");
    let runs = Some(("Healthy", "AllSucceeded: 1 of 1 devices succeeded"));
    let runs = |seen: &Seen| seen.object("Deployment", "hello") == runs;
    bed.applications
        .wait("fleet-defaults", "running", runs)
        .await;
    let address = SocketAddr::new(device.host_ip(), PORT);
    http::wait_for(address, "v1", LIMIT)
        .await
        .expect("an answer");
}

async fn has_earlier_columns(bed: &Bed) -> bool {
    let there = earlier::is_there(&bed.client).await;
    there.expect("definitions")
}
