//! Somebody in the callout's place: with its login at the bus, and some of its keys, but never all.
//!
//! A server takes an answer that is not sealed if the issuer signed it; sealing hides, and the
//! issuer's signature is what counts (`decodeResponse` in nats-server's `auth_callout.go`).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_nats::{Client, Message, Subscriber};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fleet_testbed::{Lease, Nats, Shared, Testbed, wait};
use futures::StreamExt as _;
use nkeys::{KeyPair, XKey};
use serde_json::{Value, json};

use crate::bed::{SOON, Servers, without_callout};
use crate::wire::Wire;

on_both!(
    crate::callout::Rogue;
    attack_answer_unsealed_and_signed_by_another,
    attack_answer_sealed_with_another_key,
    attack_answer_sealed_and_signed_by_another,
    attack_answer_for_another_server,
    attack_answer_for_another_user,
    attack_answer_that_was_given_before,
);

/// Answers instead of the callout, for the clients of one attack: every one that listens is asked.
pub(crate) struct Rogue {
    servers: Servers,
    /// How the client of the attack calls itself.
    name: String,
    client: Client,
    issuer: KeyPair,
    curve: XKey,
    // Last, because the servers go with it.
    shared: Lease<Unanswered>,
}

/// A bus that nobody has answered yet.
struct Unanswered {
    bed: Testbed,
    /// Held by who looks at what the server says of a login, which does not say of which.
    log: tokio::sync::Mutex<()>,
}

static ONE: Shared<Unanswered> = Shared::new(|test| test.starts_with("callout::single::"));
static THREE: Shared<Unanswered> = Shared::new(|test| test.starts_with("callout::cluster::"));

/// What a server asked.
struct Question {
    message: Message,
    server: String,
    server_curve: XKey,
    user: String,
}

/// What is said, and by whom.
struct Answer {
    server: String,
    user: String,
    user_inside: String,
}

impl Rogue {
    pub(crate) async fn on(servers: Servers, attack: &str) -> Self {
        let place = match servers {
            Servers::One => &ONE,
            Servers::Three => &THREE,
        };
        let shared = place.lease(move || async move {
            Unanswered {
                bed: without_callout(servers, "attacks-callout").await,
                log: tokio::sync::Mutex::default(),
            }
        });
        let shared = shared.await.expect("leased");
        let nats = shared.bed.nats().expect("a bus");
        let client = nats.client_with_seed(&nats.auth_seed()).await;
        let (issuer, curve) = nats.callout_seeds().expect("seeds");
        let read = |path| std::fs::read_to_string(path).expect("a seed");
        Self {
            servers,
            name: attack.to_owned(),
            client: client.expect("let in"),
            issuer: KeyPair::from_seed(read(issuer).trim()).expect("a key"),
            curve: XKey::from_seed(read(curve).trim()).expect("a key"),
            shared,
        }
    }

    fn nats(&self) -> &Nats {
        self.shared.bed.nats().expect("a bus")
    }

    /// The server of the attack knows of it when this returns: it asks nobody where nobody listens.
    async fn listen(&self) -> Subscriber {
        let questions = self.client.subscribe("$SYS.REQ.USER.AUTH").await;
        let questions = questions.expect("subscribed");
        let server = self.servers.of_attacker();
        let nats = self.nats();
        let there = nats
            .client_at(server, &nats.auth_seed())
            .await
            .expect("let in");
        let subject = format!("echo.{}", self.name);
        let mut echo = self
            .client
            .subscribe(subject.clone())
            .await
            .expect("subscribed");
        self.client.flush().await.expect("subscribed");
        let heard = std::sync::Mutex::new(false);
        // Subscriptions travel between servers in their order.
        tokio::join!(
            async {
                echo.next().await.expect("open");
                *heard.lock().expect("unpoisoned") = true;
            },
            wait::until(SOON, || async {
                let said = there.publish(subject.clone(), "".into()).await;
                said.expect("sent");
                there.flush().await.expect("connected");
                *heard.lock().expect("unpoisoned")
            })
        );
        questions
    }

    /// What it was asked, if it was about the client of this attack.
    fn read(&self, message: Message) -> Option<Question> {
        let headers = message.headers.as_ref().expect("headers");
        let sender = headers.get("Nats-Server-Xkey").expect("a curve key");
        let server_curve = XKey::from_public_key(sender.as_str()).expect("a key");
        let opened = self.curve.open(&message.payload, &server_curve);
        let text = String::from_utf8(opened.expect("sealed to us")).expect("text");
        let claims = text.split('.').nth(1).expect("claims");
        let claims = URL_SAFE_NO_PAD.decode(claims).expect("base64url");
        let claims: Value = serde_json::from_slice(&claims).expect("JSON");
        let word = |path: &str| {
            let found = claims.pointer(path).and_then(Value::as_str);
            found.expect(path).to_owned()
        };
        (word("/nats/connect_opts/name") == self.name).then(|| Question {
            server: word("/nats/server_id/id"),
            user: word("/nats/user_nkey"),
            server_curve,
            message,
        })
    }

    async fn reply(&self, question: &Question, body: Vec<u8>) {
        let to = question.message.reply.clone().expect("a reply subject");
        let sent = self.client.publish(to, body.into()).await;
        sent.expect("sent");
        self.client.flush().await.expect("connected");
    }

    fn seal(&self, question: &Question, answer: &str) -> Vec<u8> {
        let sealed = self.curve.seal(answer.as_bytes(), &question.server_curve);
        sealed.expect("sealed")
    }

