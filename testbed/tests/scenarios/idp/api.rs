//! The calls that provisioning and enrolment make.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fleet_testbed::{Administrator, Idp, MachineKey};
use http::Request;
use serde_json::{Value, json};

use super::bed;
use super::client::{Answer, Client, device_scope, signed};

const API: &str = "urn:zitadel:iam:org:project:id:zitadel:aud";

/// A call of Connect RPC.
async fn connect(client: &Client, token: &str, method: &str, body: Value) -> Answer {
    client
        .call("POST", &format!("/zitadel.{method}"), token, body)
        .await
}

fn code(answer: &Answer) -> (u16, Value) {
    (answer.status.as_u16(), answer.json()["code"].clone())
}

/// A key pair as `openssl` would make it.
fn key_pair() -> (String, String) {
    use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
    use aws_lc_rs::rsa::{KeyPair, KeySize};
    use aws_lc_rs::signature::KeyPair as _;
    let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let private: Pkcs8V1Der<'_> = pair.as_der().unwrap();
    let public: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
    (
        pem("PRIVATE KEY", private.as_ref()),
        pem("PUBLIC KEY", public.as_ref()),
    )
}

fn pem(label: &str, der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
}

fn machine(idp: &Idp, name: &str) -> Value {
    json!({
        "organizationId": idp.organisation(), "username": name,
        "machine": {"name": name, "accessTokenType": "ACCESS_TOKEN_TYPE_JWT"},
    })
}

/// The whole of an enrolment, by calls alone; then the device logs in.
#[tokio::test]
async fn a_device_made_by_calls_gets_a_token_with_its_role() {
    let bed = bed().await;
    let idp = bed.idp().unwrap();
    let (client, admin) = (Client::of(idp), idp.admin_token());
    let project = json!({"organizationId": idp.organisation(), "name": "made"});
    let project = connect(
        &client,
        admin,
        "project.v2.ProjectService/CreateProject",
        project,
    )
    .await;
    let project = project.text("projectId");
    let role = json!({"projectId": project, "roleKey": "device", "displayName": "Device"});
    let answer = connect(
        &client,
        admin,
        "project.v2.ProjectService/AddProjectRole",
        role,
    )
    .await;
    assert_eq!(answer.status, 200, "{answer:?}");

    let user = client
        .call("POST", "/v2/users/new", admin, machine(idp, "dev-9"))
        .await
        .text("id");
    let (private, public) = key_pair();
    let key =
        json!({"publicKey": STANDARD.encode(public), "expirationDate": "2099-01-01T00:00:00Z"});
    let path = format!("/v2/users/{user}/keys");
    let answer = client.call("POST", &path, admin, key).await;
    assert_eq!(
        answer.json().get("keyContent"),
        None,
        "the private key is nobody else's"
    );
    let key = MachineKey {
        key_id: answer.text("keyId"),
        user: user.clone(),
        private_pem: private,
    };
    let grant = json!({
        "userId": user, "projectId": project, "organizationId": idp.organisation(),
        "roleKeys": ["device"],
    });
    let create = "authorization.v2.AuthorizationService/CreateAuthorization";
    let answer = connect(&client, admin, create, grant).await;
    assert_eq!(answer.status, 200, "{answer:?}");

    let claims = super::client::claims(idp, &key);
    let token = client
        .exchange(&signed(&key, &claims), &device_scope(&project))
        .await;
    let said = client
        .verified(&token.text("access_token"), &project)
        .await
        .unwrap();
    let roles = &said[format!("urn:zitadel:iam:org:project:{project}:roles")];
    assert_eq!(
        *roles,
        json!({"device": {idp.organisation(): "fleet.idp.test"}})
    );
}

