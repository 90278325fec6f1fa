//! Questions as a nats-server asks them: signed with its key, sealed to the callout's.

use std::path::Path;

use bytes::Bytes;
use fleet_auth_core::callout::{SUBJECT, XKEY_HEADER};
use fleet_bus::async_nats::HeaderMap;
use fleet_contracts::jws;
use nkeys::{KeyPair, XKey};
use serde_json::json;

use super::scene::{Holder, Scene, now};
use crate::Error;

/// Longer than the benchmark takes; a server gives five seconds.
const LIFE: u64 = 3_000;

/// What a server has keys for.
pub(super) struct Server {
    identity: KeyPair,
    curve: XKey,
    user: String,
    /// The callout's, public.
    issuer: String,
    callout: XKey,
}

/// A question, ready to be sent.
pub(super) struct Question(pub(super) Bytes);

impl Server {
    /// A server that asks the scene's callout.
    pub(super) fn new(scene: &Scene) -> Result<Self, Error> {
        let seeds = scene.bed.nats()?.callout_seeds();
        let (issuer, xkey) =
            seeds.ok_or_else(|| Error::Unexpected("the bus has no callout".into()))?;
        let issuer = KeyPair::from_seed(read(&issuer)?.trim()).map_err(|e| bad(&e))?;
        let callout = XKey::from_seed(read(&xkey)?.trim()).map_err(|e| bad(&e))?;
        Ok(Self {
            identity: KeyPair::new_server(),
            curve: XKey::new(),
            user: KeyPair::new_user().public_key(),
            issuer: issuer.public_key(),
            callout: XKey::from_public_key(&callout.public_key()).map_err(|e| bad(&e))?,
        })
    }

    /// Where questions are sent.
    pub(super) const fn subject() -> &'static str {
        SUBJECT
    }

    /// What goes with each.
    pub(super) fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(XKEY_HEADER, self.curve.public_key().as_str());
        headers
    }

    /// Whether this device may log in; `connection` is its number on the server.
    pub(super) fn ask(&self, holder: &Holder, connection: usize) -> Result<Question, Error> {
        let (id, now) = (self.identity.public_key(), now());
        let claims = json!({
            "aud": "nats-authorization-request", "iss": id, "sub": self.issuer,
            "iat": now, "exp": now + LIFE, "jti": format!("bench-{connection}"),
            "nats": {
                "type": "authorization_request", "version": 2, "user_nkey": self.user,
                "server_id": {
                    "name": "bench", "host": "127.0.0.1", "id": id,
                    "version": "2.15.1", "xkey": self.curve.public_key(),
                },
                "client_info": {
                    "host": "127.0.0.1", "id": connection, "user": "[REDACTED]",
                    "kind": "Client", "type": "nats", "name": holder.device,
                },
                "connect_opts": {
                    "auth_token": holder.token, "name": holder.device, "lang": "rust",
                    "version": "0.51.0", "protocol": 1,
                },
            },
        });
        let header = json!({"typ": "JWT", "alg": "ed25519-nkey"});
        let input = jws::signing_input(&header, &claims);
        let signature = self.identity.sign(input.as_bytes()).map_err(|e| bad(&e))?;
        let text = jws::compact(&input, &signature);
        let sealed = self.curve.seal(text.as_bytes(), &self.callout);
        Ok(Question(sealed.map_err(|e| bad(&e))?.into()))
    }
}

fn read(path: &Path) -> Result<String, Error> {
    std::fs::read_to_string(path)
        .map_err(|e| Error::Unexpected(format!("cannot read {}: {e}", path.display())))
}

fn bad(error: &dyn std::fmt::Display) -> Error {
    Error::Unexpected(format!("a key of NATS cannot be used: {error}"))
}
