//! A token is good once, for what it is bound to, in its time; and a key speaks for itself only.

use std::collections::BTreeMap;

use fleet_contracts::enrolment::{COLLECTION, EnrolmentRefusal as R, EnrolmentToken, path};
use fleet_testbed::wait;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::ListParams;

use crate::device::{Answer, Device, is_pending, one_of_eight_gets_in};
use crate::scene::{NAMESPACE, SOON, Scene};

fn refusal(answer: Answer) -> Option<R> {
    answer.err()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_good_for_one_device_and_for_what_it_is_bound_to() {
    let scene = Scene::start("enrol-tokens").await;
    let (door, a, b) = (scene.door(), Device::new(), Device::new());
    let token = scene.token(&["--ttl", "1h"]);
    let first = a.post(&door, &a.request(&token, Some("robot-7"))).await;
    assert!(is_pending(&first), "{first:?}");
    // Repeated, also with another wish: it answers what stands.
    assert_eq!(
        a.post(&door, &a.request(&token, Some("robot-9"))).await,
        first
    );
    assert!(is_pending(&a.get(&door).await));
    assert_eq!(refusal(b.ask(&door, &token).await), Some(R::TokenUsed));
    let never = EnrolmentToken::from_random(&[9; 32]);
    assert_eq!(refusal(b.ask(&door, &never).await), Some(R::TokenUnknown));
    assert_eq!(
        refusal(a.ask(&door, &scene.token(&[])).await),
        Some(R::AlreadyEnrolled)
    );
    assert_eq!(refusal(b.get(&door).await), Some(R::NotFound));

    let bound = scene.token(&["--device-id", "robot-8", "--label", "site=lyon"]);
    let other = b.request(&bound, Some("robot-9"));
    assert_eq!(refusal(b.post(&door, &other).await), Some(R::WrongDevice));
    let mut labelled = b.request(&bound, None);
    labelled.labels = BTreeMap::from([("site".to_owned(), "paris".to_owned())]);
    assert_eq!(
        refusal(b.post(&door, &labelled).await),
        Some(R::LabelNotAllowed)
    );
    let rival = b.request(&scene.token(&[]), Some("robot-7"));
    assert_eq!(refusal(b.post(&door, &rival).await), Some(R::DeviceIdTaken));
    // None of the refusals used the token up.
    assert!(is_pending(&b.ask(&door, &bound).await));
    let kept = scene
        .enrolments()
        .get(b.id.as_str())
        .await
        .expect("an enrolment");
    assert_eq!(kept.spec.device_id.as_str(), "robot-8");

    let short = scene.token(&["--ttl", "1s"]);
    let over = || async {
        let late = Device::new();
        refusal(
            late.post(&door, &late.request(&short, Some("robot-8")))
                .await,
        ) == Some(R::TokenExpired)
    };
    assert!(wait::until(SOON, over).await, "a token ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_use_one_token_at_once_one_gets_in_and_tokens_are_kept_nowhere() {
    let scene = Scene::start("enrol-race").await;
    let (door, token) = (scene.door(), scene.token(&[]));
    one_of_eight_gets_in(&door, &token).await;
    let kept = scene
        .enrolments()
        .list(&ListParams::default())
        .await
        .expect("a list");
    assert_eq!(kept.items.len(), 1);

    let secrets: Api<Secret> = Api::namespaced(scene.client.clone(), NAMESPACE);
    let secrets = secrets.list(&ListParams::default()).await.expect("a list");
    let records = secrets.items.iter().flat_map(|s| s.data.iter().flatten());
    let records: Vec<_> = records
        .map(|(_, v)| String::from_utf8_lossy(&v.0))
        .collect();
    assert_eq!(records.len(), 1);
    let log = std::fs::read_to_string(scene.path("enrol.log")).expect("a log");
    let objects = serde_json::to_string(&kept.items).expect("json");
    for text in [log.as_str(), &objects, &records[0]] {
        assert!(!text.contains(token.expose()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_speaks_for_itself_only() {
    let scene = Scene::start("enrol-proof").await;
    let (door, a, b) = (scene.door(), Device::new(), Device::new());
    let request = a.request(&scene.token(&[]), None);
    let body = serde_json::to_vec(&request).expect("json");
    let send = |proof: String, body: Vec<u8>| {
        let door = door.clone();
        async move { refusal(door.send("POST", COLLECTION, &proof, body).await) }
    };
    let theirs = b.proof(&door, "POST", COLLECTION, &body);
    assert_eq!(send(theirs, body.clone()).await, Some(R::BadProof));
    assert_eq!(send(String::new(), body.clone()).await, Some(R::BadProof));
    let of_other_body = a.proof(&door, "POST", COLLECTION, b"{}");
    assert_eq!(send(of_other_body, body.clone()).await, Some(R::BadProof));
    let good = a.proof(&door, "POST", COLLECTION, &body);
    // The same claims with another signature.
    let (claims, _) = good.rsplit_once('.').expect("a signature");
    let forged = format!("{claims}.{}", "A".repeat(342));
    assert_eq!(send(forged, body.clone()).await, Some(R::BadProof));
    let blanks = vec![b' '; 70_000];
    for garbage in [&b"garbage"[..], b"{}", &blanks] {
        let proof = a.proof(&door, "POST", COLLECTION, garbage);
        assert_eq!(send(proof, garbage.to_vec()).await, Some(R::Malformed));
    }
    assert_eq!(send(good, body).await, None);
    // Another device's answer is not for this one.
    let path = path(&a.id);
    let curious = b.proof(&door, "GET", &path, &[]);
    let answer = door.send("GET", &path, &curious, vec![]).await;
    assert_eq!(refusal(answer), Some(R::BadProof));
}
