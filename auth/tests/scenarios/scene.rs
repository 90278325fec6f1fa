//! A bus with its callout, an issuer, and devices that log in.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fleet_bus::async_nats::{self, Client, ConnectOptions, Event};
use fleet_testbed::{Builder, Callout, CalloutOptions, Testbed, wait};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use crate::idp::{Idp, Key, ORGANISATION, PROJECT};

/// For what takes a moment on a machine that also compiles.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// Lets in every device that the issuer vouches for.
pub(crate) const EVERYBODY: &str = r#"{"default": {}}"#;

/// A bus that asks a callout, and an issuer with one key. No callout runs yet.
pub(crate) struct Scene {
    pub(crate) bed: Testbed,
    pub(crate) idp: Idp,
    pub(crate) key: Key,
}

impl Scene {
    pub(crate) async fn start(name: &str) -> Self {
        Self::over(Testbed::builder(name).callout()).await
    }

    pub(crate) async fn over(bed: Builder) -> Self {
        let key = Key::new("key-1");
        Self {
            bed: bed.start().await.expect("bed"),
            idp: Idp::start(&[&key]).await,
            key,
        }
    }

    pub(crate) fn policy_file(&self) -> PathBuf {
        self.bed.folder().join("policies.json")
    }

    pub(crate) fn decide(&self, policies: &str) {
        // Beside it first: a half-written file is never seen.
        let staged = self.bed.folder().join("policies.new");
        std::fs::write(&staged, policies).expect("written");
        std::fs::rename(&staged, self.policy_file()).expect("renamed");
    }

    /// Options for a replica that believes the issuer.
    pub(crate) fn options(&self, name: &str) -> CalloutOptions {
        let policies = self.policy_file().display().to_string();
        CalloutOptions::replica(name)
            .args(["--oidc-issuer", self.idp.issuer()])
            .args(["--oidc-audience", PROJECT])
            .args(["--oidc-organisation", ORGANISATION])
            .args(["--policy-file", &policies])
            .env("FLEET_JWKS_MIN_INTERVAL", "0.2")
    }

    /// Starts a replica and waits until it is ready.
    pub(crate) async fn callout(&self, options: CalloutOptions) -> Callout {
        if !self.policy_file().exists() {
            self.decide(EVERYBODY);
        }
        let callout = self.bed.start_callout(options).expect("started");
        let ready = || async { page(&callout, "/readyz").await.starts_with("HTTP/1.1 200") };
        assert!(wait::until(SOON, ready).await, "{}", callout.log());
        callout
    }

    /// The same as Zitadel would mint for a device.
    pub(crate) fn token(&self, device: &str) -> String {
        self.key.token(&self.idp.claims(device))
    }

    /// A device's connection, for more than logging in.
    pub(crate) async fn device(&self, name: &str, token: &str) -> DeviceClient {
        DeviceClient::connect(&self.bed.nats().expect("a bus").url(), name, token).await
    }

    /// Whether one login succeeds; `name` is how the client calls itself, and is in the audit log.
    pub(crate) async fn lets_in(&self, name: &str, token: &str) -> bool {
        let address = self.bed.nats().expect("a bus").address();
        Held::log_in(address, name, token).await.is_some()
    }

    /// A connection that does not come back by itself.
    pub(crate) async fn held(&self, name: &str, token: &str) -> Held {
        let address = self.bed.nats().expect("a bus").address();
        let held = Held::log_in(address, name, token).await;
        held.expect("let in")
    }
}

/// A device's connection, spoken by hand: the client library comes back by itself, and takes the
/// server's own PING, which comes after two seconds of waiting for the callout, for a login that
/// succeeded.
pub(crate) struct Held(BufReader<TcpStream>);

