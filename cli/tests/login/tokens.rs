//! The token: kept, refreshed, and shared by kubectls that run at the same time.

use fleet_testbed::{Endpoint, Fault};
use serde_json::{Value, json};

use crate::person::{Desk, Running, claims};

fn read(desk: &Desk) -> Value {
    let text = std::fs::read_to_string(desk.login_file()).expect("a login");
    serde_json::from_str(&text).expect("JSON")
}

/// Puts the kept token's end into the past, as after a night.
fn expire(desk: &Desk) {
    set_end(desk, 2_000);
}

fn set_end(desk: &Desk, second: i64) {
    let mut login = read(desk);
    login["issued"] = json!(1_000);
    login["expires"] = json!(second);
    std::fs::write(desk.login_file(), login.to_string()).expect("written");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_has_ended_is_refreshed_without_anybody() {
    let desk = Desk::new().await;
    let person = desk.person("ada", "fleet-editor");
    desk.log_in().await;
    let (first, _) = claims(&desk.run(&["token"]).ok());
    desk.idp().at_browser(None);
    expire(&desk);
    let (second, said) = claims(&desk.run(&["token"]).ok());
    assert_ne!(first, second);
    assert_eq!(said["sub"], person);
    let project = desk.idp().project();
    let roles = &said[format!("urn:zitadel:iam:org:project:{project}:roles")];
    assert!(roles.get("fleet-editor").is_some(), "{said}");
    // The provider takes a refresh token once: the new one must have been kept.
    expire(&desk);
    let (third, _) = claims(&desk.run(&["token"]).ok());
    assert_ne!(second, third);
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectls_at_the_same_time_refresh_once() {
    let desk = Desk::new().await;
    desk.person("ada", "fleet-editor");
    desk.log_in().await;
    expire(&desk);
    let before = desk.idp().requests(Endpoint::Token);
    let running: Vec<Running> = (0..8).map(|_| desk.start(&["token"])).collect();
    let tokens: Vec<String> = running
        .into_iter()
        .map(|running| claims(&running.end().ok()).0)
        .collect();
    assert!(tokens.windows(2).all(|pair| pair[0] == pair[1]));
    assert_eq!(desk.idp().requests(Endpoint::Token), before + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_who_was_deactivated_gets_no_token_and_is_back_when_activated() {
    let desk = Desk::new().await;
    let person = desk.person("ada", "fleet-editor");
    desk.log_in().await;
    expire(&desk);
    let set = |method| desk.idp().call(method, json!({"userId": person}));
    set("DeactivateUser").expect("deactivated");
    let error = desk.run(&["token"]).failed();
    assert!(error.contains("refused to refresh the token"), "{error}");
    assert!(error.contains("Errors.User.NotActive"), "{error}");
    set("ReactivateUser").expect("activated");
    desk.run(&["token"]).ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_that_is_used_up_asks_for_a_login() {
    let desk = Desk::new().await;
    desk.person("ada", "fleet-editor");
    desk.log_in().await;
    expire(&desk);
    let old = read(&desk);
    desk.run(&["token"]).ok();
    // A copy of the login elsewhere, such as a backup that was played back.
    std::fs::write(desk.login_file(), old.to_string()).expect("written");
    let error = desk.run(&["token"]).failed();
    assert!(
        error.contains("has ended; run `fleet login --issuer"),
        "{error}"
    );
    assert!(error.contains("invalid_grant"), "{error}");
    // It is not asked again.
    let error = desk.run(&["token"]).failed();
    assert!(error.contains("nobody is logged in"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_provider_is_away_the_token_is_good_until_its_end() {
    let desk = Desk::new().await;
    desk.person("ada", "fleet-editor");
    desk.log_in().await;
    let (token, _) = claims(&desk.run(&["token"]).ok());
    // So near to its end that it would be renewed, and yet good for this test.
    set_end(&desk, jiff::Timestamp::now().as_second() + 55);
    desk.idp().inject(Fault::Status(503));
    let (same, _) = claims(&desk.run(&["token"]).ok());
    assert_eq!(token, same);
    expire(&desk);
    let error = desk.run(&["token"]).failed();
    assert!(error.contains("discover the provider"), "{error}");
    desk.idp().heal();
    let (other, _) = claims(&desk.run(&["token"]).ok());
    assert_ne!(token, other);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_an_unknown_key_or_for_nobody_are_not_kept() {
    let desk = Desk::new().await;
    desk.person("ada", "fleet-editor");
    desk.idp().sign_with_unknown_key().expect("a key");
    let mut login = desk.start(&["login", "--no-browser"]);
    let address = login.address();
    desk.browse(&address).await;
    let error = login.end().failed();
    assert!(error.contains("is not to be believed"), "{error}");
    let error = desk.run(&["token"]).failed();
    assert!(error.contains("nobody is logged in"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_logout_takes_the_login_back_from_copies_of_it_too() {
    let desk = Desk::new().await;
    desk.person("ada", "fleet-editor");
    desk.log_in().await;
    expire(&desk);
    let (file, copy) = (desk.login_file(), read(&desk).to_string());
    let said = desk.run(&["logout"]);
    assert_eq!(
        said.err,
        format!("Logged out of {}.\n", desk.idp().issuer())
    );
    std::fs::write(&file, &copy).expect("written");
    let error = desk.run(&["token"]).failed();
    assert!(error.contains("has ended"), "{error}");
    assert!(error.contains("invalid_grant"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_logout_while_the_provider_is_away_forgets_here_and_says_so() {
    let desk = Desk::new().await;
    desk.person("ada", "fleet-editor");
    desk.log_in().await;
    desk.idp().inject(Fault::Status(503));
    let said = desk.run(&["logout"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.err.contains("Logged out of"), "{}", said.err);
    assert!(said.err.contains("A copy of this login"), "{}", said.err);
    let error = desk.run(&["token"]).failed();
    assert!(error.contains("nobody is logged in"), "{error}");
}
