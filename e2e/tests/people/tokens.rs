//! Which tokens make somebody a person to the API server.

use std::time::Duration;

use fleet_cli::login::http::Http;
use fleet_testbed::{Testbed, wait};
use http::Request;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use crate::cluster::SOON;
use crate::scene::Scene;
use crate::user::{authentication_config, claims};

/// Long enough to be used once, on a machine that also compiles.
const SHORT: Duration = Duration::from_secs(20);
const REDIRECT: &str = "http://127.0.0.1/callback";

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_fetches_a_new_token_when_the_old_one_has_ended() {
    let people = json!({"cluster": {"viewers": ["idp:fleet-viewer"]}});
    let scene = Scene::with("people-ended", &people).await;
    scene.idp().set_id_token_lifetime(SHORT);
    let viewer = scene.person("vera", &["fleet-viewer"]).await;
    let first = viewer.token();
    assert!(scene.whoami(&first).await.is_ok());
    let refused = || async { scene.refuses(&first).await };
    assert!(wait::until(SOON, refused).await, "an ended token is good");
    // Nobody is at the browser, and nobody is asked.
    scene.idp().at_browser(None);
    viewer.kubectl("get fleetdev").expect("a new token");
    assert_ne!(viewer.token(), first);
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_is_known_by_the_providers_id_and_roles_of_our_organisation() {
    let scene = Scene::with("people-names", &json!({})).await;
    let person = scene.person("ada", &["fleet-viewer", "auditor"]).await;
    let who = scene.whoami(&person.token()).await.expect("is somebody");
    assert_eq!(who.username, Some(scene.people().user(&person.subject)));
    assert_eq!(who.uid, Some(person.subject.clone()));
    let mut groups = who.groups.expect("groups");
    groups.sort();
    let roles = [scene.group("auditor"), scene.group("fleet-viewer")];
    assert_eq!(
        groups,
        [&roles[..], &["system:authenticated".to_owned()]].concat()
    );
    let name = &who.extra.expect("extra")["identity.fleet.nationtech.io/name"];
    assert_eq!(*name, ["ada"]);

    // The same role, granted by another organisation to one of its own.
    let idp = scene.idp();
    let other = idp.add_organisation("other").expect("an organisation");
    let human = json!({
        "organizationId": other, "username": "eve", "human": {"email": {"email": "eve@idp.test"}},
    });
    let eve = idp.call("CreateUser", human).expect("a user");
    let eve = eve["id"].as_str().expect("an id");
    idp.grant_in(&other, eve, &["fleet-viewer"])
        .expect("granted");
    let eve = scene.log_in(eve).await;
    let who = scene.whoami(&eve.token()).await.expect("is somebody");
    assert_eq!(who.groups, Some(vec!["system:authenticated".to_owned()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_other_applications_issuers_and_keys_are_refused() {
    let people = json!({"cluster": {"admins": ["idp:fleet-admin"]}});
    let scene = Scene::with("people-strangers", &people).await;
    let idp = scene.idp();
    let admin = scene.person("adam", &["fleet-admin"]).await;
    assert!(scene.whoami(&admin.token()).await.is_ok());

    // Zitadel names all applications of a project in `aud`, so the audience fits.
    let sibling = idp.native_application("shop", &[REDIRECT]).expect("made");
    let answer = code_flow(&scene, &sibling).await;
    let token = answer["id_token"].as_str().expect("a token");
    assert!(
        claims(token)["aud"]
            .to_string()
            .contains(scene.people().client_id())
    );
    assert!(scene.refuses(token).await, "another application's");

    // The person's own access token is for APIs, and says not to whom it was given.
    let answer = code_flow(&scene, scene.people().client_id()).await;
    let token = answer["access_token"].as_str().expect("a token");
    assert!(scene.refuses(token).await, "an access token");

    let elsewhere = Testbed::builder("people-elsewhere").idp().start().await;
    let elsewhere = elsewhere.expect("another IdP");
    let stranger = elsewhere.idp().expect("an IdP");
    let person = stranger.person("adam", &["fleet-admin"]).expect("a person");
    stranger.at_browser(Some(&person));
    let client = stranger
        .native_application("fleet", &[REDIRECT])
        .expect("made");
    let answer = code_flow_at(stranger, &client).await;
    let token = answer["id_token"].as_str().expect("a token");
    assert!(scene.refuses(token).await, "another issuer's");

    idp.sign_with_unknown_key().expect("a key");
    let answer = code_flow(&scene, scene.people().client_id()).await;
    let token = answer["id_token"].as_str().expect("a token");
    assert!(scene.refuses(token).await, "signed by nobody");
    idp.heal();

    let token = admin.token();
    let (head, _) = token.rsplit_once('.').expect("a signature");
    assert!(scene.refuses(&format!("{head}.")).await, "unsigned");
    assert!(scene.whoami(&admin.token()).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_is_no_person_whatever_it_asks_for() {
    let people = json!({"cluster": {"viewers": ["idp:device", "idp:fleet-viewer"]}});
    let scene = Scene::with("people-device", &people).await;
    let idp = scene.idp();
    let client = scene.people().client_id();
    // Zitadel puts any id into `aud` that a machine asks for (issue 9515): here that of the
    // application of people.
    for roles in [
        &["device"][..],
        &["fleet-viewer"],
        &["device", "fleet-viewer"],
    ] {
        let name = roles.join("-");
        let key = idp.machine(&name, roles).expect("a machine");
        let scope = format!(
            "openid urn:zitadel:iam:org:projects:roles urn:zitadel:iam:org:project:id:{}:aud \
             urn:zitadel:iam:org:project:id:{client}:aud",
            idp.project()
        );
        let now = jiff::Timestamp::now().as_second();
        let assertion = json!({
            "iss": key.user, "sub": key.user, "aud": idp.issuer(), "iat": now, "exp": now + 60,
        });
        let mut header = Header::new(Algorithm::RS256);
        header.kid = Some(key.key_id.clone());
        let pem = EncodingKey::from_rsa_pem(key.private_pem.as_bytes()).expect("a key");
        let assertion = jsonwebtoken::encode(&header, &assertion, &pem).expect("signed");
        let answer = token_request(
            idp,
            &[
                ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
                ("assertion", &assertion),
                ("scope", &scope),
            ],
        )
        .await;
        for kind in ["access_token", "id_token"] {
            let token = answer[kind].as_str().expect("a token");
            assert!(claims(token)["aud"].to_string().contains(client));
            assert!(scene.refuses(token).await, "{kind} of {name}");
        }
    }
    // Nor a person who was given a device's role by mistake: it would be bound like any other.
    let confused = scene.person("cleo", &["device", "fleet-viewer"]).await;
    assert!(
        scene.refuses(&confused.token()).await,
        "a person as a device"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn another_provider_that_names_roles_in_a_list_can_be_trusted_instead() {
    let scene = Scene::with("people-list", &json!({})).await;
    let person = scene.person("ada", &["fleet-viewer"]).await;
    let idp = scene.idp();
    let client = scene.people().client_id();
    let roles = ["--roles-claim", "/realm_access/roles", "--prefix", "sso:"];
    let clients = ["--client-id", client, "--client-id", "more"];
    let flags = [roles, clients].concat();
    let configuration = authentication_config(&idp.issuer(), idp.ca_file(), &flags);
    let server = scene.bed.api_server().expect("an API server");
    server
        .trust_people(&configuration)
        .await
        .expect("ready again");
    let token = person.token();
    let known = || async { scene.whoami(&token).await.is_ok() };
    assert!(
        wait::until(SOON, known).await,
        "the API server knows nobody"
    );
    let who = scene.whoami(&token).await.expect("is somebody");
    assert_eq!(who.username, Some(format!("sso:{}", person.subject)));
    // This provider's tokens have no such list.
    assert_eq!(who.groups, Some(vec!["system:authenticated".to_owned()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_that_fleet_prints_is_the_one_that_all_this_is_tested_with() {
    let bed = Testbed::builder("people-file").people().start().await;
    let bed = bed.expect("a cluster");
    let (idp, people) = (bed.idp().expect("an IdP"), bed.people().expect("people"));
    let printed = authentication_config(
        &idp.issuer(),
        idp.ca_file(),
        &[
            ["--client-id", people.client_id()],
            ["--zitadel-project", idp.project()],
            ["--zitadel-organisation", idp.organisation()],
            ["--prefix", "idp:"],
            ["--output", "json"],
        ]
        .concat(),
    );
    let printed: Value = serde_json::from_str(&printed).expect("JSON");
    let used = serde_json::to_value(people.provider().configuration()).expect("JSON");
    assert_eq!(printed, used);
}

async fn code_flow(scene: &Scene, client: &str) -> Value {
    code_flow_at(scene.idp(), client).await
}

/// The code flow without `fleet`: whoever is at the browser gets tokens for this application.
async fn code_flow_at(idp: &fleet_testbed::Idp, client: &str) -> Value {
    // RFC 7636, appendix B.
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    let scope = format!(
        "openid urn:zitadel:iam:org:projects:roles urn:zitadel:iam:org:project:id:{}:aud",
        idp.project()
    );
    let query = encoded(&[
        ("client_id", client),
        ("redirect_uri", REDIRECT),
        ("response_type", "code"),
        ("scope", &scope),
        ("state", "s"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ]);
    let address = format!("{}/oauth/v2/authorize?{query}", idp.issuer());
    let request = Request::get(address).body(Vec::new()).expect("an address");
    let answer = http(idp).send(request).await.expect("an answer");
    let back = answer.headers()["location"].to_str().expect("text");
    let fields = back.split(['?', '&']);
    let mut codes = fields.filter_map(|field| field.strip_prefix("code="));
    let code = codes.next().expect("a code");
    token_request(
        idp,
        &[
            ("grant_type", "authorization_code"),
            ("client_id", client),
            ("code", code),
            ("redirect_uri", REDIRECT),
            ("code_verifier", VERIFIER),
        ],
    )
    .await
}

async fn token_request(idp: &fleet_testbed::Idp, fields: &[(&str, &str)]) -> Value {
    let request = Request::post(format!("{}/oauth/v2/token", idp.issuer()))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(encoded(fields).into_bytes())
        .expect("a request");
    let answer = http(idp).send(request).await.expect("an answer");
    let text = String::from_utf8_lossy(answer.body());
    assert!(answer.status().is_success(), "{text}");
    serde_json::from_str(&text).expect("JSON")
}

fn http(idp: &fleet_testbed::Idp) -> Http {
    Http::new(Some(idp.ca_file())).expect("a client")
}

fn encoded(fields: &[(&str, &str)]) -> String {
    let encode = |text: &str| -> String {
        let byte = |b: u8| match b {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' => {
                char::from(b).to_string()
            }
            b => format!("%{b:02X}"),
        };
        text.bytes().map(byte).collect()
    };
    let fields = fields
        .iter()
        .map(|(name, value)| format!("{name}={}", encode(value)));
    fields.collect::<Vec<_>>().join("&")
}
