//! `OpenBao` that cannot be unsealed: who waits for it says so, and goes on when it is there.

use fleet_api::DeviceEnrolment;
use fleet_e2e::doctor::{Doctor, take_secret};
use fleet_e2e::helm::Major;
use fleet_e2e::installed::{Admission, NAMESPACE};
use fleet_testbed::wait;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use serde_json::json;

use super::bed;
use crate::absent::nothing_ended;
use crate::site::Site;

/// The pod of `OpenBao`.
const POD: &str = "fleet-openbao-0";
/// The Secret with the key that unseals it.
const SEAL: &str = "fleet-openbao-seal-1";

#[tokio::test(flavor = "multi_thread")]
async fn a_sealed_openbao_is_named_and_devices_get_in_when_it_is_unsealed() {
    let bed = bed::start("upstream-sealed", Major::Four, Admission::RestrictedV2);
    let Some(bed) = Box::pin(bed).await else {
        return;
    };
    bed.install().await;
    let doctor = Doctor::new(bed.parts.kubeconfig().expect("a kubeconfig"), NAMESPACE);
    let doctor = doctor.expect("fleet is built");
    let good = exchange(&bed, with_another_key).await;
    let sealed = doctor.until("that it is sealed", |report| {
        report.says("OpenBaoSealed", POD, "")
    });
    sealed.await.expect("told");

    let unsealed = async {
        told(&bed, "PolicyStoreFailed").await;
        exchange(&bed, |_| good).await;
    };
    tokio::join!(bed.enrol_device(), unsealed);
    bed.device_runs("v1").await;
    bed.wait_ready().await;
    nothing_ended(&bed).await;
}

/// Of base64 any character but the last may be any other.
fn with_another_key(seal: &Secret) -> Secret {
    let mut seal = seal.clone();
    let mut keys = seal.data.iter_mut().flat_map(|data| data.values_mut());
    let first = keys.next().and_then(|key| key.0.first_mut());
    let first = first.expect("a key");
    *first = if *first == b'A' { b'B' } else { b'A' };
    seal
}

/// `OpenBao` starts with this key instead of the one that is there, which is given back. Its pod is gone
/// in between: a kubelet does not look again at a Secret that cannot be changed.
async fn exchange(bed: &Site, key: impl FnOnce(&Secret) -> Secret) -> Secret {
    let secrets = bed.namespaced::<Secret>();
    scale(bed, 0).await;
    let gone = || async { matches!(bed.platform.pods_api().get_opt(POD).await, Ok(None)) };
    assert!(wait::until(bed.limit, gone).await, "{POD} does not go");
    let before = take_secret(&secrets, SEAL).await.expect("a key");
    let made = secrets.create(&PostParams::default(), &key(&before)).await;
    made.expect("made");
    scale(bed, 1).await;
    before
}

async fn scale(bed: &Site, replicas: i32) {
    let sets = bed.namespaced::<StatefulSet>();
    let replicas = Patch::Merge(json!({"spec": {"replicas": replicas}}));
    let params = PatchParams::default();
    let scaled = sets.patch_scale("fleet-openbao", &params, &replicas).await;
    scaled.expect("scaled");
}

/// Waits until the only enrolment is not ready for this reason.
async fn told(bed: &Site, reason: &str) {
    let all: Api<DeviceEnrolment> = Api::all(bed.client.clone());
    let told = || async {
        let listed = all.list(&ListParams::default()).await;
        let listed = listed.map(|list| list.items).unwrap_or_default();
        let statuses = listed.into_iter().filter_map(|found| found.status);
        let mut conditions = statuses.flat_map(|status| status.conditions);
        conditions.any(|c| c.type_ == "Ready" && c.reason == reason)
    };
    if !wait::until(bed.limit, told).await {
        let listed = all.list(&ListParams::default()).await;
        panic!("no {reason}: {listed:#?}");
    }
}
