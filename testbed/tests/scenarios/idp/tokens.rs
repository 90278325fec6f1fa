//! What tokens say.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::SignedDuration;
use jsonwebtoken::{Algorithm, Header};
use serde_json::{Value, json};

use super::bed;
use super::client::{Client, claims, device_scope, now, sign_as, signed};

#[tokio::test]
async fn a_devices_token_verifies_against_the_served_keys_and_says_what_zitadels_says() {
    let bed = bed().await;
    let idp = bed.idp().unwrap();
    let (client, key) = (Client::of(idp), idp.machine("dev-1", &["device"]).unwrap());
    let (project, organisation) = (idp.project(), idp.organisation());
    let metadata = json!([{"key": "device-id", "value": STANDARD.encode("dev-1?>")}]);
    let request = json!({"userId": key.user, "metadata": metadata});
    idp.call("SetUserMetadata", request).unwrap();
    idp.set_token_lifetime(Duration::from_secs(300));

    let assertion = signed(&key, &claims(idp, &key));
    let answer = client.exchange(&assertion, &device_scope(project)).await;
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert_eq!(answer.json()["expires_in"], 300);
    assert_eq!(answer.text("token_type"), "Bearer");
    let token = answer.text("access_token");
    let mut claims = client.verified(&token, project).await.unwrap();

    let said = claims.as_object_mut().unwrap();
    let id = said.remove("jti").unwrap();
    assert!(id.as_str().unwrap().starts_with("V2_"), "{id}");
    let issued = said["iat"].as_i64().unwrap();
    assert!((now() - issued).abs() <= 5);
    let expected = json!({
        "iss": idp.issuer(), "sub": key.user, "aud": [project], "client_id": "dev-1",
        "iat": issued, "nbf": issued, "exp": issued + 300,
        format!("urn:zitadel:iam:org:project:{project}:roles"):
            {"device": {organisation: "fleet.idp.test"}},
        "urn:zitadel:iam:user:resourceowner:id": organisation,
        "urn:zitadel:iam:user:resourceowner:name": "fleet",
        "urn:zitadel:iam:user:resourceowner:primary_domain": "fleet.idp.test",
        "urn:zitadel:iam:user:metadata": {"device-id": "ZGV2LTE_Pg"},
    });
    assert_eq!(claims, expected);
}

#[tokio::test]
async fn machines_get_opaque_tokens_unless_made_for_jwts() {
    let bed = bed().await;
    let idp = bed.idp().unwrap();
    let client = Client::of(idp);
    let request = json!({
        "organizationId": idp.organisation(), "username": "plain", "machine": {"name": "plain"},
    });
    let user = idp.call("CreateUser", request).unwrap();
    let key = idp.make_key(user["id"].as_str().unwrap()).unwrap();
    let assertion = signed(&key, &claims(idp, &key));
    let answer = client
        .exchange(&assertion, &device_scope(idp.project()))
        .await;
    let token = answer.text("access_token");
    assert!(!token.contains('.'), "{token}");
    // Nobody but the provider can tell what it stands for.
    let about = client.get_with_token("/oidc/v1/userinfo", &token).await;
    assert_eq!(about.text("sub"), key.user);
}

#[tokio::test]
async fn roles_come_only_where_asked_for_and_granted() {
    let bed = bed().await;
    let idp = bed.idp().unwrap();
    let (client, project) = (Client::of(idp), idp.project().to_owned());
    let other = idp.add_project("other").unwrap();
    let both = idp.machine("both", &["device", "gateway"]).unwrap();
    let none = idp.machine("none", &[]).unwrap();
    let claim = |project: &str| format!("urn:zitadel:iam:org:project:{project}:roles");
    let audience = |project: &str| format!("openid urn:zitadel:iam:org:project:id:{project}:aud");
    let all = "urn:zitadel:iam:org:projects:roles";
    let tell = async |key, scope: &str, audience: &str| -> Value {
        let answer = client
            .exchange(&signed(key, &claims(idp, key)), scope)
            .await;
        client
            .verified(&answer.text("access_token"), audience)
            .await
            .unwrap()
    };
    // Not asked for.
    let said = tell(&both, &audience(&project), &project).await;
    assert_eq!(said.get(claim(&project)), None);
    // All, and never the claim without the project's id.
    let said = tell(&both, &format!("{} {all}", audience(&project)), &project).await;
    let roles: Vec<_> = said[claim(&project)].as_object().unwrap().keys().collect();
    assert_eq!(roles, ["device", "gateway"]);
    assert_eq!(said.get("urn:zitadel:iam:org:project:roles"), None);
    // One by name.
    let named = format!(
        "{} urn:zitadel:iam:org:project:role:gateway",
        audience(&project)
    );
    let said = tell(&both, &named, &project).await;
    let roles: Vec<_> = said[claim(&project)].as_object().unwrap().keys().collect();
    assert_eq!(roles, ["gateway"]);
    // An audience is nobody's right: it comes for any project, also one that does not exist.
    for project in [other.as_str(), "42"] {
        let said = tell(&none, &format!("{} {all}", audience(project)), project).await;
        assert_eq!(said.get(claim(project)), None);
    }
    // Without any, the client is the audience.
    let said = tell(&none, "openid", "none").await;
    assert_eq!(said["aud"], json!(["none"]));
}

