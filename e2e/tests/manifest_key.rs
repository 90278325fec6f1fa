//! The key that signs manifests is changed without visiting a device: announced, used, and the old one
//! trusted no more. A device that was away all the time says why it follows nobody.
#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

use std::time::Duration;

use async_nats::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fleet_api::Device;
use fleet_bus::Bus;
use fleet_contracts::kv::{Bucket, DesiredKey};
use fleet_contracts::signing::{KEY_HEADER, ManifestSigner, SIGNATURE_HEADER};
use fleet_contracts::{Manifest, payload};
use fleet_e2e::platform::{expect, wait_ready};
use fleet_e2e::{Error, Platform, rollout};
use fleet_testbed::{Operator, OperatorOptions};

const SOON: Duration = Duration::from_secs(90);
const HERE: &str = "dev-1";
const AWAY: &str = "dev-2";

/// The operator's next life, with further options.
async fn next_life(platform: &Platform, name: &str, args: &[&str]) -> Operator {
    let options = OperatorOptions::replica(name).args(args.iter().copied());
    let operator = platform.bed.start_operator(options).expect("starts");
    wait_ready(&operator).await.expect("ready");
    operator
}

fn signer(platform: &Platform) -> ManifestSigner {
    let text = std::fs::read_to_string(platform.bed.signing_key_file()).expect("a key");
    ManifestSigner::from_base64(&text).expect("a key")
}

/// Whoever holds the bus and this key tells the device to run nothing.
async fn forge(platform: &Platform, signer: &ManifestSigner) {
    let nats = platform.bed.nats().expect("a bus");
    let bus = Bus::over(nats.operator_client().await.expect("connects"));
    let key = DesiredKey::Manifest(HERE.parse().expect("an id")).to_string();
    let stored = bus.get(Bucket::DesiredState, &key).await.expect("read");
    let stored = stored.expect("a manifest");
    let mut manifest: Manifest = serde_json::from_slice(&stored.value).expect("a manifest");
    manifest.generation.0 += 1;
    manifest.deployments.clear();
    manifest.order.clear();
    manifest.retired_keys.clear();
    let body = payload::encode(&manifest);
    let mut headers = HeaderMap::new();
    headers.insert(SIGNATURE_HEADER, signer.sign(&body));
    headers.insert(KEY_HEADER, signer.trusted().id().to_string());
    let sent = bus.send(Bucket::DesiredState, &key, headers, body.into(), None);
    sent.await
        .expect("sent")
        .acknowledged()
        .await
        .expect("stored");
}

fn refuses(device: &Device) -> bool {
    let conditions = device.status.iter().flat_map(|s| &s.conditions);
    let mut synced = conditions.filter(|c| c.type_ == "Synced");
    synced.any(|c| c.reason == "ManifestRefused" && c.message.starts_with("BadSignature: "))
}

async fn rotation(platform: &Platform) -> Result<(), Error> {
    for device in [HERE, AWAY] {
        rollout::select(platform, device).await?;
    }
    rollout::roll_out(platform, "v1", &[HERE, AWAY]).await?;
    let (here, away) = (platform.bed.device(HERE)?, platform.bed.device(AWAY)?);
    away.stop_agent().await?;
    platform.operator()?.stop().await?;
    let old = signer(platform);
    let seed: [u8; 32] = std::array::from_fn(|_| fastrand::u8(..));
    let new = ManifestSigner::from_seed(&seed);
    let (old_key, new_key) = (old.trusted().to_string(), new.trusted().to_string());

    // Announced, and signed with the old one.
    let announced = ["--announced-keys", new_key.as_str()];
    let operator = next_life(platform, "announcing", &announced).await;
    rollout::roll_out(platform, "v2", &[HERE]).await?;
    operator.stop().await?;

    // Used: what was announced once is known for good.
    std::fs::write(platform.bed.signing_key_file(), STANDARD.encode(seed)).expect("written");
    let operator = next_life(platform, "signing", &[]).await;
    rollout::roll_out(platform, "v1", &[HERE]).await?;
    // Still known as well, should somebody have to go back.
    operator.stop().await?;
    let containers = platform.containers(HERE).await?;
    forge(platform, &old).await;
    let gone = || async { platform.containers(HERE).await.is_ok_and(|c| c.is_empty()) };
    expect(SOON, "the old key is followed".to_owned(), gone).await?;

    // Retired: nobody who has it is followed any more, also not after a restart.
    let retired = ["--retired-keys", old_key.as_str()];
    let operator = next_life(platform, "retiring", &retired).await;
    rollout::roll_out(platform, "v2", &[HERE]).await?;
    assert_ne!(platform.containers(HERE).await?, containers);
    let containers = platform.containers(HERE).await?;
    operator.stop().await?;
    for life in ["first", "second"] {
        let before = here.agent_log().matches("BadSignature").count();
        forge(platform, &old).await;
        let refused = || async { here.agent_log().matches("BadSignature").count() > before };
        expect(SOON, format!("refused in its {life} life"), refused).await?;
        assert_eq!(platform.containers(HERE).await?, containers);
        here.stop_agent().await?;
        here.start_agent().await?;
    }
    operator.start()?;
    wait_ready(&operator).await?;
    rollout::roll_out(platform, "v1", &[HERE]).await?;

    // Whoever was away all the time runs on, says why it does not follow, and does so once its
    // configuration names the new key.
    away.start_agent().await?;
    platform
        .wait_device(AWAY, "refuses the new key", refuses)
        .await?;
    assert!(rollout::shows(platform, "v1", AWAY).await?);
    rollout::roll_out(platform, "v2", &[HERE]).await?;
    assert!(rollout::shows(platform, "v1", AWAY).await?);
    away.stop_agent().await?;
    away.set_trusted_keys([old_key, new_key]);
    away.start_agent().await?;
    rollout::shown(platform, "v2", &[AWAY]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_manifest_key_is_changed_and_the_old_one_is_worth_nothing() {
    let say = |step: &str| println!("{step}");
    let platform = Platform::start("manifest-key", &[HERE, AWAY], say).await;
    let platform = platform.expect("starts");
    if let Err(error) = rotation(&platform).await {
        let log = |device: &str| platform.bed.device(device).map(|d| d.agent_log());
        let logs = [HERE, AWAY].map(|device| log(device).unwrap_or_default());
        panic!("{error}\n--- here\n{}\n--- away\n{}", logs[0], logs[1]);
    }
}
