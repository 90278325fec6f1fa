//! What the token endpoint said.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Longer tokens do not fit into what NATS reads of a connecting client (16 KiB as we set it up,
/// with room for the rest of the line).
pub const MAX_TOKEN: usize = 12 << 10;
/// A token's life in seconds where the provider does not say (RFC 6749 §5.1 only recommends it).
const ASSUMED_LIFE: u64 = 300;
/// Longer lives are not believed: the device would not ask again for what it was granted since.
const LONGEST_LIFE: u64 = 24 * 3600;
/// At most this much of what a provider says is repeated.
const SHOWN: usize = 300;

/// A token. Its `Debug` never shows it; serialized it is whole, for the pipe between the process that
/// asks for tokens and the one that presents them.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessToken(Box<str>);

impl AccessToken {
    /// The token itself: for the wire only.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessToken(…)")
    }
}

/// A token, just received.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Minted {
    /// The token.
    pub token: AccessToken,
    /// How long it is good for, in milliseconds.
    pub life: u64,
}

/// Why there is no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum FailureReason {
    /// No connection, no answer in time, or the certificate is not trusted.
    Unreachable,
    /// The provider is in trouble (5xx) or asks for patience (429).
    Unavailable,
    /// The provider knows the request and refuses it: key, user or client are unknown or disabled.
    Refused,
    /// The answer is not what the standard says.
    Malformed,
    /// The token is opaque: the bus can only verify JWTs.
    OpaqueToken,
    /// The device's key cannot be read or cannot sign.
    Key,
    /// The process that asks ended, hung, or said something else: the device itself is in trouble.
    Helper,
}

impl FailureReason {
    /// The stable text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "Unreachable",
            Self::Unavailable => "Unavailable",
            Self::Refused => "Refused",
            Self::Malformed => "Malformed",
            Self::OpaqueToken => "OpaqueToken",
            Self::Key => "Key",
            Self::Helper => "Helper",
        }
    }

    /// Whether trying again soon may help, with nobody doing anything about it.
    pub const fn is_passing(self) -> bool {
        matches!(self, Self::Unreachable | Self::Unavailable | Self::Helper)
    }
}

impl fmt::Display for FailureReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// There is no token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{message}")]
pub struct Failed {
    /// Why, for programs.
    pub reason: FailureReason,
    /// Why, for people; holds no secret.
    pub message: String,
}

impl Failed {
    /// With this reason.
    pub fn new(reason: FailureReason, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { reason, message }
    }
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    token_type: String,
    #[serde(default)]
    expires_in: Option<u64>,
}

/// RFC 6749 §5.2.
#[derive(Deserialize)]
struct Complaint {
    error: String,
    #[serde(default)]
    error_description: String,
}

#[derive(Deserialize)]
struct Discovered {
    issuer: String,
    token_endpoint: String,
}

/// The token endpoint, out of the provider's metadata (`OpenID` Connect Discovery 1.0 §4).
///
/// It must name the very issuer it was read from (§4.3), and an endpoint no less protected.
pub fn token_endpoint(issuer: &str, status: u16, body: &[u8]) -> Result<String, Failed> {
    if status != 200 {
        return Err(unexpected(status, body));
    }
    let malformed = |message: String| Failed::new(FailureReason::Malformed, message);
    let found: Discovered = serde_json::from_slice(body)
        .map_err(|e| malformed(format!("the provider's metadata: {e}")))?;
    if found.issuer != issuer {
        let other = shown(&found.issuer);
        return Err(malformed(format!(
            "the provider calls itself {other:?}, not {issuer:?}: correct the issuer of [identity]"
        )));
    }
    let secure = |url: &str| url.starts_with("https://");
    if secure(issuer) && !secure(&found.token_endpoint) {
        let endpoint = shown(&found.token_endpoint);
        return Err(malformed(format!(
            "the token endpoint {endpoint:?} is not https"
        )));
    }
    Ok(found.token_endpoint)
}

/// The token in an answer of the token endpoint.
pub fn token(status: u16, body: &[u8]) -> Result<Minted, Failed> {
    if status != 200 {
        return Err(unexpected(status, body));
    }
    let malformed = |message: &str| Failed::new(FailureReason::Malformed, message);
    // What the parser says could repeat a part of the token.
    let granted: Granted = serde_json::from_slice(body)
        .map_err(|_| malformed("the answer with the token is not what RFC 6749 says"))?;
    if !granted.token_type.eq_ignore_ascii_case("bearer") {
        return Err(malformed("the token is not of type Bearer"));
    }
    let token = granted.access_token;
    if token.is_empty() || token.len() > MAX_TOKEN || !token.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(malformed(
            "the token is empty, longer than 12 KiB or not plain text; does it carry too many roles?",
        ));
    }
    if token.split('.').count() != 3 {
        return Err(Failed::new(
            FailureReason::OpaqueToken,
            "the provider issues opaque tokens to this device; set its access token type to JWT",
        ));
    }
    let life = granted.expires_in.unwrap_or(ASSUMED_LIFE);
    if life == 0 {
        return Err(malformed("the token has expired before it came"));
    }
    Ok(Minted {
        token: AccessToken(token.into()),
        life: life.min(LONGEST_LIFE) * 1000,
    })
}

