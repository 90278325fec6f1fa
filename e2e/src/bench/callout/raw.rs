//! The cryptography of a verdict by itself, on one core: what no callout can be faster than.

use std::fmt;
use std::hint::black_box;
use std::time::{Duration, Instant};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, UnparsedPublicKey,
};
use nkeys::{KeyPair, XKey};
use serde_json::{Value, json};

use super::super::stats::round;
use crate::Error;

/// Each operation is repeated for so long.
const SPAN: Duration = Duration::from_millis(400);
/// About as long as a request of a server with a token in it, and as an answer with a user.
const REQUEST: usize = 2600;
const ANSWER: usize = 1800;
const TOKEN: usize = 900;

/// Operations per second.
#[derive(Debug, Clone, Copy)]
pub(super) struct Raw {
    ed25519_sign: f64,
    ed25519_verify: f64,
    xkey_open: f64,
    xkey_seal: f64,
    rsa_2048_verify: f64,
}

impl Raw {
    /// The least processor time of a verdict whose token was verified before, in microseconds: a
    /// request opened and verified, a user and the answer around it signed, and that sealed.
    pub(super) fn cached_us(&self) -> f64 {
        let per_second = [
            self.xkey_open,
            self.ed25519_verify,
            self.ed25519_sign,
            self.ed25519_sign,
            self.xkey_seal,
        ];
        per_second.iter().map(|rate| 1e6 / rate).sum()
    }

    /// The same with the token's signature.
    pub(super) fn cold_us(&self) -> f64 {
        self.cached_us() + 1e6 / self.rsa_2048_verify
    }

    pub(super) fn report(&self) -> Value {
        json!({
            "ed25519_sign": self.ed25519_sign.round(),
            "ed25519_verify": self.ed25519_verify.round(),
            "xkey_open": self.xkey_open.round(),
            "xkey_seal": self.xkey_seal.round(),
            "rsa_2048_verify": self.rsa_2048_verify.round(),
            "of_a_cold_verdict_us": round(self.cold_us(), 1),
            "of_a_cached_verdict_us": round(self.cached_us(), 1),
        })
    }
}

impl fmt::Display for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "on one core, per second: Ed25519 sign {:.0}, verify {:.0}; xkey open {:.0}, seal {:.0}; \
             RSA-2048 verify {:.0}. A verdict needs {:.0} us of that, {:.0} us once its token is known",
            self.ed25519_sign,
            self.ed25519_verify,
            self.xkey_open,
            self.xkey_seal,
            self.rsa_2048_verify,
            self.cold_us(),
            self.cached_us(),
        )
    }
}

/// Measures all operations, off the event loop.
pub(super) async fn measure() -> Result<Raw, Error> {
    let measured = tokio::task::spawn_blocking(all).await;
    measured
        .ok()
        .flatten()
        .ok_or_else(|| Error::Unexpected("an operation of cryptography failed".into()))
}

fn all() -> Option<Raw> {
    let (request, answer, claims) = (vec![7; REQUEST], vec![7; ANSWER], vec![7; TOKEN]);
    let key = KeyPair::new_account();
    let signature = key.sign(&request).ok()?;
    let (ours, theirs) = (XKey::new(), XKey::new());
    let sealed = theirs.seal(&request, &ours).ok()?;
    let rsa = RsaKeyPair::generate(KeySize::Rsa2048).ok()?;
    let mut rsa_signature = vec![0; rsa.public_modulus_len()];
    let random = SystemRandom::new();
    rsa.sign(&RSA_PKCS1_SHA256, &random, &claims, &mut rsa_signature)
        .ok()?;
    let public = rsa.public_key().as_ref().to_vec();
    let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public);
    Some(Raw {
        ed25519_sign: rate(|| key.sign(&answer).is_ok())?,
        ed25519_verify: rate(|| key.verify(&request, &signature).is_ok())?,
        xkey_open: rate(|| ours.open(&sealed, &theirs).is_ok())?,
        xkey_seal: rate(|| ours.seal(&answer, &theirs).is_ok())?,
        rsa_2048_verify: rate(|| public.verify(&claims, &rsa_signature).is_ok())?,
    })
}

/// How often in a second; none if it fails.
fn rate(mut operation: impl FnMut() -> bool) -> Option<f64> {
    let start = Instant::now();
    let mut times = 0_u32;
    while start.elapsed() < SPAN {
        if !black_box(operation()) {
            return None;
        }
        times += 1;
    }
    Some(f64::from(times) / start.elapsed().as_secs_f64())
}
