//! How an enrolled device replaces its key, while the old one is still good.
//!
//! # Steps
//! Each is repeated harmlessly, so either end may be killed between any two.
//!
//! 1. The device makes a key beside its old one and sends the public half, [`next_key_path`]. Both keys
//!    prove the call: [`PROOF_HEADER`](super::PROOF_HEADER) is the old one's, [`NEW_KEY_PROOF_HEADER`]
//!    the new one's. The service writes down that this key comes next, and adds it at the identity
//!    provider; until that is done the answer is [`NextKeyState::Pending`].
//! 2. The device gets a token with the new key. Only a key that has worked may replace one that works.
//! 3. The device takes the new key into use, and keeps the old one.
//! 4. The device says so, [`key_path`], proved by the new key alone. From then on that is the device's
//!    key; the service removes the old one at the identity provider, and the device its file.
//!
//! Nobody approves this: whoever holds the old key could do anything as this device anyway. It needs the
//! enrolment to be approved and the old key to be in its time, or it is
//! [`EnrolmentRefusal::NotApproved`](super::EnrolmentRefusal::NotApproved).
//!
//! Another key in step 1 takes the place of the next key before: a device that lost that one, say.

use serde::{Deserialize, Serialize};

use super::{COLLECTION, DevicePublicKey, EnrolmentId};
use crate::time::UnixMillis;

/// The header with the proof by the new key.
pub const NEW_KEY_PROOF_HEADER: &str = "Fleet-New-Key-Proof";

/// Where the next key of an enrolment is put.
pub fn next_key_path(id: &EnrolmentId) -> String {
    format!("{COLLECTION}/{id}/next-key")
}

/// Where a device says which key it uses.
pub fn key_path(id: &EnrolmentId) -> String {
    format!("{COLLECTION}/{id}/key")
}

/// The body of both calls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyChange {
    /// [`SCHEMA_VERSION`](super::SCHEMA_VERSION) of whoever wrote it.
    pub schema_version: u32,
    /// The key.
    pub public_key: DevicePublicKey,
}

/// How far a device's next key is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NextKey {
    /// [`SCHEMA_VERSION`](super::SCHEMA_VERSION) of whoever wrote it.
    pub schema_version: u32,
    /// The enrolment.
    pub enrolment_id: EnrolmentId,
    /// How far it is.
    #[serde(flatten)]
    pub state: NextKeyState,
}

/// How far a device's next key is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state")]
pub enum NextKeyState {
    /// It is being added at the identity provider.
    #[serde(rename_all = "camelCase")]
    Pending {
        /// Ask again after so many seconds.
        poll_after_seconds: u32,
    },
    /// The identity provider takes it.
    #[serde(rename_all = "camelCase")]
    Added {
        /// Its name there: `kid` of what it signs.
        key_id: String,
        /// Until when.
        key_expires_at: UnixMillis,
    },
    /// A state of a newer version.
    #[serde(other)]
    Unknown,
}
