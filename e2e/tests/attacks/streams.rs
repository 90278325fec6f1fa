//! The API of the streams: reading what is not one's own, and consumers.

use async_nats::jetstream::consumer;
use fleet_contracts::kv::Bucket;
use serde_json::{Value, json};

use crate::scene::Scene;

on_both!(
    crate::scene::Scene;
    attack_consumer_with_a_foreign_filter,
    attack_consumer_without_a_filter,
    attack_consumer_with_several_filters,
    attack_stream_info,
    attack_message_get,
    attack_direct_get_of_any_message,
    attack_read_of_another_devices_desired_state,
    attack_consumer_list,
    attack_consumer_delete,
);

/// Every way to say "create a consumer", with this configuration.
async fn creates(scene: &Scene, config: Value) {
    let attacker = scene.attacker().await;
    let filter = format!("$KV.desired-state.{}._manifest", scene.victim);
    for stream in ["KV_desired-state", "KV_device-state"] {
        let body = json!({"stream_name": stream, "config": config}).to_string();
        for subject in [
            format!("$JS.API.CONSUMER.CREATE.{stream}"),
            format!("$JS.API.CONSUMER.CREATE.{stream}.mine"),
            format!("$JS.API.CONSUMER.CREATE.{stream}.mine.{filter}"),
            format!("$JS.API.CONSUMER.DURABLE.CREATE.{stream}.mine"),
        ] {
            assert_eq!(attacker.ask(&subject, &body).await, None, "{subject}");
        }
        let name = format!("mine-{}", scene.me);
        let context = scene.bus.context();
        let there = context.get_stream(stream).await.expect("a stream");
        let found = there.consumer_info(&name).await;
        assert!(found.is_err(), "there is a consumer");
    }
    attacker.assert_complaint("permissions violation").await;
}

fn consumer_named(scene: &Scene) -> Value {
    let inbox = format!("_INBOX_{}.mine", scene.me);
    json!({"name": format!("mine-{}", scene.me), "deliver_subject": inbox, "ack_policy": "none"})
}

async fn attack_consumer_with_a_foreign_filter(scene: &Scene) {
    let mut config = consumer_named(scene);
    config["filter_subject"] = json!(format!("$KV.desired-state.{}.>", scene.victim));
    creates(scene, config).await;
}

async fn attack_consumer_without_a_filter(scene: &Scene) {
    let mut config = consumer_named(scene);
    config["filter_subject"] = json!("");
    creates(scene, config).await;
}

async fn attack_consumer_with_several_filters(scene: &Scene) {
    let mut config = consumer_named(scene);
    config["filter_subjects"] = json!([
        format!("$KV.desired-state.{}.>", scene.me),
        format!("$KV.desired-state.{}.>", scene.victim),
    ]);
    creates(scene, config).await;
}

/// None of these is answered, and the server says why.
async fn unanswered(scene: &Scene, requests: &[(String, String)]) {
    let attacker = scene.attacker().await;
    for (subject, body) in requests {
        assert_eq!(attacker.ask(subject, body).await, None, "{subject}");
    }
    attacker.assert_complaint("permissions violation").await;
    scene.assert_untouched(&attacker).await;
}

fn of_all_streams(verb: &str, body: &str) -> Vec<(String, String)> {
    let subject = |bucket: Bucket| format!("$JS.API.{verb}.{}", bucket.stream());
    let requests = Bucket::ALL.map(|bucket| (subject(bucket), body.to_owned()));
    requests.to_vec()
}

async fn attack_stream_info(scene: &Scene) {
    let mut requests = of_all_streams("STREAM.INFO", r#"{"subjects_filter": ">"}"#);
    requests.push(("$JS.API.STREAM.NAMES".to_owned(), String::new()));
    requests.push(("$JS.API.INFO".to_owned(), String::new()));
    unanswered(scene, &requests).await;
}

async fn attack_message_get(scene: &Scene) {
    let last = json!({"last_by_subj": format!("$KV.desired-state.{}.shop.web", scene.victim)});
    let mut requests = of_all_streams("STREAM.MSG.GET", &last.to_string());
    requests.extend(of_all_streams("STREAM.MSG.GET", r#"{"seq": 1}"#));
    unanswered(scene, &requests).await;
}

async fn attack_direct_get_of_any_message(scene: &Scene) {
    let mut requests = of_all_streams("DIRECT.GET", r#"{"seq": 1}"#);
    let many = json!({"multi_last": ["$KV.desired-state.>"], "batch": 100}).to_string();
    requests.extend(of_all_streams("DIRECT.GET", &many));
    unanswered(scene, &requests).await;
}

async fn attack_read_of_another_devices_desired_state(scene: &Scene) {
    let victim = &scene.victim;
    let requests = [
        format!("get.desired.{victim}._manifest"),
        format!("get.desired.{victim}.shop.web"),
        "get.desired.*._manifest".to_owned(),
        format!("$JS.API.DIRECT.GET.KV_desired-state.$KV.desired-state.{victim}.shop.web"),
    ]
    .map(|subject| (subject, String::new()));
    unanswered(scene, &requests).await;
    let attacker = scene.attacker().await;
    let own = format!("get.desired.{}._manifest", scene.me);
    assert!(attacker.ask(&own, "").await.is_some(), "its own is given");
}

async fn attack_consumer_list(scene: &Scene) {
    let mut requests = of_all_streams("CONSUMER.LIST", "{}");
    requests.extend(of_all_streams("CONSUMER.NAMES", "{}"));
    unanswered(scene, &requests).await;
}

async fn attack_consumer_delete(scene: &Scene) {
    let name = format!("of-{}", scene.victim);
    let context = scene.bus.context();
    let stream = context.get_stream("KV_device-state").await;
    let stream = stream.expect("a stream");
    let config = consumer::pull::Config {
        name: Some(name.clone()),
        ..consumer::pull::Config::default()
    };
    stream.create_consumer(config).await.expect("created");
    let subject = format!("$JS.API.CONSUMER.DELETE.KV_device-state.{name}");
    unanswered(scene, &[(subject, String::new())]).await;
    stream.consumer_info(&name).await.expect("still there");
    stream.delete_consumer(&name).await.expect("deleted");
}
