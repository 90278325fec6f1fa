//! From an empty cluster to a device that runs something, and on through what happens to clusters.

use fleet_e2e::helm::Major;
use fleet_e2e::installed::Wait;
use fleet_testbed::wait;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret};
use kube::Api;
use kube::ResourceExt;
use kube::api::{DeleteParams, ListParams};
use serde_json::json;

use crate::own::{self, LIMIT};
use crate::round_trip;
use crate::site::Site;

#[tokio::test(flavor = "multi_thread")]
async fn a_platform_of_pods_lives_through_what_happens_to_clusters() {
    let Some(bed) = own::start("cluster-life", Major::Four).await else {
        return;
    };
    let started = bed.install().await;
    let stored = release_bytes(&bed).await;
    println!("the release takes {stored} bytes of the cluster's store");
    assert!(stored < RELEASE_BYTES, "{stored}");
    bed.enrol_device().await;
    bed.ask_for("v1").await;
    bed.shows("v1").await;
    println!(
        "a device runs a container {:.1?} after it",
        started.elapsed()
    );
    round_trip::passes_and_leaves_nothing(&bed).await;

    // The operator's pod goes while a change is on its way; nothing is lost.
    let (pods, now): (Api<Pod>, _) = (bed.namespaced(), DeleteParams::default());
    bed.ask_for("v2").await;
    let operators = ListParams::default().labels("app.kubernetes.io/name=fleet-operator");
    let deleted = pods.delete_collection(&now, &operators).await;
    deleted.expect("deleted");
    bed.shows("v2").await;

    // All pods of the auth services go, and the bus forgets everybody: devices log in anew.
    let auth = ListParams::default().labels("app.kubernetes.io/name=fleet-auth");
    let deleted = pods.delete_collection(&now, &auth).await;
    deleted.expect("deleted");
    let nats = bed.parts.nats().expect("a bus");
    nats.stop().await.expect("gone");
    nats.start().await.expect("back");
    bed.wait_ready().await;
    bed.ask_for("v1").await;
    bed.shows("v1").await;

    an_upgrade_runs_the_jobs_anew_and_changes_no_key(&bed).await;
    what_is_the_users_outlives_the_release(&bed).await;
}

/// A Secret has less than 1 MiB, of which a release of the future wants a part.
const RELEASE_BYTES: usize = 700_000;

/// The Secret that Helm keeps the release in, as the API server has it: base64 of what Helm wrote.
async fn release_bytes(bed: &Site) -> usize {
    let secrets: Api<Secret> = bed.namespaced();
    let params = ListParams::default().fields("type=helm.sh/release.v1");
    let found = secrets.list(&params).await.expect("listed");
    let data = found.items.iter().filter_map(|secret| secret.data.as_ref());
    let sizes = data.map(|data| data["release"].0.len().div_ceil(3) * 4);
    sizes.max().expect("a release")
}

/// Versions of what the Jobs make, and the names of the Jobs.
async fn made(bed: &Site) -> (Vec<String>, Vec<String>) {
    let all = ListParams::default();
    let ours = ListParams::default().labels("app.kubernetes.io/managed-by=fleet-auth");
    let secrets: Api<Secret> = bed.namespaced();
    let maps: Api<ConfigMap> = bed.namespaced();
    let jobs: Api<Job> = bed.namespaced();
    let version = |name: String, version: Option<String>| format!("{name} {version:?}");
    let secrets = secrets.list(&ours).await.expect("listed").items;
    let secrets = secrets
        .into_iter()
        .map(|s| version(s.name_any(), s.resource_version()));
    let maps = maps.list(&ours).await.expect("listed").items;
    let maps = maps
        .into_iter()
        .map(|m| version(m.name_any(), m.resource_version()));
    let jobs = jobs.list(&all).await.expect("listed").items;
    let jobs = jobs.iter().map(ResourceExt::name_any).collect();
    (secrets.chain(maps).collect(), jobs)
}

async fn an_upgrade_runs_the_jobs_anew_and_changes_no_key(bed: &Site) {
    let (before, jobs) = made(bed).await;
    assert_eq!(jobs.len(), 3, "{jobs:?}");
    bed.platform.upgrade(Wait::Yes).await.expect("upgraded");
    assert_eq!(
        made(bed).await,
        (before.clone(), jobs.clone()),
        "nothing to do"
    );

    let more = bed
        .platform
        .with(&json!({"auth": {"callout": {"replicas": 2}}}));
    more.upgrade(Wait::Yes).await.expect("upgraded");
    bed.wait_ready().await;
    let anew = || async {
        let (_, now) = made(bed).await;
        now.len() == 3 && now.iter().all(|job| !jobs.contains(job))
    };
    assert!(
        wait::until(LIMIT, anew).await,
        "Jobs run anew, and old ones go"
    );
    bed.wait_ready().await;
    assert_eq!(made(bed).await.0, before, "no key changes");

    bed.platform.roll_back().await.expect("rolled back");
    bed.wait_ready().await;
    assert_eq!(made(bed).await, (before, jobs), "as it was");
    bed.shows("v1").await;
}

async fn what_is_the_users_outlives_the_release(bed: &Site) {
    let (before, _) = made(bed).await;
    bed.platform.uninstall().await.expect("uninstalled");
    assert_eq!(made(bed).await.0, before, "keys stay");
    bed.shows("v1").await;

    // And are taken up again, here with `--wait`.
    let again = bed.platform.install(Wait::Yes, &[]).await;
    again.expect("installed again");
    bed.wait_ready().await;
    assert_eq!(made(bed).await.0, before, "the same keys");
    bed.ask_for("v2").await;
    bed.shows("v2").await;
}