/// What to make of any other status.
fn unexpected(status: u16, body: &[u8]) -> Failed {
    let reason = match status {
        // Gateways answer so while what is behind them starts.
        408 | 425 | 429 | 500.. => FailureReason::Unavailable,
        400 | 401 | 403 => FailureReason::Refused,
        _ => FailureReason::Malformed,
    };
    let said = serde_json::from_slice::<Complaint>(body);
    let message = match said {
        Ok(Complaint {
            error,
            error_description,
        }) => {
            format!("the provider says {error:?}: {error_description}")
        }
        Err(_) => "the provider gives no reason".into(),
    };
    Failed::new(reason, format!("status {status}; {}", shown(&message)))
}

/// Short, and without what could confuse a terminal.
pub(super) fn shown(text: &str) -> String {
    let plain = text.chars().filter(|c| !c.is_control());
    plain.take(SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    const JWT: &str = "aaa.bbb.ccc";

    fn answer(value: &serde_json::Value) -> Result<Minted, FailureReason> {
        token(200, value.to_string().as_bytes()).map_err(|e| e.reason)
    }

    #[test]
    fn a_token_and_its_life() {
        let minted = answer(
            &json!({"access_token": JWT, "token_type": "bearer", "expires_in": 600, "id_token": "x"}),
        );
        let minted = minted.expect("a token");
        assert_eq!((minted.token.expose(), minted.life), (JWT, 600_000));
        assert!(!format!("{minted:?}").contains(JWT));
        let silent = answer(&json!({"access_token": JWT, "token_type": "Bearer"}));
        assert_eq!(silent.map(|m| m.life), Ok(300_000));
        let for_ever =
            answer(&json!({"access_token": JWT, "token_type": "Bearer", "expires_in": u64::MAX}));
        assert_eq!(for_ever.map(|m| m.life), Ok(86_400_000));
    }

    #[test]
    fn what_is_no_token_has_a_reason() {
        use FailureReason::{Malformed, OpaqueToken};
        let bearer = |token: &str| json!({"access_token": token, "token_type": "Bearer"});
        assert_eq!(answer(&bearer("V2_opaque")), Err(OpaqueToken));
        assert_eq!(answer(&bearer("")), Err(Malformed));
        assert_eq!(answer(&bearer("a.b.c\r\nPUB x")), Err(Malformed));
        assert_eq!(
            answer(&bearer(&format!("a.b.{}", "c".repeat(MAX_TOKEN)))),
            Err(Malformed)
        );
        assert_eq!(
            answer(&json!({"access_token": JWT, "token_type": "mac"})),
            Err(Malformed)
        );
        assert_eq!(
            answer(&json!({"access_token": JWT, "token_type": "Bearer", "expires_in": 0})),
            Err(Malformed)
        );
        assert_eq!(answer(&json!({})), Err(Malformed));
    }

    #[test]
    fn refusals_are_told_from_trouble_and_repeat_what_was_said() {
        let body = br#"{"error":"invalid_grant","error_description":"no such key\u001b[31m"}"#;
        let refused = token(400, body).expect_err("refused");
        assert_eq!(refused.reason, FailureReason::Refused);
        assert_eq!(
            refused.message,
            "status 400; the provider says \"invalid_grant\": no such key[31m"
        );
        for status in [429, 500, 502, 503] {
            assert_eq!(
                token(status, b"<html>").map_err(|e| e.reason),
                Err(FailureReason::Unavailable)
            );
        }
        assert_eq!(
            token(302, b"").map_err(|e| e.reason),
            Err(FailureReason::Malformed)
        );
    }

    #[test]
    fn metadata_of_another_issuer_or_a_weaker_endpoint_is_refused() {
        let issuer = "https://id.example";
        let found = |issuer_there: &str, endpoint: &str| {
            let body = json!({"issuer": issuer_there, "token_endpoint": endpoint}).to_string();
            token_endpoint(issuer, 200, body.as_bytes()).map_err(|e| e.reason)
        };
        assert_eq!(
            found(issuer, "https://id.example/t").as_deref(),
            Ok("https://id.example/t")
        );
        assert_eq!(
            found("https://id.example/", "https://id.example/t"),
            Err(FailureReason::Malformed)
        );
        assert_eq!(
            found(issuer, "http://id.example/t"),
            Err(FailureReason::Malformed)
        );
    }

    proptest! {
        #[test]
        fn any_answer_is_taken_or_refused(status in any::<u16>(), body in any::<Vec<u8>>()) {
            if let Ok(minted) = token(status, &body) {
                prop_assert!(minted.life > 0 && minted.token.expose().len() <= MAX_TOKEN);
            }
            let _ = token_endpoint("https://id.example", status, &body);
        }
    }
}
