//! From an empty namespace to a device that runs something, and on through what happens to pods.

use fleet_e2e::helm::Major;
use fleet_e2e::installed::{Admission, Wait};
use fleet_e2e::scc::IdRange;
use kube::api::{DeleteParams, ListParams};
use serde_json::json;

use super::bed;
use crate::round_trip;
use crate::site::Site;

/// The pod of the bus.
const BUS: &str = "fleet-nats-0";
/// The pod of `OpenBao`.
const OPENBAO: &str = "fleet-openbao-0";

#[tokio::test(flavor = "multi_thread")]
async fn a_platform_with_its_own_bus_and_openbao_lives_as_openshift_lets_it() {
    let admission = Admission::RestrictedV2;
    let bed = bed::start("upstream-openshift", Major::Four, admission);
    let Some(bed) = Box::pin(bed).await else {
        return;
    };
    bed.install().await;
    for (container, user) in bed.users().await {
        assert!(user >= IdRange::default().start, "{container} is {user}");
    }
    bed.bus_knows_whom_to_let_in().await;
    bed.enrol_device().await;
    bed.device_runs("v1").await;
    round_trip::passes_and_leaves_nothing(&bed).await;

    the_bus_goes_and_comes_back(&bed).await;
    openbao_unseals_itself_and_has_kept_everything(&bed).await;
    an_upgrade_replaces_them(&bed).await;
    what_they_keep_outlives_the_release(&bed).await;
}

/// At once, as when its node dies: nothing is said to anybody, and nothing is lost.
async fn the_bus_goes_and_comes_back(bed: &Site) {
    for version in ["v2", "v1", "v2", "v1", "v2"] {
        bed.lose_pod(BUS).await;
        bed.device_runs(version).await;
    }
}

/// Nobody is left who remembers that the device was let in: the callout that knew is gone, too, and
/// the device has to log in anew.
async fn openbao_unseals_itself_and_has_kept_everything(bed: &Site) {
    bed.lose_pod(OPENBAO).await;
    let callouts = ListParams::default().labels("app.kubernetes.io/component=callout");
    let (pods, now) = (bed.platform.pods_api(), DeleteParams::default());
    let deleted = pods.delete_collection(&now, &callouts).await;
    assert!(
        deleted
            .expect("deleted")
            .left()
            .is_some_and(|pods| !pods.items.is_empty())
    );
    bed.lose_pod(BUS).await;
    bed.wait_ready().await;
    bed.device_runs("v1").await;
}

/// Both are asked to end and come back with what was changed, and the Jobs find everything done.
async fn an_upgrade_replaces_them(bed: &Site) {
    let before = bed.kept().await;
    let more = json!({"requests": {"memory": "200Mi"}});
    let more = json!({
        "auth": {"callout": {"replicas": 2}},
        "nats": {"container": {"merge": {"resources": more}}},
        "openbao": {"server": {"resources": more}},
    });
    let upgraded = bed.platform.with(&more).upgrade(Wait::Yes).await;
    upgraded.expect("upgraded");
    bed.wait_ready().await;
    for pod in [BUS, OPENBAO] {
        let pod = bed.platform.pods_api().get(pod).await.expect("a pod");
        let resources = json!(pod)["spec"]["containers"][0]["resources"].clone();
        assert_eq!(resources["requests"]["memory"], "200Mi");
    }
    assert_eq!(bed.kept().await, before);
    bed.device_runs("v2").await;
}

/// Keys and volumes belong to whoever installed it, and the next release takes them up.
async fn what_they_keep_outlives_the_release(bed: &Site) {
    let before = bed.kept().await;
    bed.platform.uninstall().await.expect("uninstalled");
    assert_eq!(bed.kept().await, before);
    let again = bed.platform.install(Wait::Yes, &[]).await;
    again.expect("installed again");
    bed.wait_ready().await;
    assert_eq!(bed.kept().await, before);
    bed.device_runs("v1").await;
}

/// The same without a cluster that chooses ids, by the Helm before, and waiting.
#[tokio::test(flavor = "multi_thread")]
async fn a_platform_with_its_own_bus_and_openbao_comes_up_restricted() {
    let bed = bed::start("upstream-restricted", Major::Three, Admission::Restricted);
    let Some(bed) = Box::pin(bed).await else {
        return;
    };
    let installed = bed.platform.install(Wait::Yes, &[]).await;
    installed.expect("installed");
    bed.wait_ready().await;
    for (container, user) in bed.users().await {
        assert_ne!(user, 0, "{container} is root");
    }
    bed.bus_knows_whom_to_let_in().await;
    bed.enrol_device().await;
    bed.device_runs("v1").await;
}
