//! Calls to the enrolment service, each with its proof.

use std::sync::Arc;

use bytes::Bytes;
use fleet_agent_core::identity::ServerClock;
use fleet_agent_core::identity::enrolment::{Heard, hear, hear_next_key};
use fleet_contracts::enrolment::proof::{Call, PROOF_HEADER, signing_input};
use fleet_contracts::enrolment::rotation::{key_path, next_key_path};
use fleet_contracts::enrolment::{
    COLLECTION, DevicePublicKey, EnrolmentId, EnrolmentRequest, KeyChange, NEW_KEY_PROOF_HEADER,
    SCHEMA_VERSION, path,
};
use fleet_contracts::{jws, payload};
use hyper::Method;

use super::EnrolError;
use crate::clock::{boottime, wall_seconds};
use crate::https::{Answer, Ask, Https, HttpsError, Trust};
use crate::identity::key::DeviceKey;
use crate::identity::{full, sign};

/// A key, with the id that proofs name it by.
#[derive(Debug, Clone)]
pub(crate) struct Signer {
    pub(crate) key: Arc<dyn DeviceKey>,
    pub(crate) public: DevicePublicKey,
}

impl Signer {
    /// Signs with this key.
    pub(crate) fn new(key: &Arc<dyn DeviceKey>, public: &DevicePublicKey) -> Self {
        Self {
            key: key.clone(),
            public: public.clone(),
        }
    }
}

/// The service, as this device's key meets it.
#[derive(Debug)]
pub(crate) struct Service {
    url: String,
    https: Https,
    signer: Signer,
    id: EnrolmentId,
    clock: ServerClock,
}

impl Service {
    /// About enrolment `id`, with this key.
    pub(crate) fn new(
        url: &str,
        trust: Trust,
        id: EnrolmentId,
        key: &Arc<dyn DeviceKey>,
        public: &DevicePublicKey,
    ) -> Self {
        Self {
            url: url.to_owned(),
            https: Https::new(trust),
            signer: Signer::new(key, public),
            id,
            clock: ServerClock::default(),
        }
    }

    /// The enrolment this is about.
    pub(super) fn id(&self) -> &EnrolmentId {
        &self.id
    }

    /// From now on with this key.
    pub(crate) fn sign_with(&mut self, signer: Signer) {
        self.signer = signer;
    }

    /// The service's time, in seconds since 1970; the device's own before the first answer.
    pub(crate) fn now(&self) -> u64 {
        self.clock.seconds(boottime(), wall_seconds())
    }

    /// Offers a key to come next.
    pub(crate) async fn offer(&mut self, next: &Signer) -> Result<Heard, EnrolError> {
        let path = next_key_path(&self.id);
        let signer = self.signer.clone();
        let signers = [(PROOF_HEADER, &signer), (NEW_KEY_PROOF_HEADER, next)];
        let body = change(next);
        self.call(Method::PUT, &path, body, &signers, hear_next_key)
            .await
    }

    /// Says that `used` is in use.
    pub(crate) async fn take_up(&mut self, used: &Signer) -> Result<Heard, EnrolError> {
        let path = key_path(&self.id);
        let signers = [(PROOF_HEADER, used)];
        self.call(Method::PUT, &path, change(used), &signers, hear)
            .await
    }

    /// Asks for enrolment.
    pub(super) async fn post(&mut self, request: &EnrolmentRequest) -> Result<Heard, EnrolError> {
        let signer = self.signer.clone();
        let signers = [(PROOF_HEADER, &signer)];
        let body = payload::encode(request);
        self.call(Method::POST, COLLECTION, body, &signers, hear)
            .await
    }

    /// Looks how the enrolment stands.
    pub(crate) async fn get(&mut self) -> Result<Heard, EnrolError> {
        let path = path(&self.id);
        let signer = self.signer.clone();
        let signers = [(PROOF_HEADER, &signer)];
        self.call(Method::GET, &path, vec![], &signers, hear).await
    }

    async fn call(
        &mut self,
        method: Method,
        path: &str,
        body: Vec<u8>,
        signers: &[(&'static str, &Signer)],
        understand: Understand,
    ) -> Result<Heard, EnrolError> {
        let call = Call {
            method: method.as_str(),
            path,
            body: &body,
        };
        let seconds = self.now();
        let mut headers = Vec::with_capacity(signers.len());
        for (name, signer) in signers {
            let id = signer.public.enrolment_id();
            let input = signing_input(&self.url, &id, &call, seconds);
            let signature = sign(&signer.key, Bytes::from(input.clone())).await?;
            headers.push((*name, jws::compact(&input, &signature)));
        }
        let url = format!("{}{path}", self.url);
        let answer = self.https.ask(Ask {
            method,
            headers: &headers,
            body: body.into(),
            ..Ask::get(&url)
        });
        let answer = match answer.await {
            Ok(answer) => answer,
            // Nothing but another address or file helps.
            Err(error @ (HttpsError::Url(_) | HttpsError::Tls(_))) => {
                return Err(EnrolError::Trust(full(&error)));
            }
            Err(error) => {
                let message = full(&error);
                return Ok(Heard::Trouble { message, wait: 0 });
            }
        };
        if let Some(date) = &answer.date {
            self.clock.hear(date, boottime());
        }
        let Answer {
            status,
            retry_after,
            body,
            ..
        } = answer;
        Ok(understand(&self.id, status, retry_after, &body))
    }
}

/// Takes an answer apart.
type Understand = fn(&EnrolmentId, u16, Option<u64>, &[u8]) -> Heard;

fn change(to: &Signer) -> Vec<u8> {
    payload::encode(&KeyChange {
        schema_version: SCHEMA_VERSION,
        public_key: to.public.clone(),
    })
}
