//! Writing what is not one's own: by the answer to a request, by a roll-up, by odd names, by sheer
//! quantity, or as the operator.

use async_nats::{HeaderMap, jetstream};
use bytes::Bytes;
use fleet_contracts::kv::Bucket;
use futures::{FutureExt as _, StreamExt as _};

use crate::scene::{Attacker, Scene};

on_both!(
    crate::scene::Scene;
    attack_reply_of_a_put_into_another_device,
    attack_reply_of_a_direct_get_into_another_device,
    attack_reply_of_a_put_into_the_platform_account,
    attack_reply_of_a_direct_get_into_the_platform_account,
    attack_reply_of_a_put_into_the_desired_state,
    attack_reply_of_a_direct_get_into_the_desired_state,
    attack_roll_up_that_purges_the_bucket,
    attack_write_to_another_devices_keys,
    attack_deployment_names_with_wildcards_dots_spaces_and_unicode,
    attack_flood_of_payload,
    attack_device_that_poses_as_the_operator,
);

/// What a device may send, with an answer that goes where it should not.
async fn puts(scene: &Scene, attacker: &Attacker, replies: &[String]) {
    let me = &scene.me;
    let subjects = [
        format!("up.info.{me}"),
        format!("up.state.{me}.shop.web"),
        format!("up.heartbeat.{me}"),
    ];
    for reply in replies {
        for subject in &subjects {
            let sent = attacker.client.publish_with_reply(
                subject.clone(),
                reply.clone(),
                Bytes::from_static(b"evil"),
            );
            sent.await.expect("sent");
        }
    }
}

async fn direct_gets(scene: &Scene, attacker: &Attacker, replies: &[String]) {
    for reply in replies {
        for key in ["_manifest", "shop.web"] {
            let subject = format!("get.desired.{}.{key}", scene.me);
            let sent = attacker
                .client
                .publish_with_reply(subject, reply.clone(), Bytes::new());
            sent.await.expect("sent");
        }
    }
}

fn of_another_device(victim: &str) -> Vec<String> {
    vec![
        format!("$KV.device-state.{victim}.shop.web"),
        format!("$KV.device-info.{victim}"),
        format!("$KV.device-heartbeat.{victim}"),
        format!("up.state.{victim}.shop.web"),
        format!("up.info.{victim}"),
        format!("up.heartbeat.{victim}"),
    ]
}

fn of_the_desired_state(scene: &Scene) -> Vec<String> {
    [&scene.victim, &scene.me]
        .iter()
        .flat_map(|device| {
            ["_manifest", "shop.web"].map(|key| format!("$KV.desired-state.{device}.{key}"))
        })
        .collect()
}

async fn attack_reply_of_a_put_into_another_device(scene: &Scene) {
    let attacker = scene.attacker().await;
    puts(scene, &attacker, &of_another_device(&scene.victim)).await;
    scene.assert_untouched(&attacker).await;
}

async fn attack_reply_of_a_direct_get_into_another_device(scene: &Scene) {
    let attacker = scene.attacker().await;
    direct_gets(scene, &attacker, &of_another_device(&scene.victim)).await;
    scene.assert_untouched(&attacker).await;
}

async fn attack_reply_of_a_put_into_the_desired_state(scene: &Scene) {
    let attacker = scene.attacker().await;
    puts(scene, &attacker, &of_the_desired_state(scene)).await;
    scene.assert_untouched(&attacker).await;
}

async fn attack_reply_of_a_direct_get_into_the_desired_state(scene: &Scene) {
    let attacker = scene.attacker().await;
    direct_gets(scene, &attacker, &of_the_desired_state(scene)).await;
    scene.assert_untouched(&attacker).await;
}

/// Hears whatever arrives in the platform's account under the name of this attack.
async fn heard_by_the_platform<F: Future<Output = ()>>(
    scene: &Scene,
    attacker: &Attacker,
    attack: impl FnOnce(Vec<String>) -> F,
) {
    let subject = format!("platform.{}", scene.me);
    let client = scene.bus.client();
    let mut spy = client.subscribe(subject.clone()).await.expect("subscribed");
    client.flush().await.expect("subscribed");
    attack(vec![subject.clone()]).await;
    scene.assert_untouched(attacker).await;
    assert!(spy.next().now_or_never().flatten().is_none(), "it arrived");
    // The ear works.
    client.publish(subject, "own".into()).await.expect("sent");
    let own = spy.next().await.expect("open");
    assert_eq!(&own.payload[..], b"own");
}

async fn attack_reply_of_a_put_into_the_platform_account(scene: &Scene) {
    let attacker = scene.attacker().await;
    let attack = |replies: Vec<String>| {
        let attacker = &attacker;
        async move { puts(scene, attacker, &replies).await }
    };
    heard_by_the_platform(scene, &attacker, attack).await;
}

async fn attack_reply_of_a_direct_get_into_the_platform_account(scene: &Scene) {
    let attacker = scene.attacker().await;
    let attack = |replies: Vec<String>| {
        let attacker = &attacker;
        async move { direct_gets(scene, attacker, &replies).await }
    };
    heard_by_the_platform(scene, &attacker, attack).await;
}

