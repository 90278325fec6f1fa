//! `make demo CLUSTER=current`: the demo as a guest in a cluster that it did not start.
#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

use std::process::Stdio;

use fleet_e2e::cluster::Cluster;
use fleet_testbed::{Node, Testbed};
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::rbac::v1::ClusterRole;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Client;
use kube::api::{Api, ListParams};
use tokio::process::Command;

/// Everything of a kind, by name.
async fn names<K>(client: &Client) -> Vec<String>
where
    K: kube::Resource<DynamicType = ()> + Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    let api = Api::<K>::all(client.clone());
    let list = api.list(&ListParams::default()).await.expect("listed");
    list.items.iter().map(kube::ResourceExt::name_any).collect()
}

async fn remains(client: &Client) -> [Vec<String>; 3] {
    [
        names::<Namespace>(client).await,
        names::<CustomResourceDefinition>(client).await,
        names::<ClusterRole>(client).await,
    ]
}

async fn demo(bed: &Testbed, image: &str) -> std::process::Output {
    Command::new(env!("CARGO_BIN_EXE_fleet-demo"))
        .args(["--auto", "--yes", "--cluster", "current", "--name", "guest"])
        .args(["--image", image])
        .env("KUBECONFIG", bed.kubeconfig().expect("a control plane"))
        .env("NO_PROXY", "127.0.0.1")
        .stdin(Stdio::null())
        .output()
        .await
        .expect("started")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_leaves_the_cluster_as_it_was() {
    if let Err(why) = Node::supported() {
        eprintln!("skipped: the demo in a cluster that is there: {why}");
        return;
    }
    let bed = Testbed::builder("host")
        .control_plane()
        .node()
        .start()
        .await;
    let bed = bed.expect("a cluster");
    let cluster = Cluster::of_testbed(&bed).await.expect("an image");
    let values = cluster.image.values();
    let part = |key: &str| values[key].as_str().unwrap_or_default().to_owned();
    let image = format!(
        "{}/{}:{}",
        part("registry"),
        part("repository"),
        part("tag")
    );
    let before = remains(&cluster.client).await;

    let played = demo(&bed, &image).await;
    let said = String::from_utf8_lossy(&played.stdout);
    assert!(played.status.success(), "{said}{played:?}");
    assert!(said.contains("everything worked"), "{said}");
    assert_eq!(remains(&cluster.client).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_does_not_come_where_the_platform_is() {
    let bed = Testbed::builder("taken").control_plane().start().await;
    let bed = bed.expect("a cluster");
    bed.install_crds().await.expect("definitions");
    let played = demo(&bed, "registry.example/fleet-operator:1").await;
    assert!(!played.status.success(), "{played:?}");
    let said = String::from_utf8_lossy(&played.stderr);
    assert!(
        said.contains("the cluster has") && said.contains("already"),
        "{said}"
    );
    let client = bed.kube_client().await.expect("a client");
    let ours = fleet_api::crds().expect("definitions").len();
    let there = names::<CustomResourceDefinition>(&client).await;
    assert_eq!(there.len(), ours, "{there:?}");
}
