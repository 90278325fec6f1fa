//! How a device becomes part of the fleet: what `fleet-agent enrol` and the enrolment service say
//! to each other, over HTTPS with JSON bodies.
//!
//! # Who trusts what
//! The device trusts the service by its certificate (a pinned authority where one is given): what an
//! approval says decides whose orders the device will follow. The service trusts nothing but the
//! token, and that only for asking: a person or a policy approves. The device's private key never
//! leaves it.
//!
//! # Calls
//! | call | body | proof | answers |
//! |---|---|---|---|
//! | `POST /v1/enrolments` | [`EnrolmentRequest`] | yes | 202 [`Enrolment`] while pending, else 200 [`Enrolment`] |
//! | `GET /v1/enrolments/<id>` | none | yes | 200 [`Enrolment`] |
//! | `PUT /v1/enrolments/<id>/next-key` | [`KeyChange`] | two | 202 [`NextKey`] while pending, else 200 [`NextKey`] |
//! | `PUT /v1/enrolments/<id>/key` | [`KeyChange`] | new key's | 200 [`Enrolment`] |
//!
//! Every refusal has the status [`EnrolmentRefusal::status`] and a [`Problem`] as body. Bodies are at
//! most [`MAX_BODY`] bytes each way. Redirects are not followed. Every answer carries `Date`: devices
//! without a clock take the time from it.
//!
//! # One key, one enrolment
//! The id is the key's ([`DevicePublicKey::enrolment_id`]): both ends compute it. What follows from
//! that is what makes the calls idempotent:
//! - A `POST` whose key has an enrolment answers with that enrolment and changes nothing, *if* the
//!   token is the one that opened it. A device that was killed, or lost the answer, asks again.
//! - A `POST` with another token of a `Denied` enrolment (whatever the reason), if the token is good,
//!   opens it again as `Pending`. Of a `Pending` or `Approved` one it is [`EnrolmentRefusal::AlreadyEnrolled`], and the
//!   token stays unused.
//! - An `Approved` enrolment answers the same until its `DeviceEnrolment` is deleted, with the key id
//!   that is then valid.
//!
//! # Tokens
//! Stored as [`EnrolmentToken::hash`] only. Used up by one compare-and-set that writes the enrolment's
//! id beside the hash: of two devices that use one token at once, one gets
//! [`EnrolmentRefusal::TokenUsed`]. Checked in this order, and used up only if all of it passes: body,
//! key, proof, token known, unexpired and unused, bound device id and labels, device id free. A token
//! used by a key remains good for repeating that key's `POST`, also after its expiry.
//!
//! # Proof of possession
//! Header [`PROOF_HEADER`]: a compact JWS, RS256 with the device's key, made by
//! [`proof::signing_input`], checked with [`Proof::covers`], then the signature. It names service,
//! method, path, hash of the body, key and time, so that it is good for nothing else; nobody can
//! enrol a key that is not theirs, nor read another device's answer.
//!
//! A proof can be replayed for [`proof::MAX_SKEW`] seconds by whoever reads the TLS stream. That is
//! accepted instead of remembering nonces: a replayed `POST` is a repeated one, and a replayed `GET`
//! tells nothing that was not in the stream.
//!
//! A device whose clock is off gets [`EnrolmentRefusal::ClockSkew`]; it signs again with the time of
//! the answer's `Date`.
//!
//! # Rotation
//! From [`Approval::rotate_at`] on the device replaces its key, see [`rotation`]. The enrolment keeps the
//! id of the first key; proofs are by the key of now. A device that does not rotate is out when its key
//! expires, and needs a token and an approval again.

mod key;
pub mod proof;
pub mod rotation;
mod token;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use key::{DevicePublicKey, EnrolmentId, InvalidKey};
pub use proof::{PROOF_HEADER, Proof};
pub use rotation::{KeyChange, NEW_KEY_PROOF_HEADER, NextKey, NextKeyState};
pub use token::{EnrolmentToken, InvalidToken};

use crate::id::DeviceId;
use crate::payload::Inventory;
use crate::reason::reasons;
use crate::signing::TrustedKey;
use crate::time::UnixMillis;

/// The version of the bodies this crate writes.
pub const SCHEMA_VERSION: u32 = 1;
/// Where enrolments are asked for.
pub const COLLECTION: &str = "/v1/enrolments";
/// The largest body, either way.
pub const MAX_BODY: usize = 64 << 10;

/// Where one enrolment is read.
pub fn path(id: &EnrolmentId) -> String {
    format!("{COLLECTION}/{id}")
}

/// A device asks to be part of the fleet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EnrolmentRequest {
    /// [`SCHEMA_VERSION`] of whoever wrote it.
    pub schema_version: u32,
    /// What allows it to ask.
    pub token: EnrolmentToken,
    /// The key it will prove itself with.
    pub public_key: DevicePublicKey,
    /// Who it wants to be. If absent, the token's id; if that has none, the service makes one up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_id: Option<DeviceId>,
    /// The labels it wants, for the approver to see.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// What the machine is made of, for the approver to see. Claimed, not proven.
    #[serde(default)]
    pub facts: Inventory,
}

