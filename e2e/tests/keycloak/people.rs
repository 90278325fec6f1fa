//! People log in at Keycloak with `fleet login`, and a real API server lets them do what their part in
//! the chart's values is.

use std::sync::Arc;

use fleet_testbed::wait;
use http::{Request, header};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use crate::browser::{Browser, encoded};
use crate::cluster::{Cluster, SOON};
use crate::provider::{APPLICATION, BRIEF, FLEET, NEIGHBOUR, OTHER, PASSWORD, Provider};
use crate::user::{User, authentication_config, claims};

const WEB: &str = "deploy --name web --selector site=lab --image registry.example/web:1";

/// A cluster that believes the fleet's realm.
struct Scene {
    cluster: Cluster,
    provider: Arc<Provider>,
}

impl Scene {
    async fn start(name: &str, provider: Arc<Provider>) -> Self {
        let people = json!({
            "cluster": {"viewers": ["keycloak:fleet-viewer"], "admins": ["keycloak:fleet-admin"]},
            "namespaces": [{"namespace": "shop", "editors": ["keycloak:shop-editor"]}],
        });
        let cluster = Cluster::with(name, &people).await;
        let scene = Self { cluster, provider };
        scene.trust("/groups").await;
        scene
    }

    /// Lets the API server find roles there.
    async fn trust(&self, claim: &str) {
        let keycloak = self.provider.keycloak();
        let flags = [
            ["--client-id", APPLICATION],
            ["--client-id", BRIEF],
            ["--roles-claim", claim],
            ["--prefix", "keycloak:"],
        ];
        let (issuer, authority) = (keycloak.issuer(FLEET), keycloak.ca_file());
        let configuration = authentication_config(&issuer, &authority, &flags.concat());
        let server = self.cluster.bed.api_server().expect("an API server");
        let trusted = server.trust_people(&configuration).await;
        trusted.expect("ready again");
    }

    /// The API server asks the provider about itself in the background, and knows nobody until then.
    async fn until_known(&self, user: &User) {
        let token = user.token();
        let known = || async { self.cluster.whoami(&token).await.is_ok() };
        assert!(
            wait::until(SOON, known).await,
            "the API server knows nobody"
        );
    }

    async fn by_browser(&self, name: &str) -> User {
        self.log_in(name, FLEET, APPLICATION).await
    }

    /// By code flow: the provider's real form, and back to the page on loopback.
    async fn log_in(&self, name: &str, realm: &str, application: &str) -> User {
        let mut user = User::new(&self.cluster);
        let mut login = user.begin(&self.login("--no-browser", realm, application));
        let mut browser = Browser::new(self.provider.keycloak());
        let form = browser.open(&login.address("")).await;
        let page = browser.submit(&form, &fields(name)).await;
        assert!(page.text.contains("You are logged in"), "{}", page.text);
        user.end(login);
        user
    }

    /// By device flow: the code is in the address, and the person agrees.
    async fn by_code(&self, name: &str) -> User {
        let mut user = User::new(&self.cluster);
        let mut login = user.begin(&self.login("--device", FLEET, APPLICATION));
        let mut browser = Browser::new(self.provider.keycloak());
        let form = browser.open(&login.address("user_code=")).await;
        let question = browser.submit(&form, &fields(name)).await;
        let page = browser.submit(&question, &[("accept", "Yes")]).await;
        assert!(page.text.contains("Successful"), "{}", page.text);
        user.end(login);
        user
    }

    fn login(&self, how: &str, realm: &str, application: &str) -> Vec<String> {
        let keycloak = self.provider.keycloak();
        let authority = keycloak.ca_file().display().to_string();
        let issuer = keycloak.issuer(realm);
        let place = ["--issuer", &issuer, "--client-id", application];
        let words = [&[how], &place[..], &["--ca-file", &authority]].concat();
        words.into_iter().map(str::to_owned).collect()
    }

    /// The tokens that a device gets with its key.
    async fn tokens_of_device(&self, device: &str) -> Value {
        let provider = &self.provider;
        let now = jiff::Timestamp::now().as_second();
        let assertion = json!({
            "iss": device, "sub": device, "aud": provider.keycloak().issuer(FLEET),
            "jti": format!("{device}-{now}"), "iat": now, "exp": now + 60,
        });
        let mut head = Header::new(Algorithm::RS256);
        head.kid = Some(provider.key.id().to_owned());
        let key = EncodingKey::from_rsa_pem(provider.key.private_pem().as_bytes());
        let assertion = jsonwebtoken::encode(&head, &assertion, &key.expect("a key"));
        let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", device),
            ("client_assertion_type", kind),
            ("client_assertion", &assertion.expect("signed")),
            ("scope", "openid"),
        ];
        let form = form.map(|(name, value)| format!("{name}={}", encoded(value)));
        let path = format!("/realms/{FLEET}/protocol/openid-connect/token");
        let request = Request::post(path)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form.join("&"))
            .expect("a request");
        let answer = provider.keycloak().ask(request).await.expect("an answer");
        serde_json::from_slice(answer.body()).expect("JSON")
    }
}

