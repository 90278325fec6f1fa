//! An attacker who is a device of the fleet, and a victim beside it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_nats::{Client, ConnectOptions, Event};
use bytes::Bytes;
use fleet_bus::Bus;
use fleet_contracts::kv::Bucket;
use fleet_testbed::{Idp, Lease, Nats, wait};
use futures::future::join_all;
use futures::{FutureExt as _, StreamExt as _};
use serde_json::{Value, json};

use crate::bed::{Bed, SOON, Servers, operator};
use crate::claims;
use crate::wire::Wire;

/// What stands under every key of attacker and victim before the attack.
pub(crate) const ORIGINAL: &[u8] = b"the owner's";

/// Both are let in, have read what is theirs, and have written what they may.
pub(crate) struct Scene {
    /// The attacker's device id.
    pub(crate) me: String,
    /// The victim's.
    pub(crate) victim: String,
    /// The platform's connection.
    pub(crate) bus: Bus,
    /// The attacker's connection, with its own good token.
    pub(crate) attacker: Device,
    /// The victim's.
    pub(crate) owner: Device,
    // Last, because the servers go with it.
    pub(crate) shared: Lease<Bed>,
}

/// A device's connection, and what the server complained about.
pub(crate) struct Device {
    pub(crate) client: Client,
    id: String,
    errors: Arc<Mutex<Vec<String>>>,
}

impl Scene {
    /// Platform and devices write their keys; so what is attacked works for its owner.
    pub(crate) async fn on(servers: Servers, attack: &str) -> Self {
        let shared = Bed::shared(servers).await;
        let id = attack.trim_start_matches("attack_").replace('_', "-");
        let (me, victim) = (format!("a-{id}"), format!("v-{id}"));
        let bus = operator(&shared.testbed).await;
        for device in [&me, &victim] {
            for (bucket, key) in keys_of_the_platform(device) {
                let stored = bus.put(bucket, &key, ORIGINAL.into()).await;
                stored.expect("stored");
            }
        }
        let (attacker, owner) = tokio::join!(
            Device::connect(&shared, &me, shared.servers.of_attacker()),
            Device::connect(&shared, &victim, shared.servers.of_victim())
        );
        tokio::join!(attacker.works(), owner.works());
        Self {
            me,
            victim,
            bus,
            attacker,
            owner,
            shared,
        }
    }

    pub(crate) fn idp(&self) -> &Idp {
        self.shared.testbed.idp().expect("idp")
    }

    pub(crate) fn nats(&self) -> &Nats {
        self.shared.testbed.nats().expect("a bus")
    }

    /// The server that the attacker speaks to.
    pub(crate) fn address(&self) -> std::net::SocketAddr {
        self.nats()
            .server_address(self.shared.servers.of_attacker())
    }

    /// A token of this device.
    pub(crate) fn token(&self, device: &str) -> String {
        claims::signed(self.idp(), &claims::of_device(self.idp(), device))
    }

    /// What a device says to log in.
    pub(crate) fn connect(&self, device: &str) -> Value {
        json!({"auth_token": self.token(device), "name": device})
    }

    /// A login succeeds, at the first attempt.
    pub(crate) async fn assert_let_in(&self, name: &str, credential: &str) {
        assert!(self.lets_in(name, credential).await, "{name} is not let in");
    }

    /// Whether one login succeeds; `name` is how the client calls itself in the audit log.
    async fn lets_in(&self, name: &str, credential: &str) -> bool {
        let connect = json!({"auth_token": credential, "name": name});
        Wire::open(self.address()).await.log_in(connect).await
    }

    /// The callout refuses a login with each of these, for its reason.
    pub(crate) async fn assert_refused<C: AsRef<str>>(&self, attempts: &[(C, &str)]) {
        // All at once: whoever proves nothing is not answered, and the server waits for a while.
        let attempts = attempts.iter().enumerate();
        join_all(attempts.map(|(number, (credential, reason))| {
            let name = format!("{}-{number}-{reason}", self.me);
            self.assert_one_refused(name, credential.as_ref(), reason)
        }))
        .await;
    }

    async fn assert_one_refused(&self, name: String, credential: &str, reason: &str) {
        assert!(!self.lets_in(&name, credential).await, "{name} was let in");
        let named = format!("client_name=\"{name}\"");
        let said = format!("reason=\"{reason}\"");
        let log = self.shared.callout.log();
        let lines: Vec<_> = log.lines().filter(|line| line.contains(&named)).collect();
        let right = !lines.is_empty() && lines.iter().all(|line| line.contains(&said));
        assert!(right, "{reason}: {lines:?}");
        let leaked = credential.len() >= 20 && log.contains(credential);
        assert!(!leaked, "a token is in the log");
    }

    /// The server itself refused the login, and did not ask the callout.
    pub(crate) async fn assert_never_asked(&self, credential: &str) {
        let name = format!("{}-unasked", self.me);
        assert!(!self.lets_in(&name, credential).await, "let in");
        assert!(!self.shared.callout.log().contains(&name), "asked");
    }