impl Held {
    pub(crate) async fn log_in(address: SocketAddr, name: &str, token: &str) -> Option<Self> {
        let stream = TcpStream::connect(address).await.expect("a server");
        let mut held = Self(BufReader::new(stream));
        let connect = json!({
            "auth_token": token, "name": name, "lang": "test", "version": "0",
            "verbose": false, "pedantic": false, "protocol": 1,
        });
        let greeting = format!("CONNECT {connect}\r\nPING\r\n");
        // A server that refuses the first bytes may close before the last are sent.
        let _ = held.0.get_mut().write_all(greeting.as_bytes()).await;
        let answer = tokio::time::timeout(SOON, held.pong()).await;
        let let_in = answer.expect("the server answers or closes");
        let_in.then_some(held)
    }

    /// Whether the server still talks to this connection.
    pub(crate) async fn answers(&mut self) -> bool {
        let sent = self.0.get_mut().write_all(b"PING\r\n").await;
        let answer = tokio::time::timeout(SOON, self.pong()).await;
        sent.is_ok() && answer.expect("the server answers or closes")
    }

    /// Whether the server closes it within this time.
    pub(crate) async fn ends(&mut self, time: Duration) -> bool {
        let ended = async {
            let mut line = String::new();
            while self.0.read_line(&mut line).await.is_ok_and(|read| read > 0) {
                if line.starts_with("PING") {
                    let _ = self.0.get_mut().write_all(b"PONG\r\n").await;
                }
                line.clear();
            }
        };
        tokio::time::timeout(time, ended).await.is_ok()
    }

    async fn pong(&mut self) -> bool {
        let mut line = String::new();
        while self.0.read_line(&mut line).await.is_ok_and(|read| read > 0) {
            match line.trim_end() {
                "PONG" => return true,
                error if error.starts_with("-ERR") => return false,
                _ => line.clear(),
            }
        }
        false
    }
}

/// A device's connection.
pub(crate) struct DeviceClient {
    pub(crate) client: Client,
    errors: Arc<Mutex<Vec<String>>>,
}

impl DeviceClient {
    async fn connect(url: &str, device: &str, token: &str) -> Self {
        let options = ConnectOptions::with_token(token.to_owned())
            .name(device)
            .custom_inbox_prefix(format!("_INBOX_{device}"));
        Self::over(options, url).await
    }

    /// With other options than a device's.
    pub(crate) async fn over(options: ConnectOptions, url: &str) -> Self {
        let errors: Arc<Mutex<Vec<String>>> = Arc::default();
        let seen = Arc::clone(&errors);
        let client = options
            .connection_timeout(Duration::from_secs(20))
            .event_callback(move |event| {
                let seen = Arc::clone(&seen);
                async move {
                    if let Event::ServerError(error) = event {
                        seen.lock().expect("unpoisoned").push(error.to_string());
                    }
                }
            })
            .connect(url)
            .await
            .expect("let in");
        Self { client, errors }
    }

    /// What the server complained about.
    pub(crate) fn errors(&self) -> Vec<String> {
        self.errors.lock().expect("unpoisoned").clone()
    }
}

/// The lines of the audit log about a client of this name.
pub(crate) fn audit(callout: &Callout, client: &str) -> Vec<String> {
    let named = format!("client_name=\"{client}\"");
    let log = callout.log();
    let lines = log.lines().filter(|line| line.contains(" audit: "));
    lines
        .filter(|line| line.contains(&named))
        .map(str::to_owned)
        .collect()
}

/// A page of a replica, with its head; empty if it does not answer.
pub(crate) async fn page(callout: &Callout, path: &str) -> String {
    let get = async {
        let mut stream = TcpStream::connect(callout.metrics_addr()).await.ok()?;
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        Some(answer)
    };
    let answer = tokio::time::timeout(Duration::from_secs(2), get).await;
    answer.ok().flatten().unwrap_or_default()
}

/// Changes one claim; with `Value::Null` it goes.
pub(crate) fn with(mut claims: Value, name: &str, value: Value) -> Value {
    let object = claims.as_object_mut().expect("an object");
    match value {
        Value::Null => drop(object.remove(name)),
        value => drop(object.insert(name.to_owned(), value)),
    }
    claims
}

/// A client of the platform's own.
pub(crate) async fn operator(scene: &Scene) -> async_nats::Client {
    let nats = scene.bed.nats().expect("a bus");
    nats.operator_client().await.expect("the operator connects")
}