fn fields(name: &str) -> [(&str, &str); 2] {
    [("username", name), ("password", PASSWORD)]
}

#[tokio::test(flavor = "multi_thread")]
async fn people_log_in_by_browser_and_by_code_and_may_do_what_their_roles_say() {
    let Some(provider) = Provider::shared("people of Keycloak").await else {
        return;
    };
    let scene = Scene::start("keycloak-rights", provider).await;
    let viewer = scene.by_browser("vera").await;
    scene.until_known(&viewer).await;
    let may = || async { viewer.kubectl("get fleetdep -A").is_ok() };
    assert!(wait::until(SOON, may).await, "a viewer reads");
    viewer.fleet("get devices").expect("sees devices");
    viewer.is_forbidden(viewer.fleet(&format!("{WEB} -n shop")));
    viewer.is_forbidden(viewer.fleet("get enrolments"));

    let editor = scene.by_code("edda").await;
    editor.fleet(&format!("{WEB} -n shop")).expect("deploys");
    editor.is_forbidden(editor.fleet(&format!("{WEB} -n lab")));
    editor.is_forbidden(editor.kubectl("get fleetdep -n lab"));
    editor.is_forbidden(editor.kubectl("get fleetdev"));

    let enrolment = scene.cluster.enrolment().await;
    editor.is_forbidden(editor.fleet(&format!("approve {enrolment}")));
    let admin = scene.by_browser("adam").await;
    let said = admin.fleet(&format!("approve {enrolment}"));
    assert!(said.expect("approves").contains("approved"));

    let nobody = scene.by_code("nora").await;
    let who = nobody.kubectl("auth whoami -o json").expect("is somebody");
    assert!(who.contains(&nobody.subject), "{who}");
    for what in ["fleetdep -n shop", "fleetdev", "fleetenrol"] {
        nobody.is_forbidden(nobody.kubectl(&format!("get {what}")));
    }
    let issuer = scene.provider.keycloak().issuer(FLEET);
    assert_eq!(nobody.log_out(), format!("Logged out of {issuer}.\n"));
    let refused = nobody.fleet("get devices");
    assert!(refused.is_err_and(|why| why.contains("nobody is logged in")));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_persons_token_of_this_realm_and_application_counts_and_while_it_lasts() {
    let Some(provider) = Provider::shared("tokens of Keycloak's people").await else {
        return;
    };
    let scene = Scene::start("keycloak-tokens", provider).await;
    let brief = scene.log_in("vera", FLEET, BRIEF).await;
    scene.until_known(&brief).await;
    let first = brief.token();

    for device in ["dev-1", "dev-person", "dev-admin"] {
        let tokens = scene.tokens_of_device(device).await;
        for kind in ["access_token", "id_token"] {
            let token = tokens[kind].as_str().expect("a token");
            assert!(scene.cluster.refuses(token).await, "{kind} of {device}");
        }
        let audience = &claims(tokens["access_token"].as_str().expect("a token"))["aud"];
        let is_ours = audience.to_string().contains(APPLICATION);
        assert_eq!(is_ours, device != "dev-1", "{device}: {audience}");
    }
    let neighbour = scene.log_in("adam", NEIGHBOUR, APPLICATION).await;
    assert!(
        scene.cluster.refuses(&neighbour.token()).await,
        "another realm's"
    );
    let other = scene.log_in("adam", FLEET, OTHER).await;
    assert!(
        scene.cluster.refuses(&other.token()).await,
        "another application's"
    );

    let ended = || async { scene.cluster.refuses(&first).await };
    assert!(wait::until(SOON, ended).await, "an ended token is good");
    // Nobody is at a browser, and nobody is asked.
    brief.kubectl("get fleetdev").expect("a new token");
    assert_ne!(brief.token(), first);

    // Where Keycloak puts roles by itself, once its mapper is told to do so in id tokens.
    let before = scene
        .cluster
        .whoami(&brief.token())
        .await
        .expect("is somebody");
    scene.trust("/realm_access/roles").await;
    scene.until_known(&brief).await;
    let after = scene
        .cluster
        .whoami(&brief.token())
        .await
        .expect("is somebody");
    let sorted = |groups: Option<Vec<String>>| {
        let mut groups = groups.expect("groups");
        groups.sort();
        groups
    };
    let groups = sorted(after.groups);
    assert!(groups.contains(&"keycloak:fleet-viewer".to_owned()));
    assert_eq!(groups, sorted(before.groups));
}
