//! Install, use, upgrade, roll back, uninstall, install again.

use fleet_e2e::earlier;
use fleet_e2e::helm::Major;
use fleet_e2e::installed::{Admission, Wait};
use fleet_testbed::wait;

use crate::bed::{Bed, DEVICE, LIMIT};

async fn has_earlier_columns(bed: &Bed) -> bool {
    let there = earlier::is_there(&bed.client).await;
    there.expect("definitions")
}

async fn whole_life(name: &str, major: Major, admission: Admission) {
    let Some(bed) = Bed::start(name, major, admission).await else {
        return;
    };
    let old = bed
        .chart
        .at(&earlier::release().expect("definitions"))
        .expect("the earlier chart");
    // Without --wait: it comes up by itself.
    old.install(Wait::No, &[]).await.expect("installed");
    old.wait_ready(1).await.expect("ready");
    assert!(has_earlier_columns(&bed).await);
    bed.join_device().await;
    bed.deploy("v1").await;
    let container = bed.container().await;

    // A newer release, with other definitions.
    bed.chart.upgrade(Wait::Yes).await.expect("upgraded");
    bed.chart.wait_ready(1).await.expect("ready");
    assert!(
        !has_earlier_columns(&bed).await,
        "the upgrade brings its definitions"
    );
    assert_eq!(
        bed.container().await,
        container,
        "an upgrade restarts no container"
    );
    bed.deploy("v2").await;
    let container = bed.container().await;

    bed.chart.roll_back().await.expect("rolled back");
    bed.chart.wait_ready(1).await.expect("ready");
    assert!(
        has_earlier_columns(&bed).await,
        "the rollback brings the earlier definitions"
    );
    assert_eq!(bed.container().await, container);

    // Everything that is the users' stays.
    let keys = bed.desired_keys().await;
    bed.chart.uninstall().await.expect("uninstalled");
    assert!(
        bed.deployments().get("hello").await.is_ok(),
        "the Deployment stays"
    );
    assert!(bed.devices().get(DEVICE).await.is_ok(), "the Device stays");
    assert_eq!(
        bed.desired_keys().await,
        keys,
        "what devices shall run stays"
    );
    bed.answers("v2").await;
    assert_eq!(bed.container().await, container);

    // The same release again takes all of it up.
    bed.chart
        .install(Wait::Yes, &[])
        .await
        .expect("installed again");
    bed.chart.wait_ready(1).await.expect("ready");
    assert!(!has_earlier_columns(&bed).await);
    bed.deploy("v1").await;
    bed.deployments()
        .delete("hello", &kube::api::DeleteParams::default())
        .await
        .expect("deleted");
    let gone = || async { matches!(bed.deployments().get_opt("hello").await, Ok(None)) };
    assert!(
        wait::until(LIMIT, gone).await,
        "the Deployment goes when the operator let go of it"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_lives_its_life_under_pod_security_with_helm_4() {
    whole_life("chart-4", Major::Four, Admission::Restricted).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_lives_its_life_under_restricted_v2_with_helm_3() {
    whole_life("chart-3", Major::Three, Admission::RestrictedV2).await;
}
