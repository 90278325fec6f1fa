//! A device can read only its own desired state and write only its own keys; nothing it sends can
//! land under another device's key. Each attack is one that works where devices share an account
//! with the buckets.
#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

use std::time::Duration;

use async_nats::{Client, HeaderMap};
use bytes::Bytes;
use fleet_bus::{Bus, StreamSettings, stream};
use fleet_contracts::kv::Bucket;
use fleet_contracts::subject;
use fleet_testbed::Testbed;
use futures::{FutureExt as _, StreamExt as _};

const VICTIM_VALUE: &[u8] = b"the victim's";

struct Scene {
    /// Kept: dropping it stops the server.
    _bed: Testbed,
    bus: Bus,
    attacker: Client,
}

/// Two devices, each with every key written by the operator; the attacker is `dev-1`.
async fn scene(name: &str) -> Scene {
    let bed = Testbed::builder(name).nats().start().await.expect("starts");
    let nats = bed.nats().expect("has a bus");
    let bus = Bus::over(nats.operator_client().await.expect("connects"));
    stream::ensure_all(bus.context(), &StreamSettings::default())
        .await
        .expect("streams");
    for device in ["dev-1", "dev-2"] {
        for (bucket, key) in keys(device) {
            bus.put(bucket, &key, VICTIM_VALUE.into())
                .await
                .expect("stored");
        }
    }
    let attacker = device_client(&bed, "dev-1").await;
    Scene {
        _bed: bed,
        bus,
        attacker,
    }
}

fn keys(device: &str) -> [(Bucket, String); 5] {
    [
        (Bucket::DesiredState, format!("{device}._manifest")),
        (Bucket::DesiredState, format!("{device}.shop.web")),
        (Bucket::DeviceInfo, device.to_owned()),
        (Bucket::DeviceState, format!("{device}.shop.web")),
        (Bucket::DeviceHeartbeat, device.to_owned()),
    ]
}

async fn device_client(bed: &Testbed, id: &str) -> Client {
    let key = nkeys::KeyPair::new_user();
    let nats = bed.nats().expect("has a bus");
    let device = id.parse().expect("a device id");
    nats.admit_keys([(device, key.public_key())])
        .await
        .expect("admitted");
    async_nats::ConnectOptions::with_nkey(key.seed().expect("has a seed"))
        .custom_inbox_prefix(format!("_INBOX_{id}"))
        .request_timeout(Some(Duration::from_millis(500)))
        .connect(nats.url())
        .await
        .expect("connects")
}

impl Scene {
    /// Everything sent so far was taken or refused by the server.
    async fn settle(&self) {
        self.attacker.flush().await.expect("flushes");
        self.bus.client().flush().await.expect("flushes");
        // A stream stores in the order of arrival: once this is stored, so is what came before.
        for bucket in Bucket::ALL {
            self.bus
                .put(bucket, "settle", "x".into())
                .await
                .expect("stored");
        }
    }

    async fn assert_victim_untouched(&self, attack: &str) {
        self.settle().await;
        for (bucket, key) in keys("dev-2") {
            let stored = self.bus.get(bucket, &key).await.expect("answers");
            let value = stored.map(|s| s.value);
            assert_eq!(
                value.as_deref(),
                Some(VICTIM_VALUE),
                "{attack}: {} {key}",
                bucket.name()
            );
        }
    }
}

#[tokio::test]
async fn a_device_reads_its_own_desired_state_and_no_other() {
    let scene = scene("isolation-read").await;
    let get = |subject: &'static str| scene.attacker.request(subject, Bytes::new());
    let own = get("get.desired.dev-1._manifest").await.expect("answered");
    assert_eq!(&own.payload[..], VICTIM_VALUE);
    for subject in [
        "get.desired.dev-2._manifest",
        "get.desired.dev-2.shop.web",
        "get.desired.*._manifest",
        "$JS.API.DIRECT.GET.KV_desired-state.$KV.desired-state.dev-2.shop.web",
        "$JS.API.STREAM.INFO.KV_desired-state",
        "$JS.API.CONSUMER.CREATE.KV_desired-state",
    ] {
        assert!(get(subject).await.is_err(), "{subject} was answered");
    }
}

