//! Who is let in, and what they can do then.

use std::future::ready;

use fleet_bus::{Bus, StreamSettings, stream};
use fleet_contracts::kv::Bucket;
use fleet_testbed::wait;
use futures::StreamExt as _;
use futures::future::join_all;

use crate::scene::{SOON, Scene, audit, operator, page};

#[tokio::test(flavor = "multi_thread")]
async fn a_device_with_a_token_uses_its_own_subjects_and_no_others() {
    let scene = Scene::start("callout-own").await;
    let callout = scene.callout(scene.options("callout")).await;
    let bus = Bus::over(operator(&scene).await);
    stream::ensure_all(bus.context(), &StreamSettings::default())
        .await
        .expect("streams");
    let device = scene.device("dev-1", &scene.token("dev-1")).await;

    // Its own: its doorbell, an acknowledged write, a read. What the server answers it has taken after what
    // came before.
    let mut doorbell = device
        .client
        .subscribe("down.desired.dev-1")
        .await
        .expect("subscribed");
    let stored = device.client.request("up.info.dev-1", "{}".into()).await;
    let answer = String::from_utf8(stored.expect("answered").payload.to_vec()).expect("text");
    assert!(answer.contains("\"seq\":1"), "{answer}");
    bus.put(Bucket::DesiredState, "dev-1._manifest", "m".into())
        .await
        .expect("put");
    let rings = tokio::time::timeout(SOON, doorbell.next()).await;
    assert!(rings.is_ok_and(|message| message.is_some()), "the doorbell");
    let read = device
        .client
        .request("get.desired.dev-1._manifest", "".into());
    assert_eq!(&read.await.expect("answered").payload[..], b"m");

    // Those of others, of the platform, of the system.
    let foreign = [
        "up.info.dev-2",
        "$KV.device-info.dev-2",
        "$JS.API.STREAM.NAMES",
    ];
    for subject in foreign {
        device
            .client
            .publish(subject, "x".into())
            .await
            .expect("sent");
    }
    for subject in [">", "down.desired.dev-2", "_INBOX_dev-2.>", "$SYS.>"] {
        let _ = device.client.subscribe(subject).await.expect("sent");
    }
    let refused = || async { device.errors().len() >= foreign.len() + 4 };
    assert!(wait::until(SOON, refused).await, "{:?}", device.errors());
    let all = device.errors();
    assert!(
        all.iter()
            .all(|error| error.contains("Permissions Violation")
                || error.contains("permissions violation")),
        "{all:?}"
    );
    let lines = audit(&callout, "dev-1");
    assert_eq!(lines.len(), 1, "{lines:?}");
    for part in [
        "reason=\"Admitted\"",
        "device=\"dev-1\"",
        "subject=\"user-of-dev-1\"",
        "key_id=\"key-1\"",
        "token_id=\"V2_",
        "source=\"",
    ] {
        assert!(lines[0].contains(part), "{part}: {}", lines[0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_share_the_devices_and_one_is_enough() {
    let scene = Scene::start("callout-two").await;
    let first = scene.callout(scene.options("first")).await;
    let second = scene.callout(scene.options("second")).await;
    let names: Vec<String> = (0..40).map(|number| format!("dev-{number}")).collect();
    let tokens: Vec<String> = names.iter().map(|name| scene.token(name)).collect();
    let all = || async {
        let logins = names.iter().zip(&tokens);
        join_all(logins.map(|(name, token)| scene.lets_in(name, token))).await
    };
    assert!(all().await.iter().all(|let_in| *let_in), "all are let in");
    let admitted = |log: String| log.matches("reason=\"Admitted\"").count();
    let shares = [admitted(first.log()), admitted(second.log())];
    assert_eq!(shares.iter().sum::<usize>(), 40, "{shares:?}");
    assert!(shares.iter().all(|share| *share > 0), "{shares:?}");

    first.kill().await.expect("killed");
    assert!(all().await.iter().all(|let_in| *let_in), "by one replica");
    assert_eq!(admitted(second.log()), shares[1] + 40);
    let metrics = page(&second, "/metrics").await;
    let counted = format!(
        "fleet_auth_verdicts_total{{reason=\"Admitted\"}} {}",
        shares[1] + 40
    );
    assert!(metrics.contains(&counted), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_and_answers_travel_sealed() {
    let scene = Scene::start("callout-sealed").await;
    let _callout = scene.callout(scene.options("callout")).await;
    let nats = scene.bed.nats().expect("a bus");
    let listener = nats.client_with_seed(&nats.auth_seed()).await.expect("in");
    let traffic = listener.subscribe(">").await.expect("subscribed");
    listener.flush().await.expect("flushed");
    // What replicas tell each other goes another way, and may come before the answer.
    let mut traffic =
        traffic.filter(|message| ready(!message.subject.as_str().starts_with("fleet.auth.")));
    assert!(scene.lets_in("dev-1", &scene.token("dev-1")).await);
    for what in ["the request", "the answer"] {
        let message = tokio::time::timeout(SOON, traffic.next()).await;
        let payload = message.expect("in time").expect("a message").payload;
        assert!(payload.starts_with(b"xkv1"), "{what}: {payload:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_ends_with_its_grant() {
    let scene = Scene::start("callout-end").await;
    let options = scene.options("callout").args(["--max-lifetime", "2"]);
    let callout = scene.callout(options).await;
    let device = scene.device("dev-1", &scene.token("dev-1")).await;
    // The client comes back by itself, with the token that is still good.
    let again = || async { audit(&callout, "dev-1").len() >= 2 };
    assert!(wait::until(SOON, again).await, "{}", callout.log());
    let errors = device.errors();
    let told = errors
        .iter()
        .any(|error| error.to_lowercase().contains("authentication expired"));
    assert!(told, "{errors:?}");
    let hit = "fleet_auth_token_cache_total{outcome=\"hit\"}";
    assert!(page(&callout, "/metrics").await.contains(hit));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_answered_by_the_issuer_it_believes() {
    let scene = Scene::start("callout-issuer").await;
    // The next issuer is known already, before any server is restarted with it.
    let next = scene.bed.folder().join("next.nk");
    let seed = nkeys::KeyPair::new_account().seed().expect("a seed");
    std::fs::write(&next, seed).expect("written");
    let next = next.display().to_string();
    let options = scene.options("callout").args(["--issuer-seed-file", &next]);
    let _callout = scene.callout(options).await;
    assert!(scene.lets_in("dev-1", &scene.token("dev-1")).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_costs_no_device_a_second_attempt() {
    let scene = Scene::start("callout-stop").await;
    let first = scene.callout(scene.options("first")).await;
    let _second = scene.callout(scene.options("second")).await;
    let names: Vec<String> = (0..60).map(|number| format!("dev-{number}")).collect();
    let tokens: Vec<String> = names.iter().map(|name| scene.token(name)).collect();
    let logins = names.iter().zip(&tokens);
    let logins = join_all(logins.map(|(name, token)| scene.lets_in(name, token)));
    // Stopped in the middle of it, as in a rolling restart.
    let stopping = async {
        let busy = || async { first.log().contains("reason=\"Admitted\"") };
        assert!(wait::until(SOON, busy).await, "{}", first.log());
        first.stop().await.expect("stopped");
    };
    let (outcomes, ()) = tokio::join!(logins, stopping);
    assert!(outcomes.iter().all(|let_in| *let_in), "{outcomes:?}");
    let log = first.log();
    assert!(
        log.contains("stopped") && !log.contains("stopped before"),
        "{log}"
    );
    assert!(!log.contains("without the server's help"), "{log}");
}