#[tokio::test]
async fn making_a_thing_again_is_told_apart_from_every_other_refusal() {
    let bed = bed().await;
    let idp = bed.idp().unwrap();
    let (client, admin) = (Client::of(idp), idp.admin_token());
    let organisation = idp.organisation();
    let user = idp.machine_user("dev-1", &["device"]).unwrap();
    let application = json!({
        "projectId": idp.project(), "name": "cli",
        "oidcConfiguration": {
            "redirectUris": ["http://127.0.0.1/"], "applicationType": "OIDC_APP_TYPE_NATIVE",
            "responseTypes": ["OIDC_RESPONSE_TYPE_CODE"],
            "grantTypes": ["OIDC_GRANT_TYPE_AUTHORIZATION_CODE"],
            "authMethodType": "OIDC_AUTH_METHOD_TYPE_NONE",
        },
    });
    let create = "application.v2.ApplicationService/CreateApplication";
    let answer = connect(&client, admin, create, application.clone()).await;
    assert!(
        answer.json()["oidcConfiguration"]["clientId"].is_string(),
        "{answer:?}"
    );
    let again = [
        ("user.v2.UserService/CreateUser", machine(idp, "dev-1")),
        (
            "org.v2.OrganizationService/AddOrganization",
            json!({"name": "fleet"}),
        ),
        (
            "project.v2.ProjectService/CreateProject",
            json!({"organizationId": organisation, "name": "fleet"}),
        ),
        (
            "project.v2.ProjectService/AddProjectRole",
            json!({"projectId": idp.project(), "roleKey": "device", "displayName": "Device"}),
        ),
        (
            "authorization.v2.AuthorizationService/CreateAuthorization",
            json!({
                "userId": user, "projectId": idp.project(), "organizationId": organisation,
                "roleKeys": ["device"],
            }),
        ),
        (create, application),
    ];
    for (method, request) in again {
        let answer = connect(&client, admin, method, request).await;
        assert_eq!(
            code(&answer),
            (409, json!("already_exists")),
            "{method}: {answer:?}"
        );
    }
    // By REST the same is a number.
    let answer = client
        .call("POST", "/v2/users/new", admin, machine(idp, "dev-1"))
        .await;
    assert_eq!(code(&answer), (409, json!(6)));
}

