//! The example that catalogues show is one that an API server takes.
#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

use fleet_api::Deployment;
use fleet_chartgen::hub;
use fleet_testbed::Testbed;
use kube::api::{Api, PostParams};

#[tokio::test(flavor = "multi_thread")]
async fn the_example_of_the_charts_can_be_applied() {
    let bed = Testbed::builder("catalogue")
        .control_plane()
        .start()
        .await
        .expect("a cluster");
    bed.install_crds().await.expect("installed");
    let client = bed.kube_client().await.expect("a client");
    let try_only = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    for example in hub::examples().expect("examples") {
        let namespace = example.metadata.namespace.clone().expect("a namespace");
        let api: Api<Deployment> = Api::namespaced(client.clone(), &namespace);
        let answer = api.create(&try_only, &example).await;
        let taken = answer.unwrap_or_else(|error| panic!("{error}: {example:?}"));
        assert_eq!(taken.spec, example.spec);
        // And it does refuse.
        let mut wrong = example;
        wrong.spec.target_selector = fleet_api::TargetSelector::default();
        let error = api.create(&try_only, &wrong).await.expect_err("refused");
        assert!(
            error.to_string().contains("targetSelector is empty"),
            "{error}"
        );
    }
}