#[tokio::test]
async fn a_role_names_the_organisation_where_it_was_granted() {
    let bed = bed().await;
    let idp = bed.idp().unwrap();
    let (client, project) = (Client::of(idp), idp.project());
    let tenant = idp.add_organisation("Tenant B").unwrap();
    let user = idp
        .machine_user_in(&tenant, "stranger", &["device"])
        .unwrap();
    let key = idp.make_key(&user).unwrap();
    let answer = client
        .exchange(&signed(&key, &claims(idp, &key)), &device_scope(project))
        .await;
    let said = client
        .verified(&answer.text("access_token"), project)
        .await
        .unwrap();
    let roles = &said[format!("urn:zitadel:iam:org:project:{project}:roles")];
    assert_eq!(
        *roles,
        json!({"device": {tenant.as_str(): "tenant-b.idp.test"}})
    );
    assert_eq!(said["urn:zitadel:iam:user:resourceowner:id"], tenant);
}

#[tokio::test]
async fn openid_is_mandatory_and_unknown_scopes_are_left_out() {
    let bed = bed().await;
    let idp = bed.idp().unwrap();
    let (client, key) = (Client::of(idp), idp.machine("dev-1", &["device"]).unwrap());
    let assertion = signed(&key, &claims(idp, &key));
    let answer = client.exchange(&assertion, "").await;
    assert_eq!(answer.error(), (400, "invalid_request".to_owned()));
    let answer = client
        .exchange(&assertion, "urn:zitadel:iam:org:projects:roles")
        .await;
    assert_eq!(answer.error(), (400, "invalid_scope".to_owned()));
    let foreign = "openid no-such-scope urn:zitadel:iam:org:id:1";
    let answer = client.exchange(&assertion, foreign).await;
    assert_eq!(answer.text("scope"), "openid");
}

#[tokio::test]
async fn a_machines_id_token_has_ended_when_it_arrives() {
    let bed = bed().await;
    let idp = bed.idp().unwrap();
    let (client, key) = (Client::of(idp), idp.machine("dev-1", &["device"]).unwrap());
    // As if it had been on its way for a few seconds.
    idp.set_clock_offset(SignedDuration::from_secs(-5));
    let mut said = claims(idp, &key);
    said["iat"] = json!(now() - 10);
    let answer = client.exchange(&signed(&key, &said), "openid").await;
    client
        .verified(&answer.text("access_token"), "dev-1")
        .await
        .unwrap();
    let refusal = client
        .verified(&answer.text("id_token"), "dev-1")
        .await
        .unwrap_err();
    assert_eq!(refusal, "ExpiredSignature");
}

#[tokio::test]
async fn userinfo_serves_live_tokens_of_active_users() {
    let bed = bed().await;
    let idp = bed.idp().unwrap();
    let (client, key) = (Client::of(idp), idp.machine("dev-1", &["device"]).unwrap());
    let answer = client
        .exchange(&signed(&key, &claims(idp, &key)), "openid profile")
        .await;
    let token = answer.text("access_token");
    let about = client.get_with_token("/oidc/v1/userinfo", &token).await;
    let expected = json!({"sub": key.user, "name": "dev-1", "preferred_username": "dev-1"});
    assert_eq!(about.json(), expected);
    let denied = client.get_with_token("/oidc/v1/userinfo", "nonsense").await;
    assert_eq!(denied.error(), (401, "access_denied".to_owned()));
    idp.set_clock_offset(SignedDuration::from_hours(1));
    let denied = client.get_with_token("/oidc/v1/userinfo", &token).await;
    assert_eq!(denied.error(), (401, "access_denied".to_owned()));
    idp.heal();
    idp.call("DeactivateUser", json!({"userId": key.user}))
        .unwrap();
    let denied = client.get_with_token("/oidc/v1/userinfo", &token).await;
    assert_eq!(denied.error(), (401, "access_denied".to_owned()));
}

#[tokio::test]
async fn client_credentials_need_an_assertion_that_was_never_seen() {
    let bed = bed().await;
    let idp = bed.idp().unwrap();
    let (client, key) = (Client::of(idp), idp.machine("dev-1", &["device"]).unwrap());
    let ask = async |assertion: &str, id: &str| {
        let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        let fields = [
            ("grant_type", "client_credentials"),
            ("client_assertion_type", kind),
            ("client_assertion", assertion),
            ("client_id", id),
        ];
        client.token(&fields).await
    };
    let with = |name: &str, value: Value| {
        let mut claims = claims(idp, &key);
        claims["jti"] = json!(format!("{name}-{value}"));
        claims[name] = value;
        signed(&key, &claims)
    };
    let endpoint = json!(format!("{}/oauth/v2/token", idp.issuer()));
    let assertion = with("aud", endpoint);
    let answer = ask(&assertion, &key.user).await;
    let said = client
        .verified(&answer.text("access_token"), idp.project())
        .await
        .unwrap();
    assert_eq!(said["sub"], key.user);
    assert_eq!(said["client_id"], key.user);
    assert_eq!(said["roles"], json!(["device"]));
    assert_eq!(said["organization"], idp.organisation());

    let refused = (401, "invalid_client".to_owned());
    assert_eq!(
        ask(&assertion, &key.user).await.error(),
        refused,
        "replayed"
    );
    let without = signed(&key, &claims(idp, &key));
    assert_eq!(ask(&without, &key.user).await.error(), refused, "no jti");
    assert_eq!(
        ask(&with("exp", json!(now() - 1)), &key.user).await.error(),
        refused
    );
    assert_eq!(
        ask(&with("aud", json!("https://other.test")), &key.user)
            .await
            .error(),
        refused
    );
    assert_eq!(
        ask(&with("nbf", json!(now())), "another").await.error(),
        refused
    );
    let nobody = sign_as(&key, &Header::new(Algorithm::RS256), &claims(idp, &key));
    assert_eq!(ask(&nobody, &key.user).await.error(), refused, "no kid");
    let bare = client.token(&[("grant_type", "client_credentials")]).await;
    assert_eq!(bare.error(), refused);
}