#[tokio::test]
async fn a_caller_needs_a_live_token_for_the_api_and_the_right_to_do_it() {
    let bed = bed().await;
    let idp = bed.idp().unwrap();
    let client = Client::of(idp);
    let create = "/v2/users/new";
    let bare = Request::post(create)
        .header("host", idp.address().to_string())
        .body(machine(idp, "x").to_string());
    let answer = client.send(bare.unwrap()).await.unwrap();
    assert_eq!(code(&answer), (401, json!(16)));
    let answer = client
        .call("POST", create, "nonsense", machine(idp, "x"))
        .await;
    assert_eq!(code(&answer), (401, json!(16)));

    // Nobody in particular.
    let key = idp.machine("nobody", &["device"]).unwrap();
    let nobody = idp.personal_token(&key.user).unwrap();
    let answer = client
        .call("POST", create, &nobody, machine(idp, "x"))
        .await;
    assert_eq!(code(&answer), (403, json!(7)));
    let list = "project.v2.ProjectService/ListProjects";
    let answer = connect(&client, &nobody, list, json!({})).await;
    assert_eq!(code(&answer), (404, json!("not_found")), "no membership");
    let answer = client.call("POST", "/v2/users", &nobody, json!({})).await;
    assert_eq!(answer.json()["result"][0]["userId"], key.user, "itself");
    assert_eq!(answer.json()["result"].as_array().unwrap().len(), 1);

    // A manager of users: those, in its own organisation, and nothing else.
    let manager = idp.machine("enrolment", &[]).unwrap();
    idp.make_administrator(&manager.user, Administrator::Users)
        .unwrap();
    let claims = super::client::claims(idp, &manager);
    let mint = async |scope: &str| {
        let answer = client.exchange(&signed(&manager, &claims), scope).await;
        answer.text("access_token")
    };
    let other = mint("openid").await;
    let answer = client.call("POST", create, &other, machine(idp, "x")).await;
    assert_eq!(code(&answer), (401, json!(16)), "not a token for the API");
    let token = mint(&format!("openid {API}")).await;
    let answer = client.call("POST", create, &token, machine(idp, "x")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let mut foreign = machine(idp, "y");
    foreign["organizationId"] = json!(idp.add_organisation("tenant").unwrap());
    let answer = client.call("POST", create, &token, foreign).await;
    assert_eq!(code(&answer), (403, json!(7)));
    let project = json!({"organizationId": idp.organisation(), "name": "p"});
    let answer = connect(
        &client,
        &token,
        "project.v2.ProjectService/CreateProject",
        project,
    )
    .await;
    assert_eq!(code(&answer), (403, json!("permission_denied")));
    // Validation comes first.
    let answer = client
        .call("POST", create, &nobody, json!({"username": "x"}))
        .await;
    assert_eq!(code(&answer), (400, json!(3)));
    idp.call("DeactivateUser", json!({"userId": manager.user}))
        .unwrap();
    let answer = client.call("POST", create, &token, machine(idp, "z")).await;
    assert_eq!(
        code(&answer),
        (401, json!(16)),
        "given out before, worth nothing since"
    );
}

#[tokio::test]
async fn the_administrators_key_file_leads_to_the_api() {
    let bed = bed().await;
    let idp = bed.idp().unwrap();
    let client = Client::of(idp);
    let file = std::fs::read_to_string(idp.admin_key_file()).unwrap();
    let file: Value = serde_json::from_str(&file).unwrap();
    let field = |name: &str| file[name].as_str().unwrap().to_owned();
    assert_eq!(field("type"), "serviceaccount");
    let key = MachineKey {
        user: field("userId"),
        key_id: field("keyId"),
        private_pem: field("key"),
    };
    let assertion = signed(&key, &super::client::claims(idp, &key));
    let token = client
        .exchange(&assertion, &format!("openid {API}"))
        .await
        .text("access_token");
    let answer = client
        .call("GET", "/management/v1/orgs/me", &token, Value::Null)
        .await;
    assert_eq!(answer.json()["org"]["id"], idp.organisation());
}

#[tokio::test]
async fn keys_are_rsa_in_spki_and_have_not_ended() {
    let bed = bed().await;
    let idp = bed.idp().unwrap();
    let (client, admin) = (Client::of(idp), idp.admin_token());
    let user = idp.machine_user("dev-1", &[]).unwrap();
    let person = idp.person("ada", &[]).unwrap();
    let (_, public) = key_pair();
    let add = async |user: &str, key: Value| {
        client
            .call("POST", &format!("/v2/users/{user}/keys"), admin, key)
            .await
    };
    let curve = {
        use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
        use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        let public: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
        pem("PUBLIC KEY", public.as_ref())
    };
    let renamed = public.replace("PUBLIC KEY", "RSA PUBLIC KEY");
    for wrong in [curve, renamed, "nonsense".to_owned()] {
        let answer = add(&user, json!({"publicKey": STANDARD.encode(&wrong)})).await;
        assert_eq!(code(&answer), (400, json!(3)), "{wrong}");
        assert!(answer.text("message").contains("Key.Invalid"), "{answer:?}");
    }
    let raw = add(&user, json!({"publicKey": public})).await;
    assert_eq!(code(&raw), (400, json!(3)), "bytes are base64");
    let key =
        json!({"publicKey": STANDARD.encode(&public), "expirationDate": "2020-01-01T00:00:00Z"});
    assert_eq!(code(&add(&user, key).await), (400, json!(3)));
    let key = json!({"publicKey": STANDARD.encode(&public)});
    assert_eq!(
        code(&add(&person, key.clone()).await),
        (400, json!(9)),
        "people have no keys"
    );
    assert_eq!(code(&add("1", key.clone()).await), (404, json!(5)));
    // Without a key of the caller's it makes one, and shows the private half this once.
    let answer = add(&user, json!({})).await;
    let content = STANDARD.decode(answer.text("keyContent")).unwrap();
    let content: Value = serde_json::from_slice(&content).unwrap();
    assert_eq!(content["userId"], user);

    let first = answer.text("keyId");
    let second = add(&user, key).await.text("keyId");
    let list = async || {
        let filter = json!({"filters": [{"userIdFilter": {"id": user}}]});
        let answer = client
            .call("POST", "/v2/users/keys/search", admin, filter)
            .await;
        let keys = answer.json()["result"].as_array().unwrap().clone();
        keys.iter()
            .map(|key| key["id"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(list().await, [first.clone(), second.clone()]);
    for _ in 0..2 {
        let path = format!("/v2/users/{user}/keys/{first}");
        let answer = client.call("DELETE", &path, admin, Value::Null).await;
        assert_eq!(answer.status, 200, "gone already is as good as removed");
    }
    assert_eq!(list().await, [second]);
}

#[tokio::test]
async fn users_are_found_changed_and_deleted() {
    let bed = bed().await;
    let idp = bed.idp().unwrap();
    let (client, admin) = (Client::of(idp), idp.admin_token());
    let user = idp.machine_user("dev-1", &["device"]).unwrap();
    let query = json!({"queries": [
        {"organizationIdQuery": {"organizationId": idp.organisation()}},
        {"userNameQuery": {"userName": "dev-1", "method": "TEXT_QUERY_METHOD_EQUALS"}},
    ]});
    let found = client
        .call("POST", "/v2/users", admin, query.clone())
        .await
        .json();
    assert_eq!(found["result"][0]["userId"], user);
    assert_eq!(
        found["result"][0]["machine"]["accessTokenType"],
        "ACCESS_TOKEN_TYPE_JWT"
    );
    let state = async || {
        let answer = client
            .call("GET", &format!("/v2/users/{user}"), admin, Value::Null)
            .await;
        answer.json()["user"]["state"].clone()
    };
    let post = async |what: &str, body: Value| {
        client
            .call("POST", &format!("/v2/users/{user}/{what}"), admin, body)
            .await
    };
    assert_eq!(post("deactivate", json!({})).await.status, 200);
    assert_eq!(state().await, "USER_STATE_INACTIVE");
    assert_eq!(
        code(&post("deactivate", json!({})).await),
        (400, json!(9)),
        "is already"
    );
    assert_eq!(post("reactivate", json!({})).await.status, 200);
    assert_eq!(code(&post("reactivate", json!({})).await), (400, json!(9)));
    assert_eq!(post("lock", json!({})).await.status, 200);
    assert_eq!(state().await, "USER_STATE_LOCKED");
    assert_eq!(post("unlock", json!({})).await.status, 200);

    let metadata = json!({"metadata": [{"key": "site", "value": STANDARD.encode("attic")}]});
    assert_eq!(post("metadata", metadata.clone()).await.status, 200);
    let kept = post("metadata/search", json!({})).await.json();
    assert_eq!(kept["metadata"], metadata["metadata"]);
    let plain = json!({"metadata": [{"key": "site", "value": "attic!"}]});
    assert_eq!(
        code(&post("metadata", plain).await),
        (400, json!(3)),
        "bytes are base64"
    );

    let path = format!("/v2/users/{user}");
    assert_eq!(
        client
            .call("DELETE", &path, admin, Value::Null)
            .await
            .status,
        200
    );
    let answer = client.call("DELETE", &path, admin, Value::Null).await;
    assert_eq!(code(&answer), (404, json!(5)));
    let found = client.call("POST", "/v2/users", admin, query).await.json();
    assert_eq!(found["result"], json!([]));
}

#[tokio::test]
async fn a_role_grant_names_roles_that_exist_and_an_update_replaces_them() {
    let bed = bed().await;
    let idp = bed.idp().unwrap();
    let (client, admin) = (Client::of(idp), idp.admin_token());
    let user = idp.machine_user("dev-1", &[]).unwrap();
    let service = async |method: &str, body: Value| {
        let method = format!("authorization.v2.AuthorizationService/{method}");
        connect(&client, admin, &method, body).await
    };
    let grant = |roles: Value| {
        json!({
            "userId": user, "projectId": idp.project(), "organizationId": idp.organisation(),
            "roleKeys": roles,
        })
    };
    let answer = service("CreateAuthorization", grant(json!(["pilot"]))).await;
    assert_eq!(code(&answer), (400, json!("failed_precondition")));
    let id = service("CreateAuthorization", grant(json!(["device"])))
        .await
        .text("id");
    let role = json!({"projectId": idp.project(), "roleKey": "pilot", "displayName": "Pilot"});
    idp.call("AddProjectRole", role).unwrap();
    let update = json!({"id": id, "roleKeys": ["pilot"]});
    assert_eq!(service("UpdateAuthorization", update).await.status, 200);
    let list = json!({"filters": [{"userId": {"id": user}}]});
    let found = service("ListAuthorizations", list.clone()).await.json();
    assert_eq!(
        found["authorizations"][0]["roles"],
        json!([{"key": "pilot"}])
    );
    assert_eq!(
        service("DeactivateAuthorization", json!({"id": id}))
            .await
            .status,
        200
    );
    let found = service("ListAuthorizations", list.clone()).await.json();
    assert_eq!(found["authorizations"][0]["state"], "STATE_INACTIVE");
    for _ in 0..2 {
        assert_eq!(
            service("DeleteAuthorization", json!({"id": id}))
                .await
                .status,
            200
        );
    }
    let found = service("ListAuthorizations", list).await.json();
    assert_eq!(found["authorizations"], json!([]));
}

#[tokio::test]
async fn a_wrong_form_of_a_call_is_refused_as_its_kind_refuses() {
    let bed = bed().await;
    let idp = bed.idp().unwrap();
    let (client, admin) = (Client::of(idp), idp.admin_token());
    let path = "/zitadel.user.v2.UserService/ListUsers";
    let answer = client.call("GET", path, admin, Value::Null).await;
    assert_eq!(answer.status, 405);
    let untyped = Request::post(path)
        .header("host", idp.address().to_string())
        .header("authorization", format!("Bearer {admin}"))
        .body("{}".to_owned());
    assert_eq!(client.send(untyped.unwrap()).await.unwrap().status, 415);
    // Projects have no REST.
    for path in ["/v2/projects", "/zitadel.user.v2.UserService/NoSuchMethod"] {
        let answer = client.call("POST", path, admin, json!({})).await;
        assert_eq!(code(&answer), (404, json!(5)), "{path}");
    }
    let answer = client.call("POST", path, admin, json!([])).await;
    assert_eq!(code(&answer), (400, json!("invalid_argument")));
}

#[tokio::test]
async fn an_application_is_what_was_said_and_a_change_leaves_what_it_does_not_name() {
    let bed = bed().await;
    let idp = bed.idp().unwrap();
    let (client, admin) = (Client::of(idp), idp.admin_token());
    let call = async |method: &str, request: Value| {
        let method = format!("application.v2.ApplicationService/{method}");
        connect(&client, admin, &method, request).await
    };
    let oidc = json!({
        "redirectUris": ["http://127.0.0.1/"], "applicationType": "OIDC_APP_TYPE_NATIVE",
        "authMethodType": "OIDC_AUTH_METHOD_TYPE_NONE", "idTokenRoleAssertion": true,
    });
    let mut request = json!({
        "projectId": idp.project(), "name": "cli", "oidcConfiguration": oidc,
    });
    // Without anything to ask for it is none.
    let refused = call("CreateApplication", request.clone()).await;
    assert_eq!(code(&refused), (400, json!("invalid_argument")));
    request["oidcConfiguration"]["responseTypes"] = json!(["OIDC_RESPONSE_TYPE_CODE"]);
    request["oidcConfiguration"]["grantTypes"] = json!(["OIDC_GRANT_TYPE_AUTHORIZATION_CODE"]);
    let made = call("CreateApplication", request).await.json();
    let api = json!({"authMethodType": "API_AUTH_METHOD_TYPE_PRIVATE_KEY_JWT"});
    let api = json!({"projectId": idp.project(), "name": "api", "apiConfiguration": api});
    let api = call("CreateApplication", api).await.json();

    let update = json!({
        "projectId": idp.project(), "applicationId": made["applicationId"],
        "oidcConfiguration": {"redirectUris": [], "idTokenRoleAssertion": false},
    });
    assert_eq!(call("UpdateApplication", update.clone()).await.status, 200);
    let mut other = update;
    other["applicationId"] = api["applicationId"].clone();
    let refused = call("UpdateApplication", other).await;
    assert_eq!(code(&refused), (400, json!("failed_precondition")));

    let filter = json!({"projectIdFilter": {"projectId": idp.project()}});
    let list = call("ListApplications", json!({"filters": [filter]}))
        .await
        .json();
    let named = |name: &str| -> Value {
        let all = list["applications"].as_array().cloned().unwrap_or_default();
        all.into_iter().find(|a| a["name"] == name).unwrap()
    };
    // What is false is left out, as protobuf's JSON does.
    let kept = json!({
        "clientId": made["oidcConfiguration"]["clientId"], "redirectUris": ["http://127.0.0.1/"],
        "responseTypes": ["OIDC_RESPONSE_TYPE_CODE"],
        "grantTypes": ["OIDC_GRANT_TYPE_AUTHORIZATION_CODE"],
        "applicationType": "OIDC_APP_TYPE_NATIVE", "authMethodType": "OIDC_AUTH_METHOD_TYPE_NONE",
    });
    assert_eq!(named("cli")["oidcConfiguration"], kept);
    assert!(named("api")["apiConfiguration"]["clientId"].is_string());
}
