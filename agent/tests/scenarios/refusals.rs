//! What the bus may not make a device do.

use fleet_contracts::signing::ManifestSigner;
use fleet_contracts::{DeviceReason, RefusalReason};
use serde_json::json;

use crate::fleet::{Fleet, V1, V2, web};

#[tokio::test]
async fn forged_stale_and_foreign_manifests_change_nothing() {
    let mut fleet = Fleet::with_agent("agent-forged").await;
    let revision = fleet.deploy("shop.web", web(V1, 8080)).await;
    fleet.until_running("shop.web", revision).await;
    let before = fleet.container("shop.web.web").await;
    let generation = fleet.generation;
    let mut empty = fleet.manifest(generation + 1);
    empty.deployments.clear();

    fleet
        .send_manifest(&empty, &ManifestSigner::from_seed(&[9; 32]))
        .await;
    fleet.until_refused(RefusalReason::BadSignature).await;
    empty.generation.0 = generation - 1;
    fleet.send_manifest(&empty, &fleet.signer).await;
    fleet.until_refused(RefusalReason::StaleGeneration).await;
    empty.generation.0 = generation;
    fleet.send_manifest(&empty, &fleet.signer).await;
    fleet
        .until_refused(RefusalReason::ConflictingGeneration)
        .await;
    empty.generation.0 = generation + 1;
    empty.device = "dev-2".parse().expect("id");
    fleet.send_manifest(&empty, &fleet.signer).await;
    fleet.until_refused(RefusalReason::WrongDevice).await;
    assert_eq!(fleet.container("shop.web.web").await, before);
}

#[tokio::test]
async fn a_body_with_the_wrong_hash_is_refused_and_the_old_one_keeps_running() {
    let mut fleet = Fleet::with_agent("agent-hash").await;
    let first = fleet.deploy("shop.web", web(V1, 8080)).await;
    fleet.until_running("shop.web", first).await;
    let before = fleet.container("shop.web.web").await;

    // The manifest is honest, the body behind it is not.
    fleet.device.stop_agent().await.expect("stops");
    let second = fleet.deploy("shop.web", web(V2, 8080)).await;
    let evil = json!({"PodmanV0": {"services": [{"name": "evil", "image": V2}]}});
    fleet
        .write_entry(&"shop.web".parse().expect("reference"), &evil, second)
        .await;
    fleet.device.start_agent().await.expect("starts");
    fleet.until_refused(RefusalReason::HashMismatch).await;
    let state = fleet.until("shop.web", |s| s.revision == second).await;
    assert_eq!(state.reason, Some(DeviceReason::EntryMissing));
    assert_eq!(fleet.container("shop.web.web").await, before);
}

#[tokio::test]
async fn a_corrupt_ledger_is_set_aside_and_nothing_stops() {
    let mut fleet = Fleet::with_agent("agent-ledger").await;
    let revision = fleet.deploy("shop.web", web(V1, 8080)).await;
    fleet.until_running("shop.web", revision).await;
    let before = fleet.container("shop.web.web").await;
    fleet.device.stop_agent().await.expect("stops");
    let bytes = std::fs::read(fleet.ledger()).expect("ledger");
    std::fs::write(fleet.ledger(), &bytes[..bytes.len() / 2]).expect("truncated");

    fleet.device.start_agent().await.expect("starts");
    fleet
        .until_true("a new ledger", || async {
            std::fs::read(fleet.ledger()).is_ok_and(|new| new == bytes)
        })
        .await;
    let aside = std::fs::read_dir(fleet.device.state_dir()).expect("folder");
    let names: Vec<_> = aside
        .flatten()
        .map(|e| e.file_name().to_string_lossy().into_owned())
        .collect();
    assert!(
        names.iter().any(|n| n.starts_with("ledger.corrupt-")),
        "{names:?}"
    );
    assert_eq!(fleet.container("shop.web.web").await, before);
}