async fn attack_roll_up_that_purges_the_bucket(scene: &Scene) {
    let attacker = scene.attacker().await;
    for kind in ["all", "sub"] {
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Rollup", kind);
        for subject in ["up.info.ME", "up.state.ME.shop.web", "up.heartbeat.ME"] {
            let subject = subject.replace("ME", &scene.me);
            let client = &attacker.client;
            let asked = client.request_with_headers(subject, headers.clone(), "mine".into());
            let answer = asked.await.expect("answered");
            let answer = String::from_utf8_lossy(&answer.payload).into_owned();
            assert!(answer.contains("rollup not permitted"), "{answer}");
        }
    }
    scene.assert_untouched(&attacker).await;
}

async fn attack_write_to_another_devices_keys(scene: &Scene) {
    let attacker = scene.attacker().await;
    let mut subjects = of_another_device(&scene.victim);
    subjects.extend(of_the_desired_state(scene));
    subjects.push(format!("fleet.desired.{}", scene.victim));
    for subject in subjects {
        let sent = attacker.client.publish(subject, "evil".into()).await;
        sent.expect("sent");
    }
    scene.assert_untouched(&attacker).await;
    attacker.assert_complaint("permissions violation").await;
}

/// A device may write under its own id only, whatever the deployment is called.
async fn attack_deployment_names_with_wildcards_dots_spaces_and_unicode(scene: &Scene) {
    let attacker = scene.attacker().await;
    let (me, victim) = (&scene.me, &scene.victim);
    for name in [
        format!("{me}.shop.web.more"),
        format!("{me}.*.web"),
        format!("{me}.shop.>"),
        format!("*.shop.web"),
        ">".to_owned(),
        format!("{me}.shop.w\u{fc}b"),
        format!("{me}.shop.\u{202e}bew"),
        format!("{me}..web"),
        format!("{me}.{victim}.shop.web"),
        format!("{me}.shop.web {victim}.shop.web"),
    ] {
        // Some the client refuses to send, some the server takes for what it is: the device's own.
        let _ = attacker.ask(&format!("up.state.{name}"), "evil").await;
    }
    scene.assert_untouched(&attacker).await;
    let context = scene.bus.context();
    let mut stream: jetstream::stream::Stream = context
        .get_stream(Bucket::DeviceState.stream())
        .await
        .expect("a stream");
    let info = stream.info().await.expect("answers").clone();
    assert!(info.state.messages > 0);
    let evil = format!("$KV.device-state.*.*.*");
    let mut subjects = stream.info_with_subjects(evil).await.expect("answers");
    while let Some(subject) = subjects.next().await {
        let (subject, _) = subject.expect("answers");
        let key = subject.trim_start_matches("$KV.device-state.");
        let stored = scene.bus.get(Bucket::DeviceState, key).await;
        let evil = stored
            .ok()
            .flatten()
            .is_some_and(|s| &s.value[..] == b"evil");
        assert!(!evil || key.starts_with(&format!("{me}.")), "{key}");
    }
}

async fn attack_flood_of_payload(scene: &Scene) {
    let attacker = scene.attacker().await;
    let large = Bytes::from(vec![b'x'; 300 * 1024]);
    let subject = format!("up.info.{}", scene.me);
    // Larger than any device may send: the server ends the connection.
    let _ = attacker.client.publish(subject.clone(), large).await;
    attacker.assert_complaint("disconnected").await;
    // As large as it may be, again and again: it is the device's one key that is overwritten, or it
    // is refused.
    let flood = scene.connect(&scene.me).await;
    for _ in 0..200 {
        let body = Bytes::from(vec![b'x'; 60 * 1024]);
        flood
            .client
            .publish(subject.clone(), body)
            .await
            .expect("sent");
    }
    scene.assert_untouched(&flood).await;
    let victim = scene.connect(&scene.victim).await;
    let own = format!("get.desired.{}._manifest", scene.victim);
    let answer = victim.ask(&own, "").await.expect("the victim is served");
    assert_eq!(&answer[..], crate::scene::ORIGINAL);
}

/// With the operator's public key, which is no secret, and with what only the operator may do.
async fn attack_device_that_poses_as_the_operator(scene: &Scene) {
    let nats = scene.shared.bed.nats().expect("a bus");
    let seed = std::fs::read_to_string(nats.operator_seed()).expect("a seed");
    let operator = nkeys::KeyPair::from_seed(seed.trim()).expect("a key");
    let token = scene.token(&scene.me);
    let own = nkeys::KeyPair::new_user();
    for connect in [
        serde_json::json!({"nkey": operator.public_key(), "sig": ""}),
        serde_json::json!({"nkey": operator.public_key(), "sig": "AAAA"}),
        serde_json::json!({"nkey": own.public_key(), "sig": "AAAA"}),
        serde_json::json!({"user": "operator", "pass": token}),
    ] {
        let mut connect = connect;
        connect["verbose"] = serde_json::json!(false);
        let address = nats.address();
        assert!(
            !crate::scene::log_in(address, &connect.to_string()).await,
            "{connect}"
        );
    }
    let attacker = scene.attacker().await;
    for subject in of_the_desired_state(scene) {
        let answer = attacker.ask(&subject, "a manifest of mine").await;
        assert_eq!(answer, None, "{subject}");
    }
    attacker.assert_complaint("permissions violation").await;
    scene.assert_untouched(&attacker).await;
}
