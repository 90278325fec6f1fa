//! Writing what is not one's own: under others' keys, by a roll-up, by odd names, by sheer quantity, or
//! as the operator.

use std::sync::Mutex;

use async_nats::HeaderMap;
use bytes::Bytes;
use fleet_contracts::kv::Bucket;
use fleet_testbed::wait;
use futures::StreamExt as _;
use futures::future::join_all;
use serde_json::json;

use crate::bed::SOON;
use crate::scene::Scene;
use crate::wire::Wire;

on_both!(
    crate::scene::Scene;
    attack_roll_up_that_purges_the_bucket,
    attack_write_to_another_devices_keys,
    attack_deployment_names_with_wildcards_dots_spaces_and_unicode,
    attack_flood_of_payload,
    attack_device_that_poses_as_the_operator,
);

async fn attack_roll_up_that_purges_the_bucket(scene: &Scene) {
    for kind in ["all", "sub"] {
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Rollup", kind);
        for subject in scene.attacker.subjects() {
            let client = &scene.attacker.client;
            let asked = client.request_with_headers(subject, headers.clone(), "mine".into());
            let answer = asked.await.expect("answered");
            let answer = String::from_utf8_lossy(&answer.payload).into_owned();
            assert!(answer.contains("rollup not permitted"), "{answer}");
        }
    }
    scene.assert_untouched().await;
}

async fn attack_write_to_another_devices_keys(scene: &Scene) {
    let victim = &scene.victim;
    let mut subjects = scene.owner.subjects().to_vec();
    subjects.extend([
        Bucket::DeviceInfo.subject(victim),
        Bucket::DeviceState.subject(&format!("{victim}.shop.web")),
        Bucket::DeviceHeartbeat.subject(victim),
    ]);
    // The desired state is not even its own to write.
    subjects.extend([victim, &scene.me].into_iter().flat_map(|device| {
        ["_manifest", "shop.web"]
            .map(|key| Bucket::DesiredState.subject(&format!("{device}.{key}")))
    }));
    subjects.push(format!("fleet.desired.{victim}"));
    subjects.push(format!("down.desired.{victim}"));
    let evil = |subject| (subject, "evil".to_owned());
    let requests: Vec<_> = subjects.into_iter().map(evil).collect();
    scene.assert_forbidden(&requests).await;
}

/// A connection by hand of one more device of the attacker's: two of one device would be a clone.
async fn one_more(scene: &Scene, device: &str) -> Wire {
    let place = Mutex::new(None);
    let open = || async {
        let mut wire = Wire::open(scene.address()).await;
        let let_in = wire.log_in(scene.connect(device)).await;
        *place.lock().expect("unpoisoned") = let_in.then_some(wire);
        let_in
    };
    assert!(wait::until(SOON, open).await, "{device} is not let in");
    let wire = place.into_inner().expect("unpoisoned");
    wire.expect("let in")
}

/// A device may write under its own id only, whatever the deployment is called.
async fn attack_deployment_names_with_wildcards_dots_spaces_and_unicode(scene: &Scene) {
    let victim = &scene.victim;
    for (number, name) in [
        "ME.shop.web.more",
        "ME.*.web",
        "ME.shop.>",
        "*.shop.web",
        ">",
        "VICTIM.>",
        "ME.shop.w\u{fc}b",
        "ME.shop.\u{202e}bew",
        "ME..web",
        "ME.VICTIM.shop.web",
        "ME.shop.web up.state.VICTIM.shop.web",
        "ME.shop.web\tup.state.VICTIM.shop.web",
    ]
    .into_iter()
    .enumerate()
    {
        let me = format!("w{number}-{}", scene.me);
        let mut wire = one_more(scene, &me).await;
        let name = name.replace("ME", &me).replace("VICTIM", victim);
        // Refused, or stored under the device's own id, which harms nobody else. Some make the server
        // hang up.
        wire.send(format!("PUB up.state.{name} 3\r\nodd\r\n").as_bytes())
            .await;
        wire.answer().await;
    }
    scene.assert_untouched().await;
    let odd = keys_that_hold(scene, b"odd").await;
    let own = |key: &String| key.starts_with('w') && key.contains(&scene.me);
    assert!(odd.iter().all(own), "{odd:?}");
}

