//! One request: opened, judged, logged, answered.

use std::time::Instant;

use fleet_auth_core::callout::{Account, AuthRequest, Sealing, ServiceKeys, answer};
use fleet_auth_core::{
    AuthReason, Caps, Fingerprint, Grant, Identity, Refusal, TokenRules, admit, identify,
};
use fleet_contracts::DeviceId;
use fleet_service::chain;
use fleet_service::limit::Limiter;

use super::presence::Admission;
use super::verified::Verified;
use crate::jwks::{Jwks, Loaded};
use crate::metrics::{ADMITTED, Metrics};
use crate::policy::PolicySource;
use crate::{audit, clock};

/// What a server is answered, and what the other replicas are told.
#[derive(Debug)]
pub struct Answer {
    /// For the server.
    pub sealed: Vec<u8>,
    /// Who was let in.
    pub admitted: Option<Admission>,
}

/// All that a verdict takes.
#[derive(Debug)]
pub struct Judge<P> {
    /// The service's own keys.
    pub keys: ServiceKeys,
    /// Where devices are put.
    pub account: Account,
    /// What a token must say.
    pub rules: TokenRules,
    /// The most that is granted.
    pub caps: Caps,
    /// The identity provider's keys.
    pub jwks: std::sync::Arc<Jwks>,
    /// What was decided about devices.
    pub policies: P,
    /// How often devices may log in.
    pub limiter: Limiter<DeviceId>,
    /// How often logins from one address may fail before tokens that are not known yet are no longer
    /// looked at. Those who prove who they are never use it up, but wait with the others.
    pub failures: Limiter<String>,
    /// Tokens that were verified before.
    pub verified: Verified,
    /// What happened.
    pub metrics: std::sync::Arc<Metrics>,
}

impl<P: PolicySource> Judge<P> {
    /// What to answer to a sealed request; none if it is to stay without an answer.
    pub async fn handle(&self, body: &[u8], sender: Option<&str>) -> Option<Answer> {
        let started = Instant::now();
        let request = match AuthRequest::open(body, sender, &self.keys, clock::now()) {
            Ok(request) => request,
            Err(refusal) => {
                audit::refused(None, &refusal);
                let reason = refusal.reason.as_str();
                self.metrics.judged(reason, started.elapsed());
                return None;
            }
        };
        let verdict = self.verdict(&request).await;
        let reason = match &verdict {
            Ok((identity, grant)) => {
                audit::admitted(&request, identity, grant);
                ADMITTED
            }
            Err(refusal) => {
                audit::refused(Some(&request), refusal);
                refusal.reason.as_str()
            }
        };
        self.metrics.judged(reason, started.elapsed());
        let verdict = verdict.as_ref().map(|(_, grant)| grant);
        if verdict.is_err_and(|refusal| refusal.reason.is_garbage()) {
            return None;
        }
        let sealing = sealing()?;
        let sealed = answer(&request, verdict, &self.account, &self.keys, sealing)?;
        let admitted = verdict.ok().map(|grant| admission(&request, grant));
        Some(Answer { sealed, admitted })
    }

    async fn verdict(&self, request: &AuthRequest) -> Result<(Identity, Grant), Refusal> {
        let identity = self.identity(request).await?;
        if !self.limiter.take(&identity.device, Instant::now()) {
            let refusal = Refusal::new(AuthReason::RateLimited, "it logs in too often");
            return Err(refusal.about(&identity.about()));
        }
        let policy = self.policies.of(&identity.device).await.map_err(|error| {
            Refusal::new(AuthReason::PolicyUnavailable, chain(&error)).about(&identity.about())
        })?;
        let (now, entropy) = (clock::now(), fastrand::u64(..));
        let grant = admit(&identity, policy.as_ref(), &self.caps, now, entropy)?;
        Ok((identity, grant))
    }

    async fn identity(&self, request: &AuthRequest) -> Result<Identity, Refusal> {
        let token = request.token.expose();
        let keys = self.jwks.usable().await.ok_or_else(|| {
            let detail = match self.jwks.current() {
                None => "the identity provider's keys were not read yet",
                Some(_) => "the identity provider's keys were not read for too long",
            };
            Refusal::new(AuthReason::KeysUnavailable, detail)
        })?;
        let known = self.verified.get(token, keys.version, clock::now());
        self.metrics.looked_up(known.is_some());
        if let Some(identity) = known {
            return Ok(identity);
        }
        let source = &request.client.host;
        if !self.failures.has(source, Instant::now()) {
            let detail = "too many logins from this address failed";
            return Err(Refusal::new(AuthReason::RateLimited, detail));
        }
        let (keys, outcome) = match self.identify(token, &keys) {
            // It may have been signed with a key that is newer than those we have.
            Err(refusal) if may_be_newer(&refusal) => {
                match self.jwks.newer_than(keys.version).await {
                    Some(newer) => {
                        let outcome = self.identify(token, &newer);
                        (newer, outcome)
                    }
                    None => (keys, Err(refusal)),
                }
            }
            outcome => (keys, outcome),
        };
        let identity = outcome.inspect_err(|_| {
            self.failures.take(source, Instant::now());
        })?;
        let now = clock::now();
        self.verified.keep(token, keys.version, &identity, now);
        Ok(identity)
    }

    fn identify(&self, token: &str, keys: &Loaded) -> Result<Identity, Refusal> {
        identify(token, &keys.set, &self.rules, clock::now())
    }
}

fn may_be_newer(refusal: &Refusal) -> bool {
    refusal.reason == AuthReason::KeyUnknown && refusal.about.key_id.is_some()
}

fn admission(request: &AuthRequest, grant: &Grant) -> Admission {
    Admission {
        device: grant.device.clone(),
        token: Fingerprint::of(request.token.expose()),
        server: request.server.id.clone(),
        client: request.client.id,
        source: request.client.host.clone(),
        on_clone: grant.on_clone,
        at: clock::now_ms(),
    }
}

/// None if the system has no random numbers; then nothing can be sealed.
fn sealing() -> Option<Sealing> {
    let mut nonce = [0; 24];
    aws_lc_rs::rand::fill(&mut nonce).ok()?;
    Some(Sealing {
        now: clock::now(),
        nonce,
    })
}
