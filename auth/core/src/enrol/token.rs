//! Enrolment tokens, as they are stored.

use std::collections::BTreeMap;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use fleet_contracts::enrolment::{EnrolmentId, EnrolmentRefusal, EnrolmentToken};
use fleet_contracts::{DeviceId, FleetName};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use serde::{Deserialize, Serialize};

/// The type of the Secrets that keep records, by which they can be told from others.
const KIND: &str = "fleet.nationtech.io/enrolment-token";
/// The one entry of each.
const ENTRY: &str = "record";

/// Digits of a hash that name its token: 80 bits, too many for two tokens to meet.
const ID_LENGTH: usize = 20;

/// Names a token without being one: the beginning of its hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenId(String);

impl TokenId {
    /// Of this token.
    pub fn of(token: &EnrolmentToken) -> Self {
        Self(token.hash().chars().take(ID_LENGTH).collect())
    }

    /// The text: 20 hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of the Secret that keeps the token's record.
    pub fn secret_name(&self) -> String {
        secret_name(&self.0)
    }
}

/// The name of the Secret that keeps the record of the token with this id.
pub fn secret_name(token_id: &str) -> String {
    format!("enrolment-token-{token_id}")
}

/// What is kept of a token. The token itself is nowhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TokenRecord {
    /// [`EnrolmentToken::hash`].
    pub hash: String,
    /// Good until then, in seconds since 1970.
    pub expires_at: u64,
    /// The one device id it is for; absent: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_id: Option<DeviceId>,
    /// The labels a device may ask for; absent: any, since somebody approves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    /// The fleet it was made for, for the approval policy; nothing is checked against it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fleet: Option<FleetName>,
    /// By whom it was used up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used: Option<Use>,
}

/// By whom, and for what, a token was used up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Use {
    /// The enrolment it opened.
    pub by: EnrolmentId,
    /// The uid of the denied enrolment of the same key that it replaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<String>,
}

impl TokenRecord {
    /// A new Secret that keeps it.
    pub fn to_secret(&self) -> Secret {
        let id: String = self.hash.chars().take(ID_LENGTH).collect();
        let mut secret = Secret {
            type_: Some(KIND.to_owned()),
            ..Secret::default()
        };
        secret.metadata.name = Some(secret_name(&id));
        self.write_to(secret)
    }

    /// The Secret with this record in place of what it held.
    #[must_use]
    pub fn write_to(&self, mut secret: Secret) -> Secret {
        // Strings and numbers below string keys, which JSON can always express.
        let text = serde_json::to_vec(self).unwrap_or_default();
        secret.data = Some(BTreeMap::from([(ENTRY.to_owned(), ByteString(text))]));
        secret
    }

    /// What a Secret keeps; none if it is something else.
    pub fn of_secret(secret: &Secret) -> Option<Self> {
        let entry = secret.data.as_ref()?.get(ENTRY)?;
        let is_ours = secret.type_.as_deref() == Some(KIND);
        serde_json::from_slice(&entry.0).ok().filter(|_| is_ours)
    }

    /// Whether this is the record of `token`. Takes the same time whatever differs.
    pub fn is_of(&self, token: &EnrolmentToken) -> bool {
        verify_slices_are_equal(self.hash.as_bytes(), token.hash().as_bytes()).is_ok()
    }

    /// Whether an unused token is good for this.
    pub(super) fn allows(
        &self,
        device: Option<&DeviceId>,
        labels: &BTreeMap<String, String>,
        now: u64,
    ) -> Result<(), EnrolmentRefusal> {
        if now >= self.expires_at {
            return Err(EnrolmentRefusal::TokenExpired);
        }
        if self.used.is_some() {
            return Err(EnrolmentRefusal::TokenUsed);
        }
        let other = |bound: &DeviceId| device.is_some_and(|wanted| wanted != bound);
        if self.device_id.as_ref().is_some_and(other) {
            return Err(EnrolmentRefusal::WrongDevice);
        }
        let within =
            |allowed: &BTreeMap<_, _>| labels.iter().all(|(k, v)| allowed.get(k) == Some(v));
        if !self.labels.as_ref().is_none_or(within) {
            return Err(EnrolmentRefusal::LabelNotAllowed);
        }
        Ok(())
    }
}
