//! Answers devices: reads what is known, lets the core judge, writes what follows.

use std::collections::BTreeMap;
use std::net::IpAddr;

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use fleet_api::DeviceEnrolmentSpec;
use fleet_auth_core::enrol::{Admission, Asked, Standing, TokenId, admit, holds};
use fleet_contracts::enrolment::proof::Call;
use fleet_contracts::enrolment::{
    Approval, COLLECTION, DevicePublicKey, Enrolment, EnrolmentId, EnrolmentRefusal as Refusal,
    EnrolmentRequest, EnrolmentState, Proof, SCHEMA_VERSION, path,
};
use fleet_contracts::{DeviceId, UnixMillis};
use fleet_service::chain;
use serde::de::DeserializeOwned;

use super::audit;
use super::policy::PolicyFile;
use super::registry::{Registry, RegistryError};
use super::tokens::{TokenError, TokenStore};
use super::view::{View, seconds};
use crate::clock;

/// Readings of what somebody else changes at the same time. For a token the second settles it: it is
/// used then. A status is written by whoever provisions, too, a few times in a row.
pub(super) const READINGS: usize = 5;
/// While what was decided is being done.
pub(super) const SOON: u32 = 1;

/// What answers need.
pub struct Desk {
    /// The enrolments.
    pub registry: Registry,
    /// The tokens.
    pub tokens: TokenStore,
    /// The URLs by which devices know this service.
    pub services: Vec<String>,
    /// What an approved device is told, but for what is its own.
    pub fleet: Fleet,
    /// What nobody has to approve.
    pub policy: PolicyFile,
    /// Seconds between two questions.
    pub poll_after: u32,
}

/// What every approved device is told.
#[derive(Debug, Clone)]
pub struct Fleet {
    /// The identity provider.
    pub issuer: String,
    /// The project there.
    pub project_id: String,
    /// Certificates (PEM) of the identity provider.
    pub issuer_ca: Option<String>,
    /// The bus.
    pub nats_url: String,
    /// Certificates (PEM) of the bus.
    pub nats_ca: Option<String>,
    /// Whose manifests to follow.
    pub manifest_keys: Vec<fleet_contracts::signing::TrustedKey>,
}

impl Desk {
    /// `POST /v1/enrolments`.
    pub async fn post(
        &self,
        proof: &str,
        body: &[u8],
        source: IpAddr,
    ) -> Result<Enrolment, Refusal> {
        let request: EnrolmentRequest = parse(body)?;
        let key = request.public_key.enrolment_id();
        let call = Call {
            method: "POST",
            path: COLLECTION,
            body,
        };
        self.check(proof, &key, &request.public_key, &call)?;
        for _ in 0..READINGS {
            if let Some(view) = self.admit(&request, &key, source).await? {
                let view = self.ask_policy(view, &request.token, source).await?;
                return self.state(&view).await;
            }
        }
        Err(Refusal::Unavailable)
    }

    /// `GET /v1/enrolments/<id>`.
    pub async fn get(&self, proof: &str, id: &str) -> Result<Enrolment, Refusal> {
        let id: EnrolmentId = id.parse().map_err(|_| Refusal::NotFound)?;
        let view = self.find(&id).await?;
        let key = view.key().ok_or(Refusal::NotFound)?;
        let path = path(&id);
        let call = Call {
            method: "GET",
            path: &path,
            body: &[],
        };
        self.check(proof, &key.enrolment_id(), &key, &call)?;
        self.state(&view).await
    }

    pub(super) async fn find(&self, id: &EnrolmentId) -> Result<View, Refusal> {
        let found = self.registry.get(id.as_str()).await.map_err(|e| away(&e))?;
        found.ok_or(Refusal::NotFound)
    }

