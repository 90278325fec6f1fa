//! What outlives its manifest and its application.

use std::path::Path;

use fleet_api::{Deployment, Device};
use fleet_chartgen::Release;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::Api;
use serde_json::json;

use crate::applications::Seen;
use crate::bed::Bed;

const CRDS: &str = "fleet-crds";

/// Argo CD spares definitions anyhow, so that their survival alone proves nothing about what is written on
/// them: a `ConfigMap` with the same annotation stands for them, and one without for what is not kept.
#[tokio::test(flavor = "multi_thread")]
async fn definitions_survive_pruning_and_the_end_of_their_application() {
    let release = Release::current().expect("definitions");
    let Some(bed) = Bed::start("argocd-keeping", |bed| bed, &release).await else {
        return;
    };
    let options = sync_options(&release);
    let template = |name: &str| format!("charts/{CRDS}/templates/{name}.yaml");
    for (name, annotations) in [
        ("kept", json!({"argocd.argoproj.io/sync-options": options})),
        (
            "spared",
            json!({"argocd.argoproj.io/sync-options": options}),
        ),
        ("lost", json!({})),
        ("last", json!({})),
    ] {
        let object = json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": name, "annotations": annotations}});
        bed.repository
            .write(Path::new(&template(name)), &object.to_string());
    }
    bed.repository.add_application(CRDS);
    bed.repository.add_application("fleet-defaults");
    let commit = bed.repository.commit("definitions");
    bed.bootstrap().await;
    bed.applications.synced(CRDS, &commit).await;
    let synced = |seen: &Seen| seen.has_synced(&commit);
    bed.applications
        .wait("fleet-defaults", "synced", synced)
        .await;

    // Gone from git.
    for name in ["kept", "lost"] {
        bed.repository.remove(&template(name));
    }
    let devices = "devices.fleet.nationtech.io";
    bed.repository.remove(&template(&format!("crds/{devices}")));
    let commit = bed.repository.commit("one of each goes");
    let pruned = |seen: &Seen| seen.has_operated(&commit);
    bed.applications.wait(CRDS, "pruned", pruned).await;
    assert_eq!(config_maps(&bed).await, ["kept", "last", "spared"]);
    assert_eq!(definitions(&bed).await, 3);
    let all: Api<Device> = Api::all(bed.client.clone());
    all.list(&kube::api::ListParams::default())
        .await
        .expect("still served");

    // Gone with all that it brought, as far as it may: not the way in which it is delivered.
    bed.applications.delete("fleet").await;
    assert_eq!(
        config_maps(&bed).await,
        ["kept", "last", "spared"],
        "they were left alone"
    );
    bed.applications
        .apply(
            &fleet_gitops::platform::application(
                fleet_gitops::platform::Component::Definitions,
                &bed.repository.parameters,
            )
            .expect("an application"),
        )
        .await;
    bed.applications
        .wait(CRDS, "back", |seen| seen.has_operated(&commit))
        .await;
    let finalizers = ["resources-finalizer.argocd.argoproj.io"];
    bed.applications
        .patch(CRDS, json!({"metadata": {"finalizers": finalizers}}))
        .await;
    bed.applications.delete(CRDS).await;
    assert_eq!(config_maps(&bed).await, ["kept", "spared"]);
    assert_eq!(definitions(&bed).await, 3);
    let deployments: Api<Deployment> = Api::namespaced(bed.client.clone(), "fleet-workloads");
    deployments
        .get("hello")
        .await
        .expect("what people wrote is there");
}

/// What the chart writes on each definition.
fn sync_options(release: &Release) -> String {
    let charts = fleet_chartgen::charts_of(release).expect("charts");
    let chart = charts
        .iter()
        .find(|chart| chart.name == CRDS)
        .expect("a chart");
    let mark = "argocd.argoproj.io/sync-options: \"";
    let texts = chart
        .files
        .values()
        .filter_map(|file| std::str::from_utf8(file).ok());
    let found = texts.filter_map(|text| text.split_once(mark)?.1.split('"').next());
    let mut all: Vec<_> = found.collect();
    assert_eq!(all.len(), 3, "one for each definition");
    all.dedup();
    assert_eq!(all.len(), 1, "the same for all");
    all.remove(0).to_owned()
}

async fn config_maps(bed: &Bed) -> Vec<String> {
    let all: Api<ConfigMap> = Api::namespaced(bed.client.clone(), "fleet-system");
    let all = all
        .list(&kube::api::ListParams::default())
        .await
        .expect("listed");
    let names = all.items.into_iter().filter_map(|map| map.metadata.name);
    names.filter(|name| name != "kube-root-ca.crt").collect()
}

async fn definitions(bed: &Bed) -> usize {
    let all: Api<CustomResourceDefinition> = Api::all(bed.client.clone());
    let all = all
        .list(&kube::api::ListParams::default())
        .await
        .expect("listed");
    let ours = all
        .items
        .iter()
        .filter(|crd| crd.spec.group == fleet_api::GROUP);
    ours.count()
}
