//! An issuer with keys of its own, over HTTP: no more of an identity provider than a callout sees.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize, PublicKeyComponents};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub(crate) const PROJECT: &str = "311";
pub(crate) const ORGANISATION: &str = "42";

/// A signature key with its id.
pub(crate) struct Key {
    pub(crate) id: String,
    pair: KeyPair,
}

impl Key {
    pub(crate) fn new(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            pair: KeyPair::generate(KeySize::Rsa2048).expect("a key"),
        }
    }

    fn jwk(&self) -> Value {
        let public = PublicKeyComponents::<Vec<u8>>::from(self.pair.public_key());
        let number = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        json!({
            "kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.id,
            "n": number(&public.n), "e": number(&public.e),
        })
    }

    /// The public half as somebody would use it for a secret.
    pub(crate) fn public_der(&self) -> Vec<u8> {
        let der = self.pair.public_key().as_der().expect("encodable");
        der.as_ref().to_vec()
    }

    pub(crate) fn sign(&self, signed: &str) -> Vec<u8> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(
                &RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                signed.as_bytes(),
                &mut signature,
            )
            .expect("signed");
        signature
    }

    /// A token with this header's `alg` and `kid`.
    pub(crate) fn token(&self, claims: &Value) -> String {
        let header = json!({"alg": "RS256", "typ": "JWT", "kid": self.id});
        let signed = signing_input(&header, claims);
        let signature = URL_SAFE_NO_PAD.encode(self.sign(&signed));
        format!("{signed}.{signature}")
    }
}

pub(crate) fn signing_input(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", part(header), part(claims))
}

#[derive(Default)]
struct Published {
    issuer: String,
    keys: Mutex<Vec<Value>>,
    reads: AtomicUsize,
    hosts: Mutex<Vec<String>>,
}

/// A running issuer.
pub(crate) struct Idp {
    pub(crate) address: SocketAddr,
    published: Arc<Published>,
    server: JoinHandle<()>,
}

impl Idp {
    pub(crate) async fn start(keys: &[&Key]) -> Self {
        Self::start_as(None, keys).await
    }

    /// One that goes by another name than its address, if there is one.
    pub(crate) async fn start_as(issuer: Option<&str>, keys: &[&Key]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let published = Arc::new(Published {
            issuer: issuer.map_or_else(|| format!("http://{address}"), str::to_owned),
            ..Published::default()
        });
        let idp = Self {
            address,
            server: tokio::spawn(serve(listener, Arc::clone(&published))),
            published,
        };
        idp.publish(keys);
        idp
    }

    pub(crate) fn issuer(&self) -> &str {
        &self.published.issuer
    }

    /// These keys, and no longer others.
    pub(crate) fn publish(&self, keys: &[&Key]) {
        let keys = keys.iter().map(|key| key.jwk()).collect();
        *self.published.keys.lock().expect("unpoisoned") = keys;
    }

    /// How often its keys were asked for.
    pub(crate) fn reads(&self) -> usize {
        self.published.reads.load(Ordering::SeqCst)
    }

    /// The hosts that were asked for.
    pub(crate) fn hosts(&self) -> Vec<String> {
        self.published.hosts.lock().expect("unpoisoned").clone()
    }

    pub(crate) async fn stop(&mut self) {
        self.server.abort();
        // It was aborted: how it ended says nothing.
        let _ = (&mut self.server).await;
    }

    pub(crate) async fn start_again(&mut self) {
        let listener = TcpListener::bind(self.address).await.expect("the port");
        self.server = tokio::spawn(serve(listener, Arc::clone(&self.published)));
    }

    /// Claims as Zitadel puts them into the access token of a machine user.
    pub(crate) fn claims(&self, device: &str) -> Value {
        let now = now();
        let roles = format!("urn:zitadel:iam:org:project:{PROJECT}:roles");
        let id = fastrand::u64(..);
        json!({
            "iss": self.issuer(), "sub": format!("user-of-{device}"), "aud": [PROJECT],
            "client_id": format!("user-of-{device}"), "jti": format!("V2_{id}"),
            "iat": now, "nbf": now, "exp": now + 600,
            (roles): {"device": {ORGANISATION: "fleet.example.com"}},
            "urn:zitadel:iam:user:resourceowner:id": ORGANISATION,
            "urn:zitadel:iam:user:metadata": {"device-id": URL_SAFE_NO_PAD.encode(device)},
        })
    }
}

impl Drop for Idp {
    fn drop(&mut self) {
        self.server.abort();
    }
}

pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("after 1970").as_secs()
}

async fn serve(listener: TcpListener, published: Arc<Published>) {
    let router = Router::new()
        .route("/.well-known/openid-configuration", get(discovery))
        .route("/oauth/v2/keys", get(keys))
        // Each connection for one answer, so that an issuer that is stopped is away.
        .layer(axum::middleware::map_response(close))
        .with_state(published);
    axum::serve(listener, router).await.expect("serving");
}

async fn close(mut response: axum::response::Response) -> axum::response::Response {
    let headers = response.headers_mut();
    headers.insert("connection", axum::http::HeaderValue::from_static("close"));
    response
}

async fn discovery(State(published): State<Arc<Published>>) -> Json<Value> {
    let issuer = &published.issuer;
    Json(json!({"issuer": issuer, "jwks_uri": format!("{issuer}/oauth/v2/keys")}))
}

async fn keys(
    State(published): State<Arc<Published>>,
    headers: HeaderMap,
) -> Result<Json<Value>, StatusCode> {
    let host = headers.get("host").and_then(|host| host.to_str().ok());
    let host = host.ok_or(StatusCode::BAD_REQUEST)?.to_owned();
    published.hosts.lock().expect("unpoisoned").push(host);
    published.reads.fetch_add(1, Ordering::SeqCst);
    let keys = published.keys.lock().expect("unpoisoned").clone();
    Ok(Json(json!({"keys": keys})))
}