/// How an enrolment stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Enrolment {
    /// [`SCHEMA_VERSION`] of whoever wrote it.
    pub schema_version: u32,
    /// Its id.
    pub enrolment_id: EnrolmentId,
    /// How it stands.
    #[serde(flatten)]
    pub state: EnrolmentState,
}

/// How an enrolment stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state")]
pub enum EnrolmentState {
    /// Nobody has decided, or what was decided is still being done.
    #[serde(rename_all = "camelCase")]
    Pending {
        /// Ask again after so many seconds.
        poll_after_seconds: u32,
        /// What keeps an approval from being carried out: the reason of the enrolment's condition
        /// `Ready`. None while nothing does, or nobody has decided.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        waits_for: Option<String>,
    },
    /// Refused. Asking again with the same token gives the same.
    Denied {
        /// Why.
        reason: DenialReason,
        /// What whoever decided wants the device's owner to know.
        #[serde(default)]
        message: String,
    },
    /// The device is part of the fleet.
    Approved(Box<Approval>),
    /// A state of a newer version.
    #[serde(other)]
    Unknown,
}

/// All that an enrolled device needs to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Approval {
    /// Who it is from now on.
    pub device_id: DeviceId,
    /// The identity provider: the `iss` of its tokens, to the letter.
    pub issuer: String,
    /// The device's user there.
    pub user_id: String,
    /// The name of the device's key there: `kid` of what it signs.
    pub key_id: String,
    /// The project whose audience and roles the token must carry.
    pub project_id: String,
    /// Certificates (PEM) to trust, and no others, when speaking to the issuer. Absent: the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer_ca: Option<String>,
    /// Where the bus is; several separated by commas.
    pub nats_url: String,
    /// Certificates (PEM) of the bus to trust beside the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nats_ca: Option<String>,
    /// Whose manifests to follow; at least one.
    pub manifest_keys: Vec<TrustedKey>,
    /// Until when the identity provider takes the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_expires_at: Option<UnixMillis>,
    /// From when on the device should replace the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotate_at: Option<UnixMillis>,
}

/// The body of every refusal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// Why, for programs.
    pub reason: EnrolmentRefusal,
    /// Why, for people; holds no secret.
    #[serde(default)]
    pub message: String,
}

reasons!(
    /// Why the enrolment service refused a call.
    EnrolmentRefusal {
        /// The body or the id is not what this module describes, or too large.
        Malformed,
        /// The public key is not RSA of 2048, 3072 or 4096 bits with exponent 65537.
        UnsupportedKey,
        /// The proof is absent, not signed by the key, or made for something else.
        BadProof,
        /// The proof's time is too far from the service's; the answer's `Date` tells the right one.
        ClockSkew,
        /// No such token was issued.
        TokenUnknown,
        /// The token's time is over.
        TokenExpired,
        /// The token was used with another key.
        TokenUsed,
        /// The token is for another device id.
        WrongDevice,
        /// The token does not allow these labels.
        LabelNotAllowed,
        /// This key is enrolled or waiting, opened with another token.
        AlreadyEnrolled,
        /// Another key holds this device id. Whoever runs the fleet decides which is right.
        DeviceIdTaken,
        /// No enrolment has this id.
        NotFound,
        /// The enrolment is not approved (any more), or its key's time is over.
        NotApproved,
        /// Too many calls; `Retry-After` says when to try again.
        RateLimited,
        /// The service cannot reach what it needs; try again.
        Unavailable,
    }
);

impl EnrolmentRefusal {
    /// The HTTP status of the answer.
    pub const fn status(self) -> u16 {
        match self {
            Self::Malformed | Self::UnsupportedKey => 400,
            Self::BadProof | Self::ClockSkew => 401,
            Self::TokenUnknown
            | Self::TokenExpired
            | Self::TokenUsed
            | Self::WrongDevice
            | Self::LabelNotAllowed
            | Self::NotApproved => 403,
            Self::NotFound => 404,
            Self::AlreadyEnrolled | Self::DeviceIdTaken => 409,
            Self::RateLimited => 429,
            Self::Unavailable => 503,
            Self::Unknown => 500,
        }
    }

    /// Whether the same call may succeed later, with nobody doing anything about it.
    pub const fn is_passing(self) -> bool {
        matches!(self, Self::RateLimited | Self::Unavailable)
    }
}

reasons!(
    /// Why an enrolment was denied.
    DenialReason {
        /// A person said no.
        Rejected,
        /// A policy said no.
        RefusedByPolicy,
        /// Nobody decided in time.
        ApprovalTimedOut,
        /// It was approved once, and that was taken back.
        Revoked,
        /// The key's time is over. A new token is needed, and a new approval.
        KeyExpired,
    }
);
