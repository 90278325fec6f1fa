//! An attacker who is a device of the fleet, and a victim beside it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_nats::{Client, ConnectOptions, Event};
use bytes::Bytes;
use fleet_bus::Bus;
use fleet_contracts::kv::Bucket;
use fleet_testbed::{Idp, wait};
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use crate::bed::{Bed, SOON, Servers, operator};
use crate::claims;

/// What stands under every key of attacker and victim before the attack.
pub(crate) const ORIGINAL: &[u8] = b"the owner's";

pub(crate) struct Scene {
    /// The attacker's device id.
    pub(crate) me: String,
    /// The victim's.
    pub(crate) victim: String,
    pub(crate) bus: Bus,
    pub(crate) shared: Arc<Bed>,
}

/// A device's connection, and what the server complained about.
pub(crate) struct Attacker {
    pub(crate) client: Client,
    errors: Arc<Mutex<Vec<String>>>,
}

impl Scene {
    /// Both devices have all their keys, written by the platform.
    pub(crate) async fn on(servers: Servers, attack: &str) -> Self {
        let shared = Bed::shared(servers).await;
        let id = attack.trim_start_matches("attack_").replace('_', "-");
        let scene = Self {
            me: format!("a-{id}"),
            victim: format!("v-{id}"),
            bus: operator(&shared.bed).await,
            shared,
        };
        for device in [&scene.me, &scene.victim] {
            for (bucket, key) in keys(device) {
                let stored = scene.bus.put(bucket, &key, ORIGINAL.into()).await;
                stored.expect("stored");
            }
        }
        scene
    }

    pub(crate) fn idp(&self) -> &Idp {
        self.shared.bed.idp().expect("idp")
    }

    /// A token of this device.
    pub(crate) fn token(&self, device: &str) -> String {
        let idp = self.idp();
        claims::signed(idp, &claims::of_device(idp, device))
    }

    /// The attacker with its own good token.
    pub(crate) async fn attacker(&self) -> Attacker {
        self.connect(&self.me).await
    }

    /// A device with its own good token.
    pub(crate) async fn connect(&self, device: &str) -> Attacker {
        let errors: Arc<Mutex<Vec<String>>> = Arc::default();
        let seen = Arc::clone(&errors);
        let nats = self.shared.bed.nats().expect("a bus");
        let client = ConnectOptions::with_token(self.token(device))
            .name(device)
            .custom_inbox_prefix(format!("_INBOX_{device}"))
            .connection_timeout(Duration::from_secs(20))
            .request_timeout(Some(Duration::from_millis(500)))
            .event_callback(move |event| {
                let seen = Arc::clone(&seen);
                async move {
                    // What the server said, and that it hung up.
                    if matches!(event, Event::ServerError(_) | Event::Disconnected) {
                        seen.lock().expect("unpoisoned").push(event.to_string());
                    }
                }
            })
            .connect(nats.url())
            .await
            .expect("let in");
        let attacker = Attacker { client, errors };
        attacker.client.flush().await.expect("let in");
        attacker
    }

    /// Whether one login succeeds; `name` is how the client calls itself in the audit log.
    ///
    /// Spoken by hand, because the client library takes the server's own PING, which comes after two
    /// seconds of waiting for the callout, for a login that succeeded.
    pub(crate) async fn lets_in(&self, name: &str, credential: &str) -> bool {
        let connect = json!({
            "auth_token": credential, "name": name, "lang": "test", "version": "0",
            "verbose": false, "pedantic": false, "protocol": 1,
        });
        let address = self.shared.bed.nats().expect("a bus").address();
        log_in(address, &connect.to_string()).await
    }

    /// The callout refused every login of a client of this name, for this reason.
    pub(crate) async fn assert_refused(&self, credential: &str, reason: &str) {
        let name = format!("{}-{reason}", self.me);
        assert!(!self.lets_in(&name, credential).await, "let in");
        let named = format!("client_name=\"{name}\"");
        let said = format!("reason=\"{reason}\"");
        let log = self.shared.callout.log();
        let lines: Vec<_> = log.lines().filter(|line| line.contains(&named)).collect();
        let right = !lines.is_empty() && lines.iter().all(|line| line.contains(&said));
        assert!(right, "{reason}: {lines:?}");
        assert!(
            credential.len() < 20 || !log.contains(credential),
            "a token is in the log"
        );
    }

    /// Whatever was sent was taken or refused, and what the platform or the victim wrote still stands.
    pub(crate) async fn assert_untouched(&self, attacker: &Attacker) {
        attacker.client.flush().await.expect("still connected");
        self.bus.client().flush().await.expect("connected");
        for bucket in Bucket::ALL {
            // A stream stores in the order of arrival: once this is stored, so is what came before.
            let key = format!("settle.{}", self.me);
            let settled = self.bus.put(bucket, &key, "x".into()).await;
            settled.expect("stored");
        }
        let mut keys = keys(&self.victim).to_vec();
        keys.extend(keys_of_the_platform(&self.me));
        for (bucket, key) in keys {
            let stored = self.bus.get(bucket, &key).await.expect("answers");
            let value = stored.map(|stored| stored.value);
            assert_eq!(value.as_deref(), Some(ORIGINAL), "{} {key}", bucket.name());
        }
    }
}

impl Attacker {
    /// The answer to a request, if there is one: a server refuses by silence.
    pub(crate) async fn ask(&self, subject: &str, body: &str) -> Option<Bytes> {
        let asked = self
            .client
            .request(subject.to_owned(), Bytes::from(body.to_owned()));
        asked.await.ok().map(|answer| answer.payload)
    }

    /// The server said that this is not allowed.
    pub(crate) async fn assert_complaint(&self, text: &str) {
        let complained = || async {
            let errors = self.errors.lock().expect("unpoisoned");
            errors.iter().any(|e| e.to_lowercase().contains(text))
        };
        let errors = || self.errors.lock().expect("unpoisoned").clone();
        assert!(
            wait::until(SOON, complained).await,
            "{text}: {:?}",
            errors()
        );
    }
}

/// Logs in with this `CONNECT`; whether the server answers a PING then.
pub(crate) async fn log_in(address: std::net::SocketAddr, connect: &str) -> bool {
    let stream = TcpStream::connect(address).await.expect("a server");
    let mut stream = BufReader::new(stream);
    let greeting = format!("CONNECT {connect}\r\nPING\r\n");
    // A server that refuses the first bytes may close before the last are sent.
    let _ = stream.get_mut().write_all(greeting.as_bytes()).await;
    let answer = async {
        let mut line = String::new();
        while stream.read_line(&mut line).await.is_ok_and(|read| read > 0) {
            match line.trim_end() {
                "PONG" => return true,
                error if error.starts_with("-ERR") => return false,
                _ => line.clear(),
            }
        }
        false
    };
    let answer = tokio::time::timeout(SOON, answer).await;
    answer.expect("the server answers or closes")
}

fn keys(device: &str) -> [(Bucket, String); 5] {
    let [manifest, entry] = keys_of_the_platform(device);
    [
        manifest,
        entry,
        (Bucket::DeviceInfo, device.to_owned()),
        (Bucket::DeviceState, format!("{device}.shop.web")),
        (Bucket::DeviceHeartbeat, device.to_owned()),
    ]
}

fn keys_of_the_platform(device: &str) -> [(Bucket, String); 2] {
    [
        (Bucket::DesiredState, format!("{device}._manifest")),
        (Bucket::DesiredState, format!("{device}.shop.web")),
    ]
}
