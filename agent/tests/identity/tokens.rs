//! Tokens: minted ahead of need, presented on every connection, never shown.

use std::io::Write as _;
use std::time::Duration;

use fleet_testbed::{Endpoint, Fault};
use serde_json::json;

use crate::chain::{CONNECTED, Chain};

/// In a row; each with a device, a bus and a provider of its own.
const ROUNDS: u32 = 5;

#[tokio::test]
async fn agent_recovers_from_nats_restart() {
    for round in 1..=ROUNDS {
        let mut chain = Chain::connected(&format!("identity-restart-{round}")).await;
        for times in 2..=3 {
            chain.restart_nats().await;
            chain.until_logged(CONNECTED, times).await;
        }
        // One token was good for all of it.
        assert_eq!(chain.idp().requests(Endpoint::Token), 1);
        recovers_with_a_token_minted_meanwhile(&mut chain).await;
        assert_eq!(chain.agent.logged("no new token"), 0);
        // Not captured, so that whoever reads the log sees that it was done so often.
        let said = writeln!(
            std::io::stderr(),
            "agent_recovers_from_nats_restart: {round} of {ROUNDS} in a row"
        );
        said.expect("said");
    }
}

/// The token of the last connection is over when the bus is back.
async fn recovers_with_a_token_minted_meanwhile(chain: &mut Chain) {
    chain.agent.kill();
    chain.idp().set_token_lifetime(Duration::from_secs(4));
    chain.agent.start();
    chain.until_logged(CONNECTED, 4).await;
    let nats = chain.bed.nats().expect("nats");
    nats.kill().await.expect("killed");
    let minted = chain.idp().requests(Endpoint::Token);
    // Each is asked for in the life of the one before, so the first of these two outlives the last.
    let again = || async { chain.idp().requests(Endpoint::Token) >= minted + 2 };
    chain.until("tokens meanwhile", again).await;
    let connected = chain.agent.logged(CONNECTED);
    nats.start().await.expect("started");
    chain.until_logged(CONNECTED, connected + 1).await;
}

#[tokio::test]
async fn neither_token_nor_key_is_ever_logged() {
    let chain = Chain::connected("identity-secrets").await;
    chain.restart_nats().await;
    chain.until_logged(CONNECTED, 2).await;
    let log = chain.agent.log();
    // How every JWT begins, and every line of a key in PEM.
    assert!(!log.contains("eyJ"), "{log}");
    let secret = chain.machine.private_pem.lines().nth(1).expect("a line");
    assert!(!log.contains(secret) && !log.contains("PRIVATE"), "{log}");
}

#[tokio::test]
async fn short_tokens_are_replaced_ahead_of_their_end_and_the_device_stays() {
    let mut chain = Chain::new("identity-short").await;
    chain.idp().set_token_lifetime(Duration::from_secs(12));
    chain.agent.start();
    chain.until_introduced().await;
    // The bus ends each session with its token; the next token is there before that.
    chain.until_logged(CONNECTED, 3).await;
    assert!(chain.idp().requests(Endpoint::Token) >= 3);
    assert_eq!(
        chain.agent.logged("no token to present"),
        0,
        "{}",
        chain.agent.log()
    );
}

#[tokio::test]
async fn while_the_provider_is_away_the_token_in_hand_serves_and_then_a_new_one() {
    let mut chain = Chain::new("identity-away").await;
    chain.idp().set_token_lifetime(Duration::from_secs(25));
    chain.agent.start();
    chain.until_introduced().await;
    chain.idp().stop().await;
    chain.restart_nats().await;
    chain.until_logged(CONNECTED, 2).await;
    // Longer than the token: the device is out, keeps asking, and says why.
    chain
        .until_logged("no token to present (Unreachable)", 1)
        .await;
    chain.idp().start().expect("started");
    let before = chain.agent.logged(CONNECTED);
    chain.until_logged(CONNECTED, before + 1).await;
}

