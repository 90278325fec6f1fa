//! The wave of keys: a job makes them once, and no commit and no deletion takes or changes one.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::Duration;

use fleet_chartgen::Release;
use fleet_e2e::cluster::bring;
use fleet_images::product;
use fleet_testbed::Node;
use k8s_openapi::ByteString;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, ListParams};
use serde_json::json;

use crate::bed::Bed;

const NAMESPACE: &str = "fleet-system";
const KEYS: &str = "fleet-secrets";

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_made_once_and_outlive_commits_and_their_application() {
    let name = "argocd-keys";
    if let Err(why) = Node::supported() {
        writeln!(std::io::stderr(), "skipped: {name}: {why}").expect("said");
        return;
    }
    let release = Release::current().expect("definitions");
    let Some(bed) = Bed::start(name, fleet_testbed::Builder::node, &release).await else {
        return;
    };
    let image = bring(&bed.parts, product::AUTH).await.expect("an image");
    let site = json!({"image": image.values()});
    bed.repository.write_site(KEYS, &site);
    for application in ["fleet-crds", KEYS] {
        bed.repository.add_application(application);
    }
    let commit = bed.repository.commit("keys");
    bed.bootstrap().await;
    bed.applications.synced(KEYS, &commit).await;
    let made = secrets(&bed).await;
    for name in ["fleet-operator-signing", "fleet-openbao-seal-1"] {
        assert!(made.contains_key(name), "{:?}", made.keys());
    }
    let first = jobs(&bed).await;
    assert_eq!(first.len(), 1, "{first:?}");
    // The job has made what is not in git; that is nobody's difference.
    let rest = Duration::from_secs(15);
    let at_rest = || async { bed.applications.left_sync(&[KEYS], rest).await.is_none() };
    let limit = crate::applications::LIMIT;
    assert!(fleet_testbed::wait::until(limit, at_rest).await);

    // Other values make another job, which finds the keys.
    let mut site = site;
    site["log"] = json!({"filter": "debug"});
    bed.repository.write_site(KEYS, &site);
    let commit = bed.repository.commit("the job says more");
    bed.applications.synced(KEYS, &commit).await;
    let second = jobs(&bed).await;
    assert_eq!(second.len(), 1, "{second:?}");
    assert_ne!(first, second);
    assert_eq!(secrets(&bed).await, made);

    bed.applications.delete("fleet").await;
    assert_eq!(jobs(&bed).await, Vec::<String>::new());
    assert_eq!(secrets(&bed).await, made);
}

/// All Secrets of the platform with what is in them.
async fn secrets(bed: &Bed) -> BTreeMap<String, BTreeMap<String, ByteString>> {
    let all: Api<Secret> = Api::namespaced(bed.client.clone(), NAMESPACE);
    let all = all
        .list(&ListParams::default())
        .await
        .expect("listed")
        .items;
    let named = all.into_iter().map(|secret| {
        let name = secret.metadata.name.unwrap_or_default();
        (name, secret.data.unwrap_or_default())
    });
    named.collect()
}

async fn jobs(bed: &Bed) -> Vec<String> {
    let all: Api<Job> = Api::namespaced(bed.client.clone(), NAMESPACE);
    let all = all
        .list(&ListParams::default())
        .await
        .expect("listed")
        .items;
    all.into_iter()
        .filter_map(|job| job.metadata.name)
        .collect()
}
