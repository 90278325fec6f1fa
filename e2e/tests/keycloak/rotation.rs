//! Keycloak's signature keys are replaced while devices come and go.

use fleet_testbed::wait;
use http::Method;
use serde_json::json;

use crate::provider::{Provider, ROTATING};
use crate::scene::{ADMITTED, SOON, Scene};

#[tokio::test(flavor = "multi_thread")]
async fn a_new_signature_key_refuses_no_device() {
    let Some(provider) = Provider::shared("a new signature key of Keycloak").await else {
        return;
    };
    let scene = Scene::start(provider, ROTATING).await;
    let mut agent = scene.device(ROTATING, "dev-1");
    scene.until_verdict(&[ADMITTED], &agent).await;

    // As its console does it: a key of a higher priority signs from now on, the old one verifies.
    let key = json!({
        "name": "next", "providerId": "rsa-generated", "providerType": "org.keycloak.keys.KeyProvider",
        "config": {"priority": ["200"], "enabled": ["true"], "active": ["true"]},
    });
    let path = format!("/{ROTATING}/components");
    let keycloak = scene.provider.keycloak();
    let added = keycloak.administer(Method::POST, &path, &key).await;
    added.expect("a new key");

    // A power cut: the agent comes back with a token of the new key.
    agent.kill();
    agent.boot();
    let again = || async { scene.verdicts(&[ADMITTED]).len() >= 2 };
    assert!(wait::until(SOON, again).await, "{}", agent.log());
    let lines = scene.verdicts(&[ADMITTED]);
    let keys = lines.iter().filter_map(|line| line.split("key_id=").nth(1));
    let keys = keys.filter_map(|rest| rest.split(' ').next());
    let keys: std::collections::BTreeSet<_> = keys.collect();
    assert_eq!(keys.len(), 2, "both keys were used: {lines:?}");
    assert_eq!(scene.verdicts(&["refused"]), Vec::<String>::new());
}