#[tokio::test]
async fn a_device_writes_its_own_keys_and_no_other() {
    let scene = scene("isolation-write").await;
    for subject in [
        "up.info.dev-1",
        "up.state.dev-1.shop.web",
        "up.heartbeat.dev-1",
    ] {
        let ack = scene
            .attacker
            .request(subject, "mine".into())
            .await
            .expect("acknowledged");
        assert!(
            !String::from_utf8_lossy(&ack.payload).contains("error"),
            "{subject}: {ack:?}"
        );
    }
    for subject in [
        "up.info.dev-2",
        "up.state.dev-2.shop.web",
        "up.heartbeat.dev-2",
        "$KV.desired-state.dev-2.shop.web",
        "fleet.desired.dev-2",
    ] {
        let _ = scene.attacker.publish(subject, "evil".into()).await;
    }
    scene.assert_victim_untouched("direct write").await;
}

#[tokio::test]
async fn an_answer_cannot_be_sent_under_another_devices_key() {
    let scene = scene("isolation-reply").await;
    for reply in [
        "$KV.desired-state.dev-2.shop.web",
        "$KV.desired-state.dev-2._manifest",
        "$KV.device-state.dev-2.shop.web",
        "up.state.dev-2.shop.web",
        "up.info.dev-2",
        "up.heartbeat.dev-2",
    ] {
        for (subject, body) in [
            ("get.desired.dev-1.shop.web", ""),
            ("up.info.dev-1", "x"),
            ("up.state.dev-1.shop.web", "x"),
        ] {
            let body = Bytes::from_static(body.as_bytes());
            let _ = scene
                .attacker
                .publish_with_reply(subject, reply, body)
                .await;
        }
    }
    scene.assert_victim_untouched("reply injection").await;
}

#[tokio::test]
async fn a_roll_up_does_not_empty_the_bucket() {
    let scene = scene("isolation-rollup").await;
    for kind in ["all", "sub"] {
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Rollup", kind);
        for subject in [
            "up.info.dev-1",
            "up.state.dev-1.shop.web",
            "up.heartbeat.dev-1",
        ] {
            let _ = scene
                .attacker
                .request_with_headers(subject, headers.clone(), "mine".into())
                .await;
        }
    }
    scene.assert_victim_untouched("roll-up").await;
}

#[tokio::test]
async fn a_device_hears_only_its_own_doorbell_and_inbox() {
    let scene = scene("isolation-listen").await;
    let mut spies = Vec::new();
    for subject in [
        "down.desired.dev-2",
        "down.desired.*",
        ">",
        "_INBOX_dev-2.>",
        "_INBOX.>",
    ] {
        spies.push(scene.attacker.subscribe(subject).await.expect("sent"));
    }
    let mut own = scene
        .attacker
        .subscribe("down.desired.dev-1")
        .await
        .expect("sent");
    // Whatever the server answers: it has taken the subscriptions, which a flush does not tell.
    let asked = subject::get_nothing(&"dev-1".parse().expect("an id"));
    let _ = scene.attacker.request(asked, Bytes::new()).await;
    for device in ["dev-2", "dev-1"] {
        let key = format!("{device}._manifest");
        scene
            .bus
            .put(Bucket::DesiredState, &key, "new".into())
            .await
            .expect("stored");
    }
    let rung = tokio::time::timeout(Duration::from_secs(5), own.next()).await;
    let rung = rung.expect("in time").expect("open");
    assert_eq!(rung.payload, "new", "the doorbell brings the manifest");
    for spy in &mut spies {
        assert!(
            spy.next().now_or_never().flatten().is_none(),
            "a spy heard something"
        );
    }
}
