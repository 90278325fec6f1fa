//! What a server is answered.

use data_encoding::HEXLOWER;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::jwt;
use super::keys::ServiceKeys;
use super::request::AuthRequest;
use crate::grant::Grant;
use crate::reason::Refusal;

/// The version of NATS' claims.
const VERSION: u8 = 2;

/// The account into which devices are put, by its name in the server's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account(pub String);

/// What sealing takes besides keys: the time, and a nonce that is never used twice.
#[derive(Debug, Clone, Copy)]
pub struct Sealing {
    /// Seconds since 1970.
    pub now: u64,
    /// From a cryptographic generator.
    pub nonce: [u8; 24],
}

#[derive(Serialize)]
struct Claims<'a, N> {
    jti: String,
    iat: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<u64>,
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    nats: N,
}

#[derive(Serialize)]
struct Answer<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    version: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    jwt: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

#[derive(Serialize)]
struct Subjects<'a> {
    allow: &'a [String],
}

#[derive(Serialize)]
struct User<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    version: u8,
    #[serde(rename = "pub")]
    publish: Subjects<'a>,
    #[serde(rename = "sub")]
    subscribe: Subjects<'a>,
    subs: u32,
    /// Bytes a connection may move in all; the server knows the field and enforces nothing.
    data: i8,
    payload: u32,
    allowed_connection_types: [&'static str; 1],
}

/// The sealed answer to a request. None only if the server's name for the user cannot be signed,
/// which a verified request rules out.
pub fn answer(
    request: &AuthRequest,
    verdict: Result<&Grant, &Refusal>,
    account: &Account,
    keys: &ServiceKeys,
    sealing: Sealing,
) -> Option<Vec<u8>> {
    let issuer = keys.issuer(&request.issuer)?;
    let user = match verdict {
        Ok(grant) => Some(user(request, grant, account, keys, sealing)?),
        Err(_) => None,
    };
    let error = verdict.err().map(ToString::to_string);
    let answer = Claims {
        jti: id(request, "answer", sealing),
        iat: sealing.now,
        exp: None,
        iss: &request.issuer,
        sub: &request.user,
        aud: &request.server.id,
        name: None,
        nats: Answer {
            kind: "authorization_response",
            version: VERSION,
            jwt: user.as_deref(),
            error: error.as_deref(),
        },
    };
    let answer = jwt::sign(&answer, issuer)?;
    keys.curves()
        .get(request.curve)?
        .seal_with_nonce(answer.as_bytes(), &request.reply_to, sealing.nonce.into())
        .ok()
}

fn user(
    request: &AuthRequest,
    grant: &Grant,
    account: &Account,
    keys: &ServiceKeys,
    sealing: Sealing,
) -> Option<String> {
    let claims = Claims {
        jti: id(request, "user", sealing),
        iat: sealing.now,
        exp: Some(grant.expires),
        iss: &request.issuer,
        sub: &request.user,
        aud: &account.0,
        name: Some(grant.device.as_ref()),
        nats: User {
            kind: "user",
            version: VERSION,
            publish: Subjects {
                allow: &grant.permissions.publish,
            },
            subscribe: Subjects {
                allow: &grant.permissions.subscribe,
            },
            subs: grant.limits.subscriptions,
            data: -1,
            payload: grant.limits.payload,
            allowed_connection_types: ["STANDARD"],
        },
    };
    jwt::sign(&claims, keys.issuer(&request.issuer)?)
}

/// An id of its own for each JWT; servers check no more than that.
fn id(request: &AuthRequest, what: &str, sealing: Sealing) -> String {
    let mut hash = Sha256::new();
    for part in [
        what.as_bytes(),
        request.user.as_bytes(),
        &sealing.now.to_be_bytes(),
        &sealing.nonce,
    ] {
        hash.update(part);
    }
    HEXLOWER.encode(&hash.finalize()[..16])
}
