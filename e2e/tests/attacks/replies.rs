//! What a device may send, with an answer that goes where it should not: NATS does not check the
//! reply subject of a publish.

use bytes::Bytes;
use fleet_contracts::kv::Bucket;
use fleet_testbed::wait;
use futures::{FutureExt as _, StreamExt as _};

use crate::bed::SOON;
use crate::scene::Scene;

on_both!(
    crate::scene::Scene;
    attack_reply_of_a_put_into_another_device,
    attack_reply_of_a_direct_get_into_another_device,
    attack_reply_of_a_put_into_the_platform_account,
    attack_reply_of_a_direct_get_into_the_platform_account,
    attack_reply_of_a_put_into_the_desired_state,
    attack_reply_of_a_direct_get_into_the_desired_state,
);

/// Puts that succeed, while their answers leave the victim alone.
async fn puts(scene: &Scene, replies: &[String]) {
    for reply in replies {
        for subject in scene.attacker.subjects() {
            let body = Bytes::from_static(b"evil");
            let client = &scene.attacker.client;
            let sent = client.publish_with_reply(subject, reply.clone(), body);
            sent.await.expect("sent");
        }
    }
    let key = format!("{}.shop.web", scene.me);
    let done = || async {
        let stored = scene.value(Bucket::DeviceState, &key).await;
        stored.as_deref() == Some(b"evil")
    };
    assert!(wait::until(SOON, done).await, "its own key is written");
    scene.assert_untouched().await;
}

/// The attacker's manifest, which it has read before, told to somebody else.
async fn direct_gets(scene: &Scene, replies: &[String]) {
    for reply in replies {
        for key in ["_manifest", "shop.web"] {
            let subject = format!("get.desired.{}.{key}", scene.me);
            let client = &scene.attacker.client;
            let sent = client.publish_with_reply(subject, reply.clone(), Bytes::new());
            sent.await.expect("sent");
        }
    }
    scene.assert_untouched().await;
}

/// The victim's keys, as the platform names them and as devices do.
fn of_another_device(scene: &Scene) -> Vec<String> {
    let victim = &scene.victim;
    let mut replies = scene.owner.subjects().to_vec();
    replies.extend([
        Bucket::DeviceInfo.subject(victim),
        Bucket::DeviceState.subject(&format!("{victim}.shop.web")),
        Bucket::DeviceHeartbeat.subject(victim),
    ]);
    replies
}

fn of_the_desired_state(scene: &Scene) -> Vec<String> {
    let devices = [&scene.victim, &scene.me];
    let keys = devices.into_iter().flat_map(|device| {
        ["_manifest", "shop.web"]
            .map(|key| Bucket::DesiredState.subject(&format!("{device}.{key}")))
    });
    keys.collect()
}

/// Hears whatever arrives in the platform's account under the name of this attack.
async fn unheard_by_the_platform<F: Future<Output = ()>>(
    scene: &Scene,
    attack: impl FnOnce(String) -> F,
) {
    let subject = format!("platform.{}", scene.me);
    let client = scene.bus.client();
    let mut spy = client.subscribe(subject.clone()).await.expect("subscribed");
    client.flush().await.expect("subscribed");
    attack(subject.clone()).await;
    let message = spy.next().now_or_never().flatten();
    assert!(message.is_none(), "{message:?}");
    // The ear works.
    client.publish(subject, "own".into()).await.expect("sent");
    let own = spy.next().await.expect("open");
    assert_eq!(&own.payload[..], b"own");
}

async fn attack_reply_of_a_put_into_another_device(scene: &Scene) {
    puts(scene, &of_another_device(scene)).await;
}

async fn attack_reply_of_a_direct_get_into_another_device(scene: &Scene) {
    direct_gets(scene, &of_another_device(scene)).await;
}

async fn attack_reply_of_a_put_into_the_desired_state(scene: &Scene) {
    puts(scene, &of_the_desired_state(scene)).await;
}

async fn attack_reply_of_a_direct_get_into_the_desired_state(scene: &Scene) {
    direct_gets(scene, &of_the_desired_state(scene)).await;
}

async fn attack_reply_of_a_put_into_the_platform_account(scene: &Scene) {
    unheard_by_the_platform(scene, |reply| async { puts(scene, &[reply]).await }).await;
}

async fn attack_reply_of_a_direct_get_into_the_platform_account(scene: &Scene) {
    unheard_by_the_platform(scene, |reply| async { direct_gets(scene, &[reply]).await }).await;
}