/// The keys of reports whose value this is.
async fn keys_that_hold(scene: &Scene, value: &[u8]) -> Vec<String> {
    let stream = scene.bus.context().get_stream(Bucket::DeviceState.stream());
    let stream = stream.await.expect("a stream");
    let prefix = Bucket::DeviceState.subject(&"");
    let subjects = stream.info_with_subjects(format!("{prefix}>")).await;
    let mut subjects = subjects.expect("answers");
    let mut keys = Vec::new();
    while let Some(subject) = subjects.next().await {
        let (subject, _) = subject.expect("answers");
        let message = stream.get_last_raw_message_by_subject(&subject).await;
        if message.is_ok_and(|message| message.payload == value) {
            keys.push(subject.replacen(&prefix, "", 1));
        }
    }
    keys
}

async fn attack_flood_of_payload(scene: &Scene) {
    let subject = format!("up.info.{}", scene.me);
    // Larger than any device may send: the server ends the connection.
    let other = format!("w-{}", scene.me);
    let mut wire = one_more(scene, &other).await;
    let put = format!("PUB up.info.{other} {}\r\n", 300 * 1024);
    wire.send(put.as_bytes()).await;
    let answer = wire.answer().await;
    let said = answer.errors.concat();
    assert!(said.contains("Maximum Payload Violation"), "{said}");
    assert!(!answer.open, "it goes on");
    // As large as it may be, again and again: it overwrites the device's one key, or is refused.
    for _ in 0..200 {
        let body = Bytes::from(vec![b'x'; 60 * 1024]);
        let sent = scene.attacker.client.publish(subject.clone(), body).await;
        sent.expect("sent");
    }
    scene.assert_untouched().await;
    let stream = scene.bus.context().get_stream(Bucket::DeviceInfo.stream());
    let stream = stream.await.expect("a stream");
    let own = Bucket::DeviceInfo.subject(&scene.me);
    let mut subjects = stream.info_with_subjects(own).await.expect("answers");
    let (_, messages) = subjects.next().await.expect("a key").expect("answers");
    assert_eq!(messages, 1, "one key of one message");
}

/// With the operator's public key, which is no secret, and with what only the operator may do.
async fn attack_device_that_poses_as_the_operator(scene: &Scene) {
    let seed = std::fs::read_to_string(scene.nats().operator_seed()).expect("a seed");
    let operator = nkeys::KeyPair::from_seed(seed.trim()).expect("a key");
    let own = nkeys::KeyPair::new_user();
    let sign = |key: &nkeys::KeyPair, nonce: &str| {
        use base64::Engine as _;
        let signature = key.sign(nonce.as_bytes()).expect("signed");
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(signature)
    };
    let mut wire = Wire::open(scene.address()).await;
    let right = json!({"nkey": operator.public_key(), "sig": sign(&operator, &wire.nonce)});
    assert!(wire.log_in(right).await, "the operator itself is let in");
    let token = scene.token(&scene.me);
    let (mut first, mut second) = (
        Wire::open(scene.address()).await,
        Wire::open(scene.address()).await,
    );
    let attempts = [
        json!({"nkey": operator.public_key(), "sig": ""}),
        json!({"nkey": operator.public_key(), "sig": sign(&operator, "yesterday's")}),
        json!({"user": operator.public_key(), "pass": token}),
    ];
    // At once: the server waits a while for the callout, which has no answer to this.
    let attempts =
        attempts.map(|connect| async { Wire::open(scene.address()).await.log_in(connect).await });
    let (forged, unknown, others) = tokio::join!(
        first.log_in(json!({"nkey": operator.public_key(), "sig": sign(&own, &first.nonce)})),
        second.log_in(json!({"nkey": own.public_key(), "sig": sign(&own, &second.nonce)})),
        join_all(attempts)
    );
    assert_eq!((forged, unknown, others), (false, false, vec![false; 3]));
    let manifests = [&scene.me, &scene.victim].map(|device| {
        let key = Bucket::DesiredState.subject(&format!("{device}._manifest"));
        (key, "a manifest of mine".to_owned())
    });
    scene.assert_forbidden(&manifests).await;
}
