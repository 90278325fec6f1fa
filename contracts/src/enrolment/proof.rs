//! The proof that a request comes from the holder of the key.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{EnrolmentId, EnrolmentRefusal};
use crate::jws;

/// The header that carries it.
pub const PROOF_HEADER: &str = "Fleet-Proof";
/// How far a proof's time may be from the service's, either way, in seconds.
pub const MAX_SKEW: u64 = 60;
/// The type in its header. A token request of the same key has another, so neither passes for the
/// other.
const TYPE: &str = "fleet-proof+jwt";
const ALGORITHM: &str = "RS256";
/// Longer than any proof: an RSA-4096 signature and a long service URL.
const MAX_PROOF: usize = 4096;

/// A request, as far as its proof covers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call<'a> {
    /// The method, in capitals.
    pub method: &'a str,
    /// The path.
    pub path: &'a str,
    /// The body; empty if there is none.
    pub body: &'a [u8],
}

impl Call<'_> {
    fn body_hash(&self) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(self.body))
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Header {
    alg: String,
    typ: String,
}

/// What the device states. The names follow `DPoP` (RFC 9449 §4.2) where it has one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Claims {
    /// The service's URL, as the device was told.
    aud: String,
    /// The key.
    sub: EnrolmentId,
    /// When, in seconds since 1970.
    iat: u64,
    htm: String,
    htu: String,
    /// SHA-256 of the body, base64url.
    bdh: String,
}

/// What the device must sign (RS256) to prove that `call` to `service` at `seconds` since 1970 is
/// its own; the header is this and the signature in [`jws::compact`] form.
pub fn signing_input(service: &str, key: &EnrolmentId, call: &Call<'_>, seconds: u64) -> String {
    let header = Header {
        alg: ALGORITHM.into(),
        typ: TYPE.into(),
    };
    let claims = Claims {
        aud: audience(service).into(),
        sub: key.clone(),
        iat: seconds,
        htm: call.method.into(),
        htu: call.path.into(),
        bdh: call.body_hash(),
    };
    jws::signing_input(&header, &claims)
}

/// `https://host/` and `https://host` are one service.
fn audience(service: &str) -> &str {
    service.trim_end_matches('/')
}

/// A received proof. Only after [`Proof::covers`] *and* verifying the signature does it prove
/// anything.
#[derive(Debug)]
pub struct Proof<'t> {
    claims: Claims,
    signed: &'t str,
    signature: Vec<u8>,
}

impl<'t> Proof<'t> {
    /// Reads the header's value.
    pub fn parse(text: &'t str) -> Result<Self, EnrolmentRefusal> {
        let proof = (text.len() <= MAX_PROOF)
            .then(|| jws::take_apart::<Header, Claims>(text))
            .flatten()
            .filter(|p| p.header.alg == ALGORITHM && p.header.typ == TYPE)
            .ok_or(EnrolmentRefusal::BadProof)?;
        Ok(Self {
            claims: proof.claims,
            signed: proof.signed,
            signature: proof.signature,
        })
    }

    /// Whether it was made for this call to one of `services`, by `key`, about `now` (seconds since
    /// 1970).
    pub fn covers(
        &self,
        services: &[&str],
        key: &EnrolmentId,
        call: &Call<'_>,
        now: u64,
    ) -> Result<(), EnrolmentRefusal> {
        let claims = &self.claims;
        let fits = services.iter().any(|s| audience(s) == claims.aud)
            && claims.sub == *key
            && claims.htm == call.method
            && claims.htu == call.path
            && claims.bdh == call.body_hash();
        if !fits {
            return Err(EnrolmentRefusal::BadProof);
        }
        if claims.iat.abs_diff(now) > MAX_SKEW {
            return Err(EnrolmentRefusal::ClockSkew);
        }
        Ok(())
    }

    /// What the signature must be over: RSASSA-PKCS1-v1_5 with SHA-256, by the key of `covers`.
    pub fn signed(&self) -> &'t [u8] {
        self.signed.as_bytes()
    }

    /// The signature.
    pub fn signature(&self) -> &[u8] {
        &self.signature
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALL: Call<'static> = Call {
        method: "POST",
        path: "/v1/enrolments",
        body: b"{}",
    };
    const SERVICE: &str = "https://enrol.example";

    fn id(digit: &str) -> EnrolmentId {
        digit.repeat(40).parse().expect("an id")
    }

    fn made(at: u64) -> String {
        jws::compact(&signing_input(SERVICE, &id("a"), &CALL, at), b"signature")
    }

    #[test]
    fn a_proof_covers_the_call_it_was_made_for() {
        let text = made(1_000);
        let proof = Proof::parse(&text).expect("a proof");
        for now in [940, 1_000, 1_060] {
            assert_eq!(
                proof.covers(&["https://enrol.example/"], &id("a"), &CALL, now),
                Ok(())
            );
        }
        assert_eq!(proof.signature(), b"signature");
        assert_eq!(
            proof.signed(),
            signing_input(SERVICE, &id("a"), &CALL, 1_000).as_bytes()
        );
    }

    #[test]
    fn and_no_other() {
        let text = made(1_000);
        let proof = Proof::parse(&text).expect("a proof");
        let bad = Err(EnrolmentRefusal::BadProof);
        let covers = |call: &Call<'_>| proof.covers(&[SERVICE], &id("a"), call, 1_000);
        assert_eq!(
            covers(&Call {
                method: "GET",
                ..CALL
            }),
            bad
        );
        assert_eq!(
            covers(&Call {
                path: "/v1/enrolments/x",
                ..CALL
            }),
            bad
        );
        assert_eq!(
            covers(&Call {
                body: b"{ }",
                ..CALL
            }),
            bad
        );
        assert_eq!(proof.covers(&[SERVICE], &id("b"), &CALL, 1_000), bad);
        assert_eq!(
            proof.covers(&["https://other.example"], &id("a"), &CALL, 1_000),
            bad
        );
        assert_eq!(proof.covers(&[], &id("a"), &CALL, 1_000), bad);
        for now in [939, 1_061, u64::MAX] {
            let skewed = proof.covers(&[SERVICE], &id("a"), &CALL, now);
            assert_eq!(skewed, Err(EnrolmentRefusal::ClockSkew));
        }
    }

    #[test]
    fn another_algorithm_or_type_is_no_proof() {
        let text = made(1_000);
        let claims = text.split('.').nth(1).expect("claims");
        for header in [
            r#"{"alg":"none","typ":"fleet-proof+jwt"}"#,
            r#"{"alg":"HS256","typ":"fleet-proof+jwt"}"#,
            r#"{"alg":"RS256","typ":"JWT"}"#,
            r#"{"alg":"RS256"}"#,
        ] {
            let forged = format!("{}.{claims}.c2ln", URL_SAFE_NO_PAD.encode(header));
            assert!(Proof::parse(&forged).is_err(), "{header}");
        }
        for text in ["", "..", "a.b.c", &"x".repeat(5000)] {
            assert!(Proof::parse(text).is_err());
        }
    }
}
