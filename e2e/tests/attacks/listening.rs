//! Hearing what is for others, and taking more of the bus than a device needs.

use async_nats::Subscriber;
use fleet_contracts::kv::Bucket;
use fleet_contracts::permission::MAX_SUBSCRIPTIONS;
use fleet_testbed::wait;
use futures::{FutureExt as _, StreamExt as _};

use crate::bed::SOON;
use crate::scene::{Device, Scene};

on_both!(
    crate::scene::Scene;
    attack_subscription_to_anothers_inbox,
    attack_subscription_to_anothers_doorbell,
    attack_subscription_to_everything,
    attack_two_hundred_subscriptions,
);

/// The victim hears its doorbell and its inbox; the attacker, who listens there too, does not.
async fn heard_by_the_victim_alone(scene: &Scene, subjects: &[&str]) {
    let attacker = &scene.attacker;
    let mut spies = Vec::new();
    for subject in subjects {
        spies.push(subscribed(attacker, subject).await);
    }
    attacker
        .assert_violations("subscription", subjects.iter().copied())
        .await;
    let mut doorbell = subscribed(&scene.owner, &format!("down.desired.{}", scene.victim)).await;
    let inbox = scene.owner.client.new_inbox();
    let mut answers = subscribed(&scene.owner, &inbox).await;
    let get = format!("get.desired.{}._manifest", scene.victim);
    // Again, because the servers of a cluster hear of a subscription one after the other.
    let heard = || {
        let heard = [
            doorbell.next().now_or_never(),
            answers.next().now_or_never(),
        ];
        heard.map(|message| message.flatten().is_some())
    };
    ring_until(scene, (&get, &inbox), heard).await;
    attacker.client.flush().await.expect("connected");
    for spy in &mut spies {
        let message = spy.next().now_or_never().flatten();
        assert!(message.is_none(), "{message:?}");
    }
}

async fn ring_until(scene: &Scene, (get, inbox): (&str, &str), heard: impl FnMut() -> [bool; 2]) {
    let key = format!("{}._manifest", scene.victim);
    let heard = std::sync::Mutex::new((heard, [false; 2]));
    let both = || async {
        let stored = scene
            .bus
            .put(Bucket::DesiredState, &key, "new".into())
            .await;
        stored.expect("stored");
        let (get, inbox) = (get.to_owned(), inbox.to_owned());
        let asked = scene.owner.client.publish_with_reply(get, inbox, "".into());
        asked.await.expect("sent");
        scene.owner.client.flush().await.expect("connected");
        let mut heard = heard.lock().expect("unpoisoned");
        let [rung, answered] = (heard.0)();
        heard.1 = [heard.1[0] || rung, heard.1[1] || answered];
        heard.1 == [true; 2]
    };
    assert!(wait::until(SOON, both).await, "the victim hears both");
}

async fn subscribed(device: &Device, subject: &str) -> Subscriber {
    let subscriber = device.client.subscribe(subject.to_owned()).await;
    device.client.flush().await.expect("connected");
    subscriber.expect("sent")
}

async fn attack_subscription_to_anothers_inbox(scene: &Scene) {
    let inbox = format!("_INBOX_{}.>", scene.victim);
    heard_by_the_victim_alone(scene, &[&inbox, "_INBOX.>", "*.>"]).await;
}

async fn attack_subscription_to_anothers_doorbell(scene: &Scene) {
    let doorbell = format!("down.desired.{}", scene.victim);
    let doorbells = [&doorbell, "down.desired.*", "down.>", "fleet.desired.>"];
    heard_by_the_victim_alone(scene, &doorbells).await;
}

async fn attack_subscription_to_everything(scene: &Scene) {
    heard_by_the_victim_alone(scene, &[">", "*.*.*", "$JS.>", "$KV.>", "$SYS.>"]).await;
}

async fn attack_two_hundred_subscriptions(scene: &Scene) {
    let inboxes = |from: usize, to: usize| {
        let client = &scene.attacker.client;
        futures::future::join_all((from..to).map(move |number| async move {
            let inbox = format!("_INBOX_{}.{number}", scene.me);
            client.subscribe(inbox).await.expect("sent")
        }))
    };
    let most = usize::try_from(MAX_SUBSCRIPTIONS).expect("a number");
    // One is that of its requests.
    let _allowed = inboxes(1, most).await;
    scene.assert_untouched().await;
    let _more = inboxes(most, 200).await;
    let refused = "maximum subscriptions exceeded";
    scene.attacker.assert_complaint(refused).await;
    scene.assert_untouched().await;
}