    /// Whether the call comes from whoever holds the key.
    pub(super) fn check(
        &self,
        proof: &str,
        id: &EnrolmentId,
        key: &DevicePublicKey,
        call: &Call<'_>,
    ) -> Result<(), Refusal> {
        let services: Vec<&str> = self.services.iter().map(String::as_str).collect();
        let proof = Proof::parse(proof)?;
        // The time last: who knows it is off knows that all else was right.
        let covered = proof.covers(&services, id, call, clock::now());
        if covered == Err(Refusal::BadProof) {
            return covered;
        }
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.as_der())
            .verify(proof.signed(), proof.signature())
            .map_err(|_| Refusal::BadProof)?;
        covered
    }

    /// One attempt; none if somebody changed the token in between.
    async fn admit(
        &self,
        request: &EnrolmentRequest,
        key: &EnrolmentId,
        source: IpAddr,
    ) -> Result<Option<View>, Refusal> {
        let stored = self
            .tokens
            .find(&request.token)
            .await
            .map_err(|e| no_token(&e))?;
        let existing = self
            .registry
            .get(key.as_str())
            .await
            .map_err(|e| away(&e))?;
        let asked = Asked {
            token: &request.token,
            key,
            device: request.device_id.as_ref(),
            labels: &request.labels,
        };
        let record = stored.as_ref().map(|stored| &stored.record);
        let known = existing.as_ref().map(View::existing);
        let admission = admit(&asked, record, known.as_ref(), clock::now())?;
        let Admission::Open {
            device,
            consume,
            replace,
        } = admission
        else {
            return Ok(existing);
        };
        self.require_free(&device, key).await?;
        if let (Some(stored), Some(used)) = (&stored, consume)
            && !self
                .tokens
                .consume(stored, used)
                .await
                .map_err(|e| no_token(&e))?
        {
            return Ok(None);
        }
        if let Some(uid) = replace {
            let removed = self.registry.remove(key.as_str(), uid).await;
            removed.map_err(|e| away(&e))?;
        }
        audit::opened(
            key.as_str(),
            device.as_str(),
            &TokenId::of(&request.token),
            source,
        );
        let bound = record.and_then(|record| record.labels.clone());
        let spec = spec(request, device, bound);
        let opened = self.registry.open(key.as_str(), spec);
        opened.await.map_err(|e| away(&e))?;
        self.registry.get(key.as_str()).await.map_err(|e| away(&e))
    }

    /// Whether no other key holds the device id. Two that ask at once may both pass; then the older
    /// one of their enrolments holds it, and the other is told so when it asks again.
    async fn require_free(&self, device: &DeviceId, key: &EnrolmentId) -> Result<(), Refusal> {
        let rivals = self
            .registry
            .wanting(device.as_str())
            .await
            .map_err(|e| away(&e))?;
        let other = |view: &View| view.name != key.as_str() && !view.is_closed();
        if rivals.iter().any(other) {
            return Err(Refusal::DeviceIdTaken);
        }
        Ok(())
    }

    pub(super) async fn state(&self, view: &View) -> Result<Enrolment, Refusal> {
        let state = match view.standing {
            Standing::Pending => EnrolmentState::Pending {
                poll_after_seconds: self.poll_after,
                waits_for: None,
            },
            Standing::Approved => {
                let rivals = self
                    .registry
                    .wanting(view.device())
                    .await
                    .map_err(|e| away(&e))?;
                let claims: Vec<_> = rivals.iter().map(View::claim).collect();
                if !holds(&view.claim(), &claims) {
                    return Err(Refusal::DeviceIdTaken);
                }
                let waits_for = view.held_up_by().map(str::to_owned);
                EnrolmentState::Pending {
                    // An outage may be long.
                    poll_after_seconds: waits_for.as_ref().map_or(SOON, |_| self.poll_after),
                    waits_for,
                }
            }
            Standing::Ready => EnrolmentState::Approved(Box::new(self.approval(view)?)),
            Standing::Closed(reason) => {
                let approval = view.object.spec.approval.as_ref();
                let message = approval.map(|a| a.message.clone()).unwrap_or_default();
                EnrolmentState::Denied { reason, message }
            }
        };
        let enrolment_id = view.name.parse().map_err(|_| Refusal::NotFound)?;
        Ok(Enrolment {
            schema_version: SCHEMA_VERSION,
            enrolment_id,
            state,
        })
    }

    fn approval(&self, view: &View) -> Result<Approval, Refusal> {
        let status = view.object.status.clone().unwrap_or_default();
        let (Some(user_id), Some(key_id)) = (status.user_id, status.key_id) else {
            return Err(Refusal::Unavailable);
        };
        let fleet = self.fleet.clone();
        Ok(Approval {
            device_id: view.object.spec.device_id.clone(),
            issuer: fleet.issuer,
            user_id,
            key_id,
            project_id: fleet.project_id,
            issuer_ca: fleet.issuer_ca,
            nats_url: fleet.nats_url,
            nats_ca: fleet.nats_ca,
            manifest_keys: fleet.manifest_keys,
            key_expires_at: view
                .current_expires()
                .map(|s| UnixMillis(s.saturating_mul(1000))),
            rotate_at: status
                .key_rotate_at
                .map(|at| UnixMillis(seconds(&at).saturating_mul(1000))),
        })
    }
}

fn spec(
    request: &EnrolmentRequest,
    device_id: DeviceId,
    bound_labels: Option<BTreeMap<String, String>>,
) -> DeviceEnrolmentSpec {
    DeviceEnrolmentSpec {
        public_key: request.public_key.to_string(),
        fingerprint: request.public_key.fingerprint(),
        device_id,
        labels: request.labels.clone(),
        bound_labels,
        facts: request.facts.clone(),
        token_id: TokenId::of(&request.token).as_str().to_owned(),
        approval: None,
    }
}

/// A key that is none gets its own reason: it is what a device's owner can do something about.
pub(super) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|_| {
        let value: Option<serde_json::Value> = serde_json::from_slice(body).ok();
        let key = value.as_ref().and_then(|v| v.get("publicKey")?.as_str());
        match key {
            Some(key) if key.parse::<DevicePublicKey>().is_err() => Refusal::UnsupportedKey,
            _ => Refusal::Malformed,
        }
    })
}

pub(super) fn away(error: &RegistryError) -> Refusal {
    let refused = error.is_invalid();
    tracing::error!(error = chain(error), "an enrolment cannot be answered");
    if refused {
        Refusal::Malformed
    } else {
        Refusal::Unavailable
    }
}

pub(super) fn no_token(error: &TokenError) -> Refusal {
    tracing::error!(error = chain(error), "a token cannot be judged");
    Refusal::Unavailable
}
