//! Hearing what is for others, and taking more of the bus than a device needs.

use async_nats::Subscriber;
use fleet_contracts::kv::Bucket;
use fleet_testbed::wait;
use futures::{FutureExt as _, StreamExt as _};

use crate::bed::SOON;
use crate::scene::{Attacker, Scene};

on_both!(
    crate::scene::Scene;
    attack_subscription_to_anothers_inbox,
    attack_subscription_to_anothers_doorbell,
    attack_subscription_to_everything,
    attack_two_hundred_subscriptions,
);

/// What the victim hears on its own doorbell and inbox, a spy on these subjects does not.
async fn heard_by_the_victim_alone(scene: &Scene, subjects: &[String]) {
    let attacker = scene.attacker().await;
    let mut spies = subscribe(&attacker, subjects).await;
    let victim = scene.connect(&scene.victim).await;
    let doorbell = format!("down.desired.{}", scene.victim);
    let mut own = subscribe(&victim, &[doorbell]).await;
    let key = format!("{}._manifest", scene.victim);
    // Again, because the servers of a cluster hear of a subscription one after the other.
    let heard = std::sync::Mutex::new(false);
    tokio::join!(
        async {
            let rung = tokio::time::timeout(SOON, own[0].next()).await;
            rung.expect("in time").expect("open");
            *heard.lock().expect("unpoisoned") = true;
        },
        async {
            let done = || async {
                let stored = scene.bus.put(Bucket::DesiredState, &key, "new".into());
                stored.await.expect("stored");
                *heard.lock().expect("unpoisoned")
            };
            wait::until(SOON, done).await;
        }
    );
    // Asked and answered through its inbox.
    let answer = victim.ask(&format!("get.desired.{key}"), "").await;
    assert_eq!(answer.as_deref(), Some(&b"new"[..]));
    attacker.client.flush().await.expect("connected");
    for spy in &mut spies {
        assert!(
            spy.next().now_or_never().flatten().is_none(),
            "it was heard"
        );
    }
    attacker.assert_complaint("permissions violation").await;
}

async fn subscribe(device: &Attacker, subjects: &[String]) -> Vec<Subscriber> {
    let mut subscribers = Vec::new();
    for subject in subjects {
        let subscriber = device.client.subscribe(subject.clone()).await;
        subscribers.push(subscriber.expect("sent"));
    }
    device.client.flush().await.expect("connected");
    subscribers
}

async fn attack_subscription_to_anothers_inbox(scene: &Scene) {
    let inboxes = [
        format!("_INBOX_{}.>", scene.victim),
        "_INBOX.>".to_owned(),
        "*.>".to_owned(),
    ];
    heard_by_the_victim_alone(scene, &inboxes).await;
}

async fn attack_subscription_to_anothers_doorbell(scene: &Scene) {
    let doorbells = [
        format!("down.desired.{}", scene.victim),
        "down.desired.*".to_owned(),
        "down.>".to_owned(),
        "fleet.desired.>".to_owned(),
    ];
    heard_by_the_victim_alone(scene, &doorbells).await;
}

async fn attack_subscription_to_everything(scene: &Scene) {
    let all = [">".to_owned(), "*.*.*".to_owned(), "$JS.>".to_owned()];
    heard_by_the_victim_alone(scene, &all).await;
}

async fn attack_two_hundred_subscriptions(scene: &Scene) {
    let attacker = scene.attacker().await;
    let inboxes: Vec<_> = (0..200)
        .map(|number| format!("_INBOX_{}.{number}", scene.me))
        .collect();
    let mut kept = Vec::new();
    for inbox in inboxes {
        let subscriber = attacker.client.subscribe(inbox).await;
        kept.push(subscriber.expect("sent"));
    }
    attacker
        .assert_complaint("maximum subscriptions exceeded")
        .await;
}
