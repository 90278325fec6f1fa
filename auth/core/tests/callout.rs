#![allow(clippy::expect_used, clippy::panic, reason = "test code")]
//! The callout's protocol as a server speaks it, and as others might.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fleet_auth_core::callout::{Account, AuthRequest, KeyFault, Sealing, ServiceKeys, answer};
use fleet_auth_core::{AuthReason, Caps, Grant, Refusal};
use fleet_contracts::Permissions;
use nkeys::{KeyPair, XKey};
use serde_json::{Value, json};

const NOW: u64 = 1_800_000_000;

/// A server, the service it asks, and a user it asks about.
struct Scene {
    server: KeyPair,
    server_curve: XKey,
    issuer: KeyPair,
    curve: XKey,
    user: String,
}

impl Scene {
    fn new() -> Self {
        Self {
            server: KeyPair::new_server(),
            server_curve: XKey::new(),
            issuer: KeyPair::new_account(),
            curve: XKey::new(),
            user: KeyPair::new_user().public_key(),
        }
    }

    fn keys(&self) -> ServiceKeys {
        let next = KeyPair::new_account().seed().expect("a seed");
        let issuers = [next, self.issuer.seed().expect("a seed")];
        let curves = [XKey::new(), self.curve.clone()].map(|curve| curve.seed().expect("a seed"));
        let texts = |seeds: &[String; 2]| seeds.clone();
        let (issuers, curves) = (texts(&issuers), texts(&curves));
        ServiceKeys::from_seeds(
            issuers.iter().map(String::as_str),
            curves.iter().map(String::as_str),
        )
        .expect("keys")
    }

    /// What a server sends; see `auth_callout.go` of nats-server.
    fn claims(&self) -> Value {
        json!({
            "aud": "nats-authorization-request", "iss": self.server.public_key(),
            "sub": self.issuer.public_key(), "iat": NOW, "exp": NOW + 5, "jti": "X",
            "nats": {
                "type": "authorization_request", "version": 2, "user_nkey": self.user,
                "server_id": {
                    "name": "n1", "host": "0.0.0.0", "id": self.server.public_key(),
                    "version": "2.15.1", "xkey": self.server_curve.public_key(),
                },
                "client_info": {
                    "host": "10.0.0.7", "id": 12, "user": "[REDACTED]", "kind": "Client",
                    "type": "nats", "name": "dev-1",
                },
                "connect_opts": {"auth_token": "the token", "name": "dev-1", "protocol": 1},
            },
        })
    }

    fn open(&self, text: &str, now: u64) -> Result<AuthRequest, AuthReason> {
        let sealed = self.server_curve.seal(text.as_bytes(), &self.curve);
        let sender = self.server_curve.public_key();
        let opened = AuthRequest::open(&sealed.expect("sealed"), Some(&sender), &self.keys(), now);
        opened.map_err(|refusal| refusal.reason)
    }

    fn changed(&self, pointer: &str, value: Value) -> AuthReason {
        let mut claims = self.claims();
        *claims.pointer_mut(pointer).expect("a claim") = value;
        let opened = self.open(&jwt(&claims, &self.server), NOW);
        opened.map(drop).expect_err("refused")
    }
}

fn jwt(claims: &Value, key: &KeyPair) -> String {
    jwt_with(&json!({"typ": "JWT", "alg": "ed25519-nkey"}), claims, key)
}

fn jwt_with(header: &Value, claims: &Value, key: &KeyPair) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(header), part(claims));
    let signature = key.sign(signed.as_bytes()).expect("signed");
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// The claims, if this key signed them.
fn read(jwt: &str, key: &KeyPair) -> Value {
    let (signed, signature) = jwt.rsplit_once('.').expect("three parts");
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).expect("base64url");
    key.verify(signed.as_bytes(), &decode(signature))
        .expect("signed by the issuer");
    let (_, claims) = signed.split_once('.').expect("three parts");
    serde_json::from_slice(&decode(claims)).expect("claims")
}

#[test]
fn a_servers_request_is_read() {
    let scene = Scene::new();
    let request = scene
        .open(&jwt(&scene.claims(), &scene.server), NOW)
        .expect("read");
    assert_eq!(request.token.expose(), "the token");
    assert_eq!(request.client.host, "10.0.0.7");
    assert_eq!(
        (request.client.id, request.client.name.as_str()),
        (12, "dev-1")
    );
    assert_eq!(request.server.id, scene.server.public_key());
    assert!(!format!("{request:?}").contains("the token"), "{request:?}");
}

#[test]
fn requests_of_others_for_others_or_of_yesterday_are_refused() {
    use AuthReason as R;
    let scene = Scene::new();
    let other = |key: KeyPair| json!(key.public_key());
    let account = || other(KeyPair::new_account());
    assert_eq!(scene.changed("/aud", json!("SYS")), R::RequestForeign);
    assert_eq!(scene.changed("/sub", account()), R::RequestForeign);
    let kind = scene.changed("/nats/type", json!("authorization_response"));
    assert_eq!(kind, R::RequestForeign);
    for (pointer, value) in [
        ("/iss", other(KeyPair::new_server())),
        ("/iss", account()),
        ("/iss", json!("N")),
        ("/nats/server_id/id", other(KeyPair::new_server())),
        ("/nats/server_id/xkey", json!(XKey::new().public_key())),
        ("/nats/server_id/xkey", json!("")),
        ("/nats/user_nkey", account()),
        ("/nats/user_nkey", json!("U")),
        ("/exp", Value::Null),
    ] {
        assert_eq!(
            scene.changed(pointer, value),
            R::RequestMalformed,
            "{pointer}"
        );
    }
    let late = scene.open(&jwt(&scene.claims(), &scene.server), NOW + 11);
    assert_eq!(late.expect_err("late"), R::RequestExpired);
    let signed_by_other = jwt(&scene.claims(), &KeyPair::new_server());
    let refused = scene.open(&signed_by_other, NOW).expect_err("forged");
    assert_eq!(refused, R::RequestMalformed);
    let header = json!({"typ": "JWT", "alg": "none"});
    let unsigned = jwt_with(&header, &scene.claims(), &scene.server);
    assert_eq!(
        scene.open(&unsigned, NOW).expect_err("alg"),
        R::RequestMalformed
    );
}

