//! Code flow, refresh and device flow, as `fleet login` goes through them.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fleet_testbed::Idp;
use jiff::SignedDuration;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::bed;
use super::client::{Answer, Client, device_scope, encoded};

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
/// Registered without a port; a login asks with one.
const REGISTERED: &str = "http://127.0.0.1/callback";
const REDIRECT: &str = "http://127.0.0.1:45678/callback";
const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";

fn challenge() -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER))
}

/// An authorization request with some parameters changed; an empty one is left out.
async fn authorize(client: &Client, id: &str, changes: &[(&str, &str)]) -> Answer {
    let challenge = challenge();
    let mut fields = vec![
        ("client_id", id),
        ("redirect_uri", REDIRECT),
        ("response_type", "code"),
        (
            "scope",
            "openid profile email offline_access urn:zitadel:iam:org:projects:roles",
        ),
        ("state", "a b&c"),
        ("nonce", "n-1"),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ];
    for (name, value) in changes {
        fields.retain(|(field, _)| field != name);
        fields.push((name, value));
    }
    fields.retain(|(_, value)| !value.is_empty());
    client
        .get(&format!("/oauth/v2/authorize?{}", encoded(&fields)))
        .await
}

/// The code in an answer that leads back to the client.
fn code(answer: &Answer) -> String {
    let location = answer.location();
    let query = location.strip_prefix(&format!("{REDIRECT}?code=")).unwrap();
    let (code, state) = query.split_once('&').unwrap();
    assert_eq!(state, "state=a%20b%26c");
    code.to_owned()
}

async fn redeem(client: &Client, id: &str, code: &str, changes: &[(&str, &str)]) -> Answer {
    let mut fields = vec![
        ("grant_type", "authorization_code"),
        ("client_id", id),
        ("code", code),
        ("redirect_uri", REDIRECT),
        ("code_verifier", VERIFIER),
    ];
    for (name, value) in changes {
        fields.retain(|(field, _)| field != name);
        fields.push((name, value));
    }
    client.token(&fields).await
}

/// An application, and somebody at the browser.
fn at_browser(idp: &Idp) -> (String, String) {
    let id = idp.native_application("cli", &[REGISTERED]).unwrap();
    let person = idp.person("ada", &["fleet-editor"]).unwrap();
    idp.at_browser(Some(&person));
    (id, person)
}

#[tokio::test]
async fn a_person_logs_in_by_code_and_the_token_is_for_the_whole_project() {
    let bed = bed().await;
    let idp = bed.idp().unwrap();
    let client = Client::of(idp);
    let (id, person) = at_browser(idp);
    let sibling = idp.native_application("dashboard", &[REGISTERED]).unwrap();
    let project = idp.project();
    // Without the project's audience, roles are asked for nowhere.
    let answer = redeem(
        &client,
        &id,
        &code(&authorize(&client, &id, &[]).await),
        &[],
    )
    .await;
    let said = client
        .verified(&answer.text("id_token"), &id)
        .await
        .unwrap();
    assert_eq!(said.get("urn:zitadel:iam:org:project:roles"), None);

    let scope = format!("{} profile email", device_scope(project));
    let answer = authorize(&client, &id, &[("scope", &scope)]).await;
    assert_eq!(answer.status, 302);
    let answer = redeem(&client, &id, &code(&answer), &[]).await;

    let said = client
        .verified(&answer.text("id_token"), &id)
        .await
        .unwrap();
    assert_eq!(said["aud"], json!([id, sibling, project]));
    assert_eq!(said["sub"], person);
    assert_eq!(said["azp"], id);
    assert_eq!(said["nonce"], "n-1");
    assert_eq!(said["email"], "ada@idp.test");
    assert_eq!(said["preferred_username"], "ada");
    let roles = json!({"fleet-editor": {idp.organisation(): "fleet.idp.test"}});
    // With an application there is a current project, and the claim without its id.
    assert_eq!(said["urn:zitadel:iam:org:project:roles"], roles);
    assert_eq!(
        said[format!("urn:zitadel:iam:org:project:{project}:roles")],
        roles
    );
    let access = answer.text("access_token");
    let hash = &Sha256::digest(&access)[..16];
    assert_eq!(said["at_hash"], URL_SAFE_NO_PAD.encode(hash));
    let access = client.verified(&access, project).await.unwrap();
    assert_eq!(access["client_id"], id);
    assert_eq!(access.get("email"), None);
}