    /// Whatever was sent was taken or refused, and what platform and victim wrote still stands.
    pub(crate) async fn assert_untouched(&self) {
        // Its answers came after those of the attack, wherever those went.
        self.attacker.settle().await;
        for bucket in Bucket::ALL {
            // A stream stores in the order of arrival: once this is stored, so is what came before.
            let key = format!("settle.{}", self.me);
            let settled = self.bus.put(bucket, &key, "x".into()).await;
            settled.expect("stored");
        }
        let mut keys = keys(&self.victim).to_vec();
        keys.extend(keys_of_the_platform(&self.me));
        for (bucket, key) in keys {
            let value = self.value(bucket, &key).await;
            assert_eq!(value.as_deref(), Some(ORIGINAL), "{} {key}", bucket.name());
        }
        self.owner.reads_its_manifest().await;
    }

    /// What is stored under a key.
    pub(crate) async fn value(&self, bucket: Bucket, key: &str) -> Option<Bytes> {
        let stored = self.bus.get(bucket, key).await.expect("answers");
        stored.map(|stored| stored.value)
    }

    /// The attacker asks all of these, the server says of each that it is not allowed, and none is
    /// answered.
    pub(crate) async fn assert_forbidden(&self, requests: &[(String, String)]) {
        let client = &self.attacker.client;
        let inbox = client.new_inbox();
        let mut answers = client.subscribe(inbox.clone()).await.expect("sent");
        for (subject, body) in requests {
            let body = Bytes::from(body.clone());
            let sent = client.publish_with_reply(subject.clone(), inbox.clone(), body);
            sent.await.expect("sent");
        }
        let subjects = requests.iter().map(|(subject, _)| subject.as_str());
        self.attacker.assert_violations("publish", subjects).await;
        self.assert_untouched().await;
        let answer = answers.next().now_or_never().flatten();
        assert!(answer.is_none(), "{answer:?}");
    }
}

impl Device {
    /// Logs in at one server with its own good token.
    async fn connect(bed: &Bed, id: &str, server: usize) -> Self {
        let errors: Arc<Mutex<Vec<String>>> = Arc::default();
        let seen = Arc::clone(&errors);
        let idp = bed.testbed.idp().expect("idp");
        let token = claims::signed(idp, &claims::of_device(idp, id));
        let client = ConnectOptions::with_token(token)
            .name(id)
            .custom_inbox_prefix(format!("_INBOX_{id}"))
            .connection_timeout(Duration::from_secs(20))
            .request_timeout(Some(Duration::from_secs(5)))
            // Nothing may be dropped of what the server says.
            .subscription_capacity(1024)
            .event_callback(move |event| {
                let seen = Arc::clone(&seen);
                async move {
                    if let Event::ServerError(error) = event {
                        seen.lock().expect("unpoisoned").push(error.to_string());
                    }
                }
            })
            .connect(bed.testbed.nats().expect("a bus").server_url(server))
            .await
            .expect("let in");
        client.flush().await.expect("let in");
        let id = id.to_owned();
        Self { client, id, errors }
    }

    /// It reads what the platform wants of it, and writes what it may.
    async fn works(&self) {
        self.reads_its_manifest().await;
        join_all(self.subjects().map(|subject| async move {
            let answer = self.ask(&subject, ORIGINAL).await;
            assert!(answer.starts_with("{\"stream\":"), "{subject}: {answer}");
        }))
        .await;
    }

    /// Where it reports.
    pub(crate) fn subjects(&self) -> [String; 3] {
        let id = &self.id;
        [
            format!("up.info.{id}"),
            format!("up.state.{id}.shop.web"),
            format!("up.heartbeat.{id}"),
        ]
    }

    async fn reads_its_manifest(&self) {
        let own = format!("get.desired.{}._manifest", self.id);
        assert_eq!(self.request(&own, b"").await, ORIGINAL);
    }

    /// The answer to a request that is answered.
    pub(crate) async fn ask(&self, subject: &str, body: &'static [u8]) -> String {
        String::from_utf8_lossy(&self.request(subject, body).await).into_owned()
    }

    async fn request(&self, subject: &str, body: &'static [u8]) -> Bytes {
        let answer = self.client.request(subject.to_owned(), body.into()).await;
        let errors = self.errors.lock().expect("unpoisoned").clone();
        let answer = answer.unwrap_or_else(|error| panic!("{subject}: {error}: {errors:?}"));
        answer.payload
    }

    /// Each of the streams that it may write to has stored or refused all that it sent.
    async fn settle(&self) {
        let settled = self.subjects().map(|subject| async move {
            // Another of its keys, where it has more than one.
            let subject = subject.replace("shop.web", "shop.settle");
            self.ask(&subject, b"settled").await
        });
        join_all(settled).await;
    }

    /// The server said of each of these subjects that this device may not do that.
    pub(crate) async fn assert_violations<'a>(
        &self,
        verb: &str,
        subjects: impl IntoIterator<Item = &'a str>,
    ) {
        for subject in subjects {
            self.assert_complaint(&format!(
                "permissions violation for {verb} to \"{}\"",
                subject.to_lowercase()
            ))
            .await;
        }
    }

    /// The server said this, in small letters.
    pub(crate) async fn assert_complaint(&self, text: &str) {
        let errors = || self.errors.lock().expect("unpoisoned").clone();
        let complained = || async { errors().iter().any(|e| e.to_lowercase().contains(text)) };
        let said = wait::until(SOON, complained).await;
        assert!(said, "{text}: {:?}", errors());
    }
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