    /// One login while this is what the server is answered; whether it succeeds.
    async fn login(&self, answer: impl Fn(&Question) -> Vec<u8>) -> bool {
        let mut questions = self.listen().await;
        let server = self.nats().server_address(self.servers.of_attacker());
        let connect = json!({"auth_token": "any", "name": self.name});
        let mut wire = Wire::open(server).await;
        let login = tokio::spawn(async move { wire.log_in(connect).await });
        let asked = async {
            loop {
                let message = questions.next().await.expect("open");
                if let Some(question) = self.read(message) {
                    return question;
                }
            }
        };
        let question = tokio::time::timeout(SOON, asked).await.expect("in time");
        self.reply(&question, answer(&question)).await;
        questions.unsubscribe().await.expect("unsubscribed");
        login.await.expect("no panic")
    }

    async fn assert_right_answers_are_taken(&self) {
        let right =
            |question: &Question| self.seal(question, &signed(&right(question), &self.issuer));
        // An answer may be lost between servers, and then a device tries again.
        let taken = wait::until(SOON, || self.login(right)).await;
        assert!(taken, "the right answer is taken");
    }

    /// A device is let in by what is right, so that what is wrong is refused for that alone.
    async fn assert_refused(&self, why: &str, answer: impl Fn(&Question) -> Vec<u8>) {
        self.assert_right_answers_are_taken().await;
        let _log = self.shared.log.lock().await;
        let log = || self.nats().server(self.servers.of_attacker()).log();
        let before = log().len();
        let said = || async { log()[before..].to_lowercase().contains(why) };
        let refused = || async {
            assert!(!self.login(&answer).await, "let in");
            wait::until(Duration::from_secs(2), said).await
        };
        assert!(wait::until(SOON, refused).await, "{why}: {}", log());
    }
}

fn right(question: &Question) -> Answer {
    Answer {
        server: question.server.clone(),
        user: question.user.clone(),
        user_inside: question.user.clone(),
    }
}

/// The answer with its user, both signed by this key.
fn signed(answer: &Answer, issuer: &KeyPair) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.expect("after 1970").as_secs();
    let everything = json!({"allow": [">"]});
    let user = json!({
        "jti": "user", "iat": now, "exp": now + 600, "iss": issuer.public_key(),
        "sub": answer.user_inside, "aud": "DEVICES", "name": "attacker",
        "nats": {
            "type": "user", "version": 2, "pub": everything, "sub": everything,
            "subs": -1, "data": -1, "payload": -1,
        },
    });
    let user = jwt(&user, issuer);
    let answer = json!({
        "jti": "answer", "iat": now, "iss": issuer.public_key(), "sub": answer.user,
        "aud": answer.server,
        "nats": {"type": "authorization_response", "version": 2, "jwt": user},
    });
    jwt(&answer, issuer)
}

fn jwt(claims: &Value, key: &KeyPair) -> String {
    let header = json!({"typ": "JWT", "alg": "ed25519-nkey"});
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let input = format!("{}.{}", part(&header), part(claims));
    let signature = key.sign(input.as_bytes()).expect("signed");
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
}

async fn attack_answer_unsealed_and_signed_by_another(rogue: &Rogue) {
    let own = KeyPair::new_account();
    let answer = |question: &Question| signed(&right(question), &own).into_bytes();
    rogue.assert_refused("signing key is unknown", answer).await;
}

async fn attack_answer_sealed_with_another_key(rogue: &Rogue) {
    let own = XKey::new();
    let answer = |question: &Question| {
        let answer = signed(&right(question), &rogue.issuer);
        let sealed = own.seal(answer.as_bytes(), &question.server_curve);
        sealed.expect("sealed")
    };
    rogue.assert_refused("error decrypting", answer).await;
}

async fn attack_answer_sealed_and_signed_by_another(rogue: &Rogue) {
    let own = KeyPair::new_account();
    let answer = |question: &Question| rogue.seal(question, &signed(&right(question), &own));
    rogue.assert_refused("wrong issuer", answer).await;
}

async fn attack_answer_for_another_server(rogue: &Rogue) {
    let answer = |question: &Question| {
        let answer = Answer {
            server: KeyPair::new_server().public_key(),
            ..right(question)
        };
        rogue.seal(question, &signed(&answer, &rogue.issuer))
    };
    rogue.assert_refused("is not for server", answer).await;
}

async fn attack_answer_for_another_user(rogue: &Rogue) {
    let outside = |question: &Question| {
        let answer = Answer {
            user: KeyPair::new_user().public_key(),
            ..right(question)
        };
        rogue.seal(question, &signed(&answer, &rogue.issuer))
    };
    rogue
        .assert_refused("is not for expected user", outside)
        .await;
    let inside = |question: &Question| {
        let answer = Answer {
            user_inside: KeyPair::new_user().public_key(),
            ..right(question)
        };
        rogue.seal(question, &signed(&answer, &rogue.issuer))
    };
    rogue
        .assert_refused("expected authorized user", inside)
        .await;
}

async fn attack_answer_that_was_given_before(rogue: &Rogue) {
    let kept = std::sync::Mutex::new(None);
    let first = |question: &Question| {
        let answer = signed(&right(question), &rogue.issuer);
        *kept.lock().expect("unpoisoned") = Some(answer.clone());
        rogue.seal(question, &answer)
    };
    assert!(wait::until(SOON, || rogue.login(first)).await, "good once");
    let kept = kept.into_inner().expect("unpoisoned").expect("kept");
    let again = |question: &Question| rogue.seal(question, &kept);
    rogue
        .assert_refused("is not for expected user", again)
        .await;
}