#[tokio::test]
async fn a_code_is_good_once_for_its_client_address_and_verifier() {
    let bed = bed().await;
    let idp = bed.idp().unwrap();
    let client = Client::of(idp);
    let (id, _) = at_browser(idp);
    let other = idp.native_application("other", &[REGISTERED]).unwrap();
    let refused = (400, "invalid_grant".to_owned());
    let elsewhere = "http://127.0.0.1:45679/callback";
    let wrong: [&[(&str, &str)]; 3] = [
        &[("code_verifier", "guess")],
        &[("redirect_uri", elsewhere)],
        &[("client_id", &other)],
    ];
    for changes in wrong {
        let code = code(&authorize(&client, &id, &[]).await);
        assert_eq!(
            redeem(&client, &id, &code, changes).await.error(),
            refused,
            "{changes:?}"
        );
        // It was used up.
        assert_eq!(redeem(&client, &id, &code, &[]).await.error(), refused);
    }
    let late = code(&authorize(&client, &id, &[]).await);
    idp.set_clock_offset(SignedDuration::from_mins(5));
    assert_eq!(redeem(&client, &id, &late, &[]).await.error(), refused);
    let good = code(&authorize(&client, &id, &[]).await);
    assert_eq!(redeem(&client, &id, &good, &[]).await.status, 200);
    // Without a challenge nothing would bind the code to the client.
    let bare = [("code_challenge", ""), ("code_challenge_method", "")];
    let bare = code(&authorize(&client, &id, &bare).await);
    let answer = redeem(&client, &id, &bare, &[]).await;
    assert_eq!(answer.error(), (400, "invalid_request".to_owned()));
}

#[tokio::test]
async fn a_login_leads_to_registered_addresses_only() {
    let bed = bed().await;
    let idp = bed.idp().unwrap();
    let client = Client::of(idp);
    let (id, _) = at_browser(idp);
    for address in [
        "https://evil.test/callback",
        "http://127.0.0.1:45678/other",
        "http://127.0.0.1.evil.test/callback",
        "https://127.0.0.1/callback",
        "not an address",
        "",
    ] {
        let answer = authorize(&client, &id, &[("redirect_uri", address)]).await;
        assert_eq!(
            answer.error(),
            (400, "invalid_request".to_owned()),
            "{address}"
        );
    }
    let answer = authorize(&client, "unknown", &[]).await;
    assert_eq!(answer.error(), (401, "invalid_client".to_owned()));
    // Once the address is known to be good, errors go there.
    for (changes, error) in [
        (("response_type", "token"), "unauthorized_client"),
        (("scope", "profile"), "invalid_scope"),
        (("code_challenge_method", "plain"), "invalid_request"),
    ] {
        let location = authorize(&client, &id, &[changes]).await.location();
        let begin = format!("{REDIRECT}?error={error}&");
        assert!(location.starts_with(&begin), "{location}");
    }
    for loopback in [
        "http://[::1]:7/callback",
        "http://localhost:7/callback",
        REGISTERED,
    ] {
        let answer = authorize(&client, &id, &[("redirect_uri", loopback)]).await;
        assert!(answer.location().starts_with(loopback), "{answer:?}");
    }
    idp.at_browser(None);
    let page = authorize(&client, &id, &[]).await.location();
    assert!(
        page.starts_with(&format!("{}/ui/v2/login", idp.issuer())),
        "{page}"
    );
}

#[tokio::test]
async fn a_refresh_token_is_good_once_and_only_while_its_person_is_active() {
    let bed = bed().await;
    let idp = bed.idp().unwrap();
    let client = Client::of(idp);
    let (id, person) = at_browser(idp);
    let refresh = async |token: &str, scope: &str| {
        let fields = [
            ("grant_type", "refresh_token"),
            ("client_id", id.as_str()),
            ("refresh_token", token),
            ("scope", scope),
        ];
        let fields = if scope.is_empty() {
            &fields[..3]
        } else {
            &fields[..]
        };
        client.token(fields).await
    };
    let plain = authorize(&client, &id, &[("scope", "openid")]).await;
    let plain = redeem(&client, &id, &code(&plain), &[]).await;
    assert_eq!(
        plain.json().get("refresh_token"),
        None,
        "offline_access was not asked for"
    );

    let first = code(&authorize(&client, &id, &[]).await);
    let first = redeem(&client, &id, &first, &[])
        .await
        .text("refresh_token");
    let answer = refresh(&first, "").await;
    let second = answer.text("refresh_token");
    let said = client
        .verified(&answer.text("id_token"), &id)
        .await
        .unwrap();
    assert_eq!(said["sub"], person);
    let refused = (400, "invalid_grant".to_owned());
    assert_eq!(refresh(&first, "").await.error(), refused);
    assert_eq!(refresh("nonsense", "").await.error(), refused);
    let wider = refresh(&second, "openid phone").await;
    assert_eq!(wider.error(), (400, "invalid_scope".to_owned()));
    let third = refresh(&second, "openid offline_access").await;
    assert_eq!(third.text("scope"), "openid offline_access");

    idp.call("DeactivateUser", json!({"userId": person}))
        .unwrap();
    let answer = refresh(&third.text("refresh_token"), "").await;
    assert_eq!(answer.text("error_description"), "Errors.User.NotActive");
}

