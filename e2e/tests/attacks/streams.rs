//! The API of the streams: reading what is not one's own, and consumers.

use async_nats::jetstream::consumer;
use bytes::Bytes;
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

/// What the platform is answered, who may ask this; so the request is a good one.
async fn answered(scene: &Scene, subject: &str, body: &str) -> Bytes {
    let body = Bytes::from(body.to_owned());
    let asked = scene.bus.client().request(subject.to_owned(), body).await;
    let answer = asked.expect("answered");
    let text = String::from_utf8_lossy(&answer.payload);
    assert!(!text.contains("\"error\""), "{subject}: {text}");
    // A message that is not there is said in the status.
    assert!(answer.status.is_none(), "{subject}: {:?}", answer.status);
    answer.payload
}

/// The platform may ask all of these; the attacker none.
async fn for_the_platform_only(scene: &Scene, requests: &[(String, String)]) {
    for (subject, body) in requests {
        answered(scene, subject, body).await;
    }
    scene.assert_forbidden(requests).await;
}

/// Every way to say "create a consumer", with this configuration.
async fn creates(scene: &Scene, bucket: Bucket, config: &Value, filter: &str) {
    let (stream, name) = (bucket.stream(), config["name"].as_str().expect("a name"));
    let mut durable = config.clone();
    durable["durable_name"] = json!(name);
    let request = |verb: &str, config: &Value| {
        let body = json!({"stream_name": stream, "config": config});
        (format!("$JS.API.CONSUMER.{verb}"), body.to_string())
    };
    let mut requests = vec![
        request(&format!("CREATE.{stream}.{name}"), config),
        request(&format!("DURABLE.CREATE.{stream}.{name}"), &durable),
    ];
    if !filter.is_empty() {
        requests.push(request(&format!("CREATE.{stream}.{name}.{filter}"), config));
    }
    let there = scene.bus.context().get_stream(&stream).await;
    let there = there.expect("a stream");
    for (subject, body) in &requests {
        answered(scene, subject, body).await;
        there.delete_consumer(name).await.expect("deleted");
    }
    // Without a name there is nothing to delete, so only the attacker tries it.
    requests.push(request(&format!("CREATE.{stream}"), config));
    scene.assert_forbidden(&requests).await;
    assert!(there.consumer_info(name).await.is_err(), "it was created");
}

fn consumer_named(scene: &Scene) -> Value {
    json!({
        "name": format!("mine-{}", scene.me),
        "ack_policy": "none",
        "deliver_policy": "all",
        "inactive_threshold": 60_000_000_000_u64,
    })
}

/// Of the streams that hold something about the victim: those of the platform and of devices.
const STREAMS: [Bucket; 2] = [Bucket::DesiredState, Bucket::DeviceState];

async fn attack_consumer_with_a_foreign_filter(scene: &Scene) {
    for bucket in STREAMS {
        let filter = bucket.subject(&format!("{}.>", scene.victim));
        let mut config = consumer_named(scene);
        config["filter_subject"] = json!(filter);
        creates(scene, bucket, &config, &filter).await;
    }
}

async fn attack_consumer_without_a_filter(scene: &Scene) {
    for bucket in STREAMS {
        creates(scene, bucket, &consumer_named(scene), "").await;
    }
}

async fn attack_consumer_with_several_filters(scene: &Scene) {
    for bucket in STREAMS {
        let mut config = consumer_named(scene);
        let filters = [&scene.me, &scene.victim].map(|id| bucket.subject(&format!("{id}.>")));
        config["filter_subjects"] = json!(filters);
        creates(scene, bucket, &config, "").await;
    }
}

fn of_all_streams(verb: &str, body: &str) -> Vec<(String, String)> {
    let subject = |bucket: Bucket| format!("$JS.API.{verb}.{}", bucket.stream());
    let requests = Bucket::ALL.map(|bucket| (subject(bucket), body.to_owned()));
    requests.to_vec()
}

async fn attack_stream_info(scene: &Scene) {
    let mut requests = of_all_streams("STREAM.INFO", r#"{"subjects_filter": ">"}"#);
    requests.push(("$JS.API.STREAM.NAMES".to_owned(), String::new()));
    requests.push(("$JS.API.STREAM.LIST".to_owned(), String::new()));
    requests.push(("$JS.API.INFO".to_owned(), String::new()));
    for_the_platform_only(scene, &requests).await;
}

async fn attack_message_get(scene: &Scene) {
    let key = Bucket::DesiredState.subject(&format!("{}.shop.web", scene.victim));
    let last = json!({"last_by_subj": key}).to_string();
    let stream = Bucket::DesiredState.stream();
    let subject = format!("$JS.API.STREAM.MSG.GET.{stream}");
    let mut requests = vec![(subject, last)];
    let any = json!({"next_by_subj": ">", "seq": 1}).to_string();
    requests.extend(of_all_streams("STREAM.MSG.GET", &any));
    for_the_platform_only(scene, &requests).await;
}

async fn attack_direct_get_of_any_message(scene: &Scene) {
    let any = json!({"next_by_subj": ">", "seq": 1}).to_string();
    let requests = of_all_streams("DIRECT.GET", &any);
    for_the_platform_only(scene, &requests).await;
    let key = Bucket::DesiredState.subject(&format!("{}.>", scene.victim));
    let many = json!({"multi_last": [key], "batch": 100}).to_string();
    let requests = of_all_streams("DIRECT.GET", &many);
    scene.assert_forbidden(&requests).await;
}

async fn attack_read_of_another_devices_desired_state(scene: &Scene) {
    let victim = &scene.victim;
    let stream = Bucket::DesiredState.stream();
    let key = Bucket::DesiredState.subject(&format!("{victim}.shop.web"));
    let direct = (format!("$JS.API.DIRECT.GET.{stream}.{key}"), String::new());
    for_the_platform_only(scene, &[direct]).await;
    // The victim has just read its own, and reads it again at the end.
    let requests = [
        format!("get.desired.{victim}._manifest"),
        format!("get.desired.{victim}.shop.web"),
        "get.desired.>".to_owned(),
        "get.desired.*._manifest".to_owned(),
    ]
    .map(|subject| (subject, String::new()));
    scene.assert_forbidden(&requests).await;
}

async fn attack_consumer_list(scene: &Scene) {
    let mut requests = of_all_streams("CONSUMER.LIST", "{}");
    requests.extend(of_all_streams("CONSUMER.NAMES", "{}"));
    for_the_platform_only(scene, &requests).await;
}

async fn attack_consumer_delete(scene: &Scene) {
    let name = format!("of-{}", scene.victim);
    let stream = scene.bus.context().get_stream(Bucket::DeviceState.stream());
    let stream = stream.await.expect("a stream");
    let config = consumer::pull::Config {
        name: Some(name.clone()),
        ..consumer::pull::Config::default()
    };
    stream.create_consumer(config).await.expect("created");
    let subject = format!("$JS.API.CONSUMER.DELETE.KV_device-state.{name}");
    scene
        .assert_forbidden(&[(subject.clone(), String::new())])
        .await;
    stream.consumer_info(&name).await.expect("still there");
    // The same request is a good one for who may.
    answered(scene, &subject, "").await;
}