#[test]
fn what_is_not_sealed_to_us_by_its_server_is_refused() {
    let scene = Scene::new();
    let text = jwt(&scene.claims(), &scene.server);
    let reason = |body: &[u8], sender: Option<&str>| {
        let opened = AuthRequest::open(body, sender, &scene.keys(), NOW);
        opened.map(drop).expect_err("refused").reason
    };
    let sender = scene.server_curve.public_key();
    assert_eq!(reason(text.as_bytes(), None), AuthReason::RequestUnsealed);
    assert_eq!(
        reason(text.as_bytes(), Some(&sender)),
        AuthReason::RequestMalformed
    );
    let elsewhere = scene.server_curve.seal(text.as_bytes(), &XKey::new());
    let elsewhere = elsewhere.expect("sealed");
    assert_eq!(
        reason(&elsewhere, Some(&sender)),
        AuthReason::RequestMalformed
    );
    let stranger = XKey::new();
    let relayed = stranger
        .seal(text.as_bytes(), &scene.curve)
        .expect("sealed");
    let by_stranger = reason(&relayed, Some(&stranger.public_key()));
    assert_eq!(by_stranger, AuthReason::RequestMalformed);
}

#[test]
fn an_answer_is_for_one_server_and_one_user_and_grants_this() {
    let scene = Scene::new();
    let request = scene
        .open(&jwt(&scene.claims(), &scene.server), NOW)
        .expect("read");
    let device = "dev-1".parse().expect("valid");
    let grant = Grant {
        permissions: Permissions::of_device(&device),
        device,
        limits: Caps::default().limits,
        expires: NOW + 600,
        on_clone: None,
    };
    let sealing = Sealing {
        now: NOW,
        nonce: [7; 24],
    };
    let account = Account("DEVICES".to_owned());
    let respond = |verdict: Result<&Grant, &Refusal>| {
        let sealed = answer(&request, verdict, &account, &scene.keys(), sealing).expect("sealed");
        assert!(sealed.starts_with(b"xkv1"));
        let opened = scene
            .server_curve
            .open(&sealed, &scene.curve)
            .expect("for the server");
        let mut claims = read(&String::from_utf8(opened).expect("text"), &scene.issuer);
        assert_eq!(claims["jti"].as_str().expect("an id").len(), 32);
        claims["jti"].take();
        claims
    };
    let refusal = Refusal::new(AuthReason::DeviceDenied, "shut out");
    let head = |nats: Value| {
        json!({
            "jti": null, "iat": NOW, "iss": scene.issuer.public_key(), "sub": scene.user,
            "aud": scene.server.public_key(), "nats": nats,
        })
    };
    let refused = json!({
        "type": "authorization_response", "version": 2, "error": "DeviceDenied: shut out",
    });
    assert_eq!(respond(Err(&refusal)), head(refused));

    let mut admitted = respond(Ok(&grant));
    let user = admitted["nats"]["jwt"].take();
    let kind = json!({"type": "authorization_response", "version": 2, "jwt": null});
    assert_eq!(admitted, head(kind));
    let mut user = read(user.as_str().expect("a JWT"), &scene.issuer);
    user["jti"].take();
    let expected = json!({
        "jti": null, "iat": NOW, "exp": NOW + 600, "iss": scene.issuer.public_key(),
        "sub": scene.user, "aud": "DEVICES", "name": "dev-1",
        "nats": {
            "type": "user", "version": 2,
            "pub": {"allow": [
                "get.desired.dev-1.>", "up.info.dev-1", "up.state.dev-1.*.*", "up.heartbeat.dev-1",
            ]},
            "sub": {"allow": ["down.desired.dev-1", "_INBOX_dev-1.>"]},
            "subs": 20, "data": -1, "payload": 262_144, "allowed_connection_types": ["STANDARD"],
        },
    });
    assert_eq!(user, expected);
}

#[test]
fn seeds_of_another_kind_make_no_keys() {
    let account = KeyPair::new_account().seed().expect("a seed");
    let user = KeyPair::new_user().seed().expect("a seed");
    let curve = XKey::new().seed().expect("a seed");
    let reason = |issuer: &[&str], curve: &[&str]| {
        let keys = ServiceKeys::from_seeds(issuer.iter().copied(), curve.iter().copied());
        keys.map(drop).map_err(KeyFault::reason)
    };
    assert_eq!(reason(&[&account], &[&curve]), Ok(()));
    assert_eq!(reason(&[&user], &[&curve]), Err("IssuerSeed"));
    assert_eq!(reason(&[&account], &[&user]), Err("XkeySeed"));
    assert_eq!(reason(&[], &[&curve]), Err("NoKeys"));
}
