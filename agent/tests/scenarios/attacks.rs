//! What a bus that lies may not make a device do. The bus may show a device any manifest; the device
//! follows only what the operator signed for it, and nothing older than what it follows.

use fleet_contracts::signing::ManifestSigner;
use fleet_contracts::{Manifest, RefusalReason};
use fleet_testbed::{Lease, Shared, Testbed};
use serde_json::json;
use tokio::sync::Mutex;

use crate::fleet::{Fleet, V1, V2, web};

/// One test for each attack, on each kind of bus.
macro_rules! on_both {
    ($($attack:ident,)*) => {
        mod single {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $attack() {
                    let fleet = super::leased(&super::ONE, 1).await;
                    super::$attack(&mut *fleet.lock().await).await;
                }
            )*
        }
        mod cluster {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $attack() {
                    let fleet = super::leased(&super::THREE, 3).await;
                    super::$attack(&mut *fleet.lock().await).await;
                }
            )*
        }
    };
}

on_both!(
    attack_manifest_signed_with_another_key,
    attack_manifest_for_another_device,
    attack_manifest_with_a_lower_generation,
    attack_manifest_of_the_same_generation,
    attack_replay_of_an_old_manifest,
    attack_entry_without_the_manifests_hash,
    attack_body_that_comes_along_with_a_true_manifest,
);

static ONE: Shared<Mutex<Fleet>> = Shared::new(|test| test.starts_with("attacks::single::"));
static THREE: Shared<Mutex<Fleet>> = Shared::new(|test| test.starts_with("attacks::cluster::"));

/// A device that runs something, for one attack at a time.
async fn leased(place: &'static Shared<Mutex<Fleet>>, servers: usize) -> Lease<Mutex<Fleet>> {
    let start = move || async move {
        let builder = Testbed::builder("agent-attacks").nats_cluster(servers);
        let mut fleet = Fleet::on(builder).await;
        fleet.device.set_heartbeat_period(1);
        fleet.device.start_agent().await.expect("agent");
        let revision = fleet.deploy("shop.web", web(V1, 8080)).await;
        fleet.until_running("shop.web", revision).await;
        Mutex::new(fleet)
    };
    place.lease(start).await.expect("leased")
}

/// What the attacker wants: that the device stops what it runs.
fn nothing_more(fleet: &Fleet, generation: u64) -> Manifest {
    let mut manifest = fleet.manifest(generation);
    manifest.deployments.clear();
    manifest.order.clear();
    manifest
}

/// The operator's next manifest is followed; this one is refused, and changes nothing.
async fn refused(fleet: &mut Fleet, reason: RefusalReason, attack: impl AsyncFnOnce(&Fleet, u64)) {
    fleet.write_manifest().await;
    fleet.until_followed().await;
    let container = fleet.container("shop.web.web").await;
    assert!(container.as_ref().is_some_and(|c| c.starts_with("running")));
    let ledger = std::fs::read(fleet.ledger()).expect("a ledger");
    attack(fleet, fleet.generation).await;
    fleet.until_refused(reason).await;
    assert_eq!(fleet.container("shop.web.web").await, container);
    assert_eq!(std::fs::read(fleet.ledger()).expect("a ledger"), ledger);
}

async fn attack_manifest_signed_with_another_key(fleet: &mut Fleet) {
    let attack = async |fleet: &Fleet, generation| {
        let own = ManifestSigner::from_seed(&[9; 32]);
        let manifest = nothing_more(fleet, generation + 1);
        fleet.send_manifest(&manifest, &own).await;
    };
    refused(fleet, RefusalReason::BadSignature, attack).await;
}

async fn attack_manifest_for_another_device(fleet: &mut Fleet) {
    let attack = async |fleet: &Fleet, generation| {
        let mut manifest = nothing_more(fleet, generation + 1);
        manifest.device = "dev-2".parse().expect("an id");
        fleet.send_manifest(&manifest, &fleet.signer).await;
    };
    refused(fleet, RefusalReason::WrongDevice, attack).await;
}

async fn attack_manifest_with_a_lower_generation(fleet: &mut Fleet) {
    let attack = async |fleet: &Fleet, generation| {
        let manifest = nothing_more(fleet, generation - 1);
        fleet.send_manifest(&manifest, &fleet.signer).await;
    };
    refused(fleet, RefusalReason::StaleGeneration, attack).await;
}

async fn attack_manifest_of_the_same_generation(fleet: &mut Fleet) {
    let attack = async |fleet: &Fleet, generation| {
        let manifest = nothing_more(fleet, generation);
        fleet.send_manifest(&manifest, &fleet.signer).await;
    };
    refused(fleet, RefusalReason::ConflictingGeneration, attack).await;
}

/// Byte for byte what the operator signed once, and the device followed.
async fn attack_replay_of_an_old_manifest(fleet: &mut Fleet) {
    let old = fleet.manifest(fleet.generation);
    let attack = async |fleet: &Fleet, _| fleet.send_manifest(&old, &fleet.signer).await;
    refused(fleet, RefusalReason::StaleGeneration, attack).await;
}

/// The manifest is the operator's, what it names is not.
async fn attack_entry_without_the_manifests_hash(fleet: &mut Fleet) {
    let lie = async |fleet: &mut Fleet| {
        let revision = fleet.deploy("shop.web", web(V2, 8080)).await;
        let evil = json!({"PodmanV0": {"services": evil()}});
        let deployment = "shop.web".parse().expect("a reference");
        fleet.write_entry(&deployment, &evil, revision).await;
    };
    refused_on_return(fleet, RefusalReason::HashMismatch, lie).await;
}

/// So it is, and the body comes along with the manifest: no signature is over headers.
async fn attack_body_that_comes_along_with_a_true_manifest(fleet: &mut Fleet) {
    let lie = async |fleet: &mut Fleet| {
        fleet.bring("shop.web", web(V2, 8080), evil()).await;
    };
    // The entry on the bus still is the one before.
    refused_on_return(fleet, RefusalReason::EntryMissing, lie).await;
}

fn evil() -> serde_json::Value {
    json!([{"name": "evil", "image": V2}])
}

/// While the device is off the operator's next manifest is written, with this beside it. The device
/// refuses that, and what it ran runs on.
async fn refused_on_return(
    fleet: &mut Fleet,
    reason: RefusalReason,
    lie: impl AsyncFnOnce(&mut Fleet),
) {
    fleet.write_manifest().await;
    fleet.until_followed().await;
    let container = fleet.container("shop.web.web").await;
    fleet.device.stop_agent().await.expect("stops");
    lie(fleet).await;
    fleet.device.start_agent().await.expect("starts");
    fleet.until_refused(reason).await;
    assert_eq!(fleet.container("shop.web.web").await, container);
    assert_eq!(fleet.container("shop.web.evil").await, None);
    // As it was, for the next.
    let revision = fleet.deploy("shop.web", web(V1, 8080)).await;
    fleet.until_running("shop.web", revision).await;
}
