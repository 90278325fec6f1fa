//! Two replicas under OpenShift's rules: one is killed, and the other goes on.

use fleet_e2e::helm::Major;
use fleet_e2e::installed::{Admission, Wait};
use fleet_testbed::wait;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{Api, DeleteParams};
use serde_json::json;

use crate::bed::{Bed, LIMIT};

async fn leader(leases: &Api<Lease>, name: &str) -> Option<String> {
    let lease = leases.get_opt(name).await.ok().flatten()?;
    lease
        .spec?
        .holder_identity
        .filter(|holder| !holder.is_empty())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_leader_is_replaced_and_nothing_stops() {
    let admission = Admission::RestrictedV2;
    let Some(bed) = Bed::start("chart-two", Major::Four, admission).await else {
        return;
    };
    let chart = bed.chart.with(&json!({"replicas": 2}));
    chart.install(Wait::Yes, &[]).await.expect("installed");
    chart.wait_ready(2).await.expect("ready");
    for pod in chart.pods().await.expect("pods") {
        let spec = pod.spec.expect("a spec");
        let context = spec
            .containers
            .first()
            .and_then(|c| c.security_context.as_ref());
        let user = context
            .and_then(|c| c.run_as_user)
            .expect("a user id was assigned");
        assert!((1_000_660_000..1_000_670_000).contains(&user), "{user}");
    }
    bed.join_device().await;
    bed.deploy("v1").await;

    let leases: Api<Lease> = Api::namespaced(bed.client.clone(), chart.namespace());
    let first = leader(&leases, chart.release()).await.expect("a leader");
    let at_once = DeleteParams::default().grace_period(0);
    chart
        .pods_api()
        .delete(&first, &at_once)
        .await
        .expect("killed");
    let replaced = || async {
        leader(&leases, chart.release())
            .await
            .is_some_and(|holder| holder != first)
    };
    assert!(wait::until(LIMIT, replaced).await, "another replica leads");
    bed.deploy("v2").await;
    chart.wait_ready(2).await.expect("two again");
}
