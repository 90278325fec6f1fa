//! The identity provider: finds its token endpoint, signs, asks.

use std::error::Error;
use std::sync::Arc;

use bytes::Bytes;
use fleet_agent_core::identity::{Failed, FailureReason, Grant, Minted, ServerClock, answer};
use hyper::Method;
use serde::{Deserialize, Serialize};

use super::key::{DeviceKey, KeyError};
use crate::clock::{boottime, wall_seconds};
use crate::config::Identity;
use crate::https::{Answer, Ask, Https, HttpsError, Trust};

/// Where providers describe themselves, below the issuer.
const METADATA: &str = "/.well-known/openid-configuration";
/// A device's clock that is further off, in seconds, is worth a line.
const WORTH_SAYING: u64 = 5;

/// What was learnt of a provider, for the next time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Known {
    /// Its token endpoint.
    pub(crate) endpoint: Option<String>,
    /// Its time.
    pub(crate) clock: ServerClock,
}

/// The provider of a device's tokens.
#[derive(Debug)]
pub(crate) struct Provider {
    issuer: String,
    grant: Grant,
    key: Arc<dyn DeviceKey>,
    https: Https,
    known: Known,
}

impl Provider {
    /// As configured; nothing is tried yet.
    pub(crate) fn new(identity: Identity, key: Arc<dyn DeviceKey>, known: Known) -> Self {
        Self {
            https: Https::new(Trust::from_file(identity.ca_file.as_deref())),
            issuer: identity.issuer,
            grant: identity.grant,
            key,
            known,
        }
    }

    /// What is known of it by now.
    pub(crate) fn into_known(self) -> Known {
        self.known
    }

    /// Asks for a token.
    pub(crate) async fn mint(&mut self) -> Result<Minted, Failed> {
        let endpoint = match self.known.endpoint.take() {
            Some(endpoint) => endpoint,
            None => self.discover().await?,
        };
        let minted = self.ask_for_token(&endpoint).await;
        // What the provider does not know at this address may have moved: it is looked up again.
        let moved = |f: &Failed| f.reason == FailureReason::Malformed;
        if !minted.as_ref().is_err_and(moved) {
            self.known.endpoint = Some(endpoint);
        }
        minted
    }

    /// The first call also brings the provider's time, before anything is signed.
    async fn discover(&mut self) -> Result<String, Failed> {
        let url = format!("{}{METADATA}", self.issuer.trim_end_matches('/'));
        let answer = self.heard(Ask::get(&url)).await?;
        let ahead = self.known.clock.device_ahead(boottime(), wall_seconds());
        if ahead.unsigned_abs() > WORTH_SAYING {
            tracing::warn!(
                seconds = ahead,
                "the clock of this device is ahead of the provider's; using the provider's"
            );
        }
        answer::token_endpoint(&self.issuer, answer.status, &answer.body)
    }

    async fn ask_for_token(&mut self, endpoint: &str) -> Result<Minted, Failed> {
        let nonce = format!("{:032x}", fastrand::u128(..));
        let seconds = self.known.clock.seconds(boottime(), wall_seconds());
        let request = self.grant.request(&self.issuer, seconds, &nonce);
        let signature = sign(&self.key, request.signing_input.clone().into())
            .await
            .map_err(|e| Failed::new(FailureReason::Key, e.to_string()))?;
        let ask = Ask {
            method: Method::POST,
            content_type: "application/x-www-form-urlencoded",
            body: Bytes::from(request.form(&signature)),
            ..Ask::get(endpoint)
        };
        let answer = self.heard(ask).await?;
        answer::token(answer.status, &answer.body)
    }

    async fn heard(&mut self, ask: Ask<'_>) -> Result<Answer, Failed> {
        let answer = self.https.ask(ask).await.map_err(|e| failed(&e))?;
        if let Some(date) = &answer.date {
            self.known.clock.hear(date, boottime());
        }
        Ok(answer)
    }
}

/// Signs off the loop: a chip may take its time.
pub(crate) async fn sign(key: &Arc<dyn DeviceKey>, message: Bytes) -> Result<Vec<u8>, KeyError> {
    let key = key.clone();
    let signed = tokio::task::spawn_blocking(move || key.sign(&message)).await;
    signed.unwrap_or(Err(KeyError::Failed("used to sign")))
}

fn failed(error: &HttpsError) -> Failed {
    let reason = match error {
        HttpsError::Url(_) | HttpsError::Body { .. } => FailureReason::Malformed,
        _ => FailureReason::Unreachable,
    };
    Failed::new(reason, full(error))
}

/// An error and its causes, in one line.
pub(crate) fn full(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