#[tokio::test]
async fn a_provider_in_trouble_is_asked_again_and_a_refusal_is_named() {
    let mut chain = Chain::new("identity-refused").await;
    chain.idp().inject(Fault::Status(503));
    chain.agent.start();
    chain.until_logged("reason=Unavailable", 1).await;
    chain.idp().heal();
    chain.until_introduced().await;

    chain.agent.kill();
    let user = json!({"userId": chain.machine.user});
    chain
        .idp()
        .call("DeactivateUser", user.clone())
        .expect("deactivated");
    chain.agent.start();
    chain.until_logged("reason=Refused", 1).await;
    let connected = chain.agent.logged(CONNECTED);
    chain
        .idp()
        .call("ReactivateUser", user)
        .expect("reactivated");
    chain.until_logged(CONNECTED, connected + 1).await;
}

#[tokio::test]
async fn the_time_is_the_providers_whatever_the_device_thinks() {
    let mut chain = Chain::new("identity-clock").await;
    for (times, hours) in [(1, -30 * 24), (2, 30 * 24)] {
        let offset = jiff::SignedDuration::from_hours(hours);
        chain.idp().set_clock_offset(offset);
        chain.agent.start();
        chain.until_logged("new token", times).await;
        chain.agent.kill();
    }
    assert_eq!(
        chain.agent.logged("no new token"),
        0,
        "{}",
        chain.agent.log()
    );
    assert_eq!(chain.agent.logged("using the provider's"), 2);
}

#[tokio::test]
async fn providers_without_the_grant_take_client_credentials() {
    let mut chain = Chain::new("identity-client").await;
    let (client, key, project) = (
        &chain.machine.user,
        &chain.machine.key_id,
        chain.idp().project(),
    );
    chain.configure(&format!(
        "client_id = \"{client}\"\nkey_id = \"{key}\"\nscopes = [\"openid\", \
         \"urn:zitadel:iam:org:project:id:{project}:aud\", \"urn:zitadel:iam:org:projects:roles\", \
         \"urn:zitadel:iam:user:metadata\"]"
    ));
    // Shorter than the rest of the test, so that it comes to a second assertion, which must differ.
    chain.idp().set_token_lifetime(Duration::from_secs(12));
    chain.agent.start();
    chain.until_introduced().await;
    chain.until_logged(CONNECTED, 2).await;
    assert_eq!(
        chain.agent.logged("no new token"),
        0,
        "{}",
        chain.agent.log()
    );
}

#[tokio::test]
async fn without_a_callout_the_device_waits_claims_no_connection_and_comes_back_by_itself() {
    let chain = Chain::connected("identity-callout").await;
    chain.callout.stop().await.expect("stopped");
    chain.restart_nats().await;
    chain.until_logged("reason=\"LoginUnanswered\"", 1).await;
    // Servers say something before they have decided; that must not make the back-off begin anew.
    chain.until_logged("attempt=4 ", 1).await;
    assert_eq!(chain.agent.logged(CONNECTED), 1, "{}", chain.agent.log());
    chain.callout.start_again().expect("started");
    chain.until_logged(CONNECTED, 2).await;
    chain.until_logged("lets this device in again", 1).await;
}

#[tokio::test]
async fn a_device_that_is_shut_out_says_so_and_is_back_once_it_may() {
    let chain = Chain::connected("identity-denied").await;
    let policies = |text: &str| chain.agent.write_private("policies.json", text);
    policies(r#"{"default": {}, "devices": {"dev-1": {"denied": true}}}"#);
    chain.callout.stop().await.expect("stopped");
    chain.callout.start_again().expect("started");
    chain.restart_nats().await;
    chain.until_logged("reason=\"LoginRefused\"", 1).await;
    assert_eq!(chain.agent.logged(CONNECTED), 1, "{}", chain.agent.log());
    policies(r#"{"default": {}}"#);
    chain.until_logged(CONNECTED, 2).await;
}

#[tokio::test]
async fn check_config_looks_at_key_and_certificates() {
    let chain = Chain::new("identity-check").await;
    let (valid, said) = chain.agent.run(&["--check-config"]).await;
    assert!(valid, "{said}");
    chain.agent.write_private("device-key.pem", "not a key");
    let (valid, said) = chain.agent.run(&["--check-config"]).await;
    assert!(!valid && said.contains("PKCS#8"), "{said}");
}