/// Begins a device flow: the codes for the client and for the person.
async fn begin(client: &Client, id: &str) -> (String, String) {
    let fields = [("client_id", id), ("scope", "openid offline_access")];
    let answer = client.form("/oauth/v2/device_authorization", &fields).await;
    (answer.text("device_code"), answer.text("user_code"))
}

async fn poll(client: &Client, id: &str, code: &str) -> Answer {
    let fields = [
        ("grant_type", DEVICE_CODE),
        ("client_id", id),
        ("device_code", code),
    ];
    client.token(&fields).await
}

#[tokio::test]
async fn the_device_flow_waits_for_somebody_and_is_told_to_slow_down() {
    let bed = bed().await;
    let idp = bed.idp().unwrap();
    let client = Client::of(idp);
    let (id, person) = at_browser(idp);
    let error = |name: &str| (400, name.to_owned());
    idp.set_poll_interval(Duration::from_secs(60));
    let (device, user) = begin(&client, &id).await;
    assert_eq!(
        poll(&client, &id, &device).await.error(),
        error("authorization_pending")
    );
    assert_eq!(
        poll(&client, &id, &device).await.error(),
        error("slow_down")
    );
    idp.set_clock_offset(SignedDuration::from_secs(61));
    assert_eq!(
        poll(&client, &id, &device).await.error(),
        error("authorization_pending")
    );
    assert_eq!(poll(&client, "unknown", &device).await.error().0, 401);
    assert!(!idp.approve_device("XXXX-XXXX", &person));
    assert!(idp.approve_device(&user, &person));
    let answer = poll(&client, &id, &device).await;
    idp.heal();
    let claims = client.verified(&answer.text("id_token"), &id).await;
    assert_eq!(claims.unwrap()["sub"], person);
    assert!(!answer.text("refresh_token").is_empty());
    assert_eq!(
        poll(&client, &id, &device).await.error(),
        error("invalid_grant")
    );
}

#[tokio::test]
async fn a_device_flow_ends_when_it_is_denied_or_too_old() {
    let bed = bed().await;
    let idp = bed.idp().unwrap();
    let client = Client::of(idp);
    let (id, person) = at_browser(idp);
    let (device, user) = begin(&client, &id).await;
    assert!(idp.deny_device(&user));
    assert_eq!(
        poll(&client, &id, &device).await.error(),
        (400, "access_denied".to_owned())
    );
    let (device, user) = begin(&client, &id).await;
    idp.set_clock_offset(SignedDuration::from_mins(6));
    assert!(idp.approve_device(&user, &person));
    assert_eq!(
        poll(&client, &id, &device).await.error(),
        (400, "expired_token".to_owned())
    );
}

#[tokio::test]
async fn a_project_may_assert_roles_that_nobody_asked_for() {
    let bed = bed().await;
    let idp = bed.idp().unwrap();
    let client = Client::of(idp);
    let organisation = idp.organisation();
    let make = |method, request, field: &str| {
        let answer = idp.call(method, request).unwrap();
        answer.pointer(field).unwrap().as_str().unwrap().to_owned()
    };
    let project = json!({
        "organizationId": organisation, "name": "asserting", "projectRoleAssertion": true,
    });
    let project = make("CreateProject", project, "/projectId");
    let role = json!({"projectId": project, "roleKey": "viewer", "displayName": "Viewer"});
    idp.call("AddProjectRole", role).unwrap();
    let application = json!({
        "projectId": project, "name": "cli",
        "oidcConfiguration": {
            "redirectUris": [REGISTERED], "applicationType": "OIDC_APP_TYPE_NATIVE",
            "responseTypes": ["OIDC_RESPONSE_TYPE_CODE"],
            "grantTypes": ["OIDC_GRANT_TYPE_AUTHORIZATION_CODE"],
            "authMethodType": "OIDC_AUTH_METHOD_TYPE_NONE", "idTokenRoleAssertion": true,
        },
    });
    let id = make(
        "CreateApplication",
        application,
        "/oidcConfiguration/clientId",
    );
    let person = idp.person("ada", &[]).unwrap();
    let grant = json!({
        "userId": person, "projectId": project, "organizationId": organisation,
        "roleKeys": ["viewer"],
    });
    idp.call("CreateAuthorization", grant).unwrap();
    idp.at_browser(Some(&person));
    let answer = authorize(&client, &id, &[("scope", "openid")]).await;
    let answer = redeem(&client, &id, &code(&answer), &[]).await;
    let said = client
        .verified(&answer.text("id_token"), &id)
        .await
        .unwrap();
    let roles = json!({"viewer": {organisation: "fleet.idp.test"}});
    assert_eq!(said["urn:zitadel:iam:org:project:roles"], roles);
    // Of the access token nobody said so, and it is opaque.
    assert!(!answer.text("access_token").contains('.'));
}
