//! The keys that sign tokens, and the set of public ones that clients fetch.

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::Value;

/// Why there is no key or signature.
#[derive(Debug, thiserror::Error)]
pub enum SigningError {
    /// The generator failed.
    #[error("cannot make an RSA key")]
    Generate,
    /// The key or the claims cannot be used.
    #[error("cannot sign with an RSA key")]
    Sign(#[from] jsonwebtoken::errors::Error),
}

/// An RSA key with its name.
#[derive(Debug)]
struct SigningKey {
    id: String,
    private: EncodingKey,
    public: Jwk,
}

/// Signs with the newest key; serves the older ones along until told otherwise.
#[derive(Debug)]
pub(in crate::idp) struct SigningKeys {
    served: Vec<SigningKey>,
    /// Signs instead while clients are to be deceived; never served.
    stranger: Option<SigningKey>,
}

impl SigningKeys {
    pub(in crate::idp) fn generate(id: String) -> Result<Self, SigningError> {
        Ok(Self {
            served: vec![SigningKey::generate(id)?],
            stranger: None,
        })
    }

    /// From now on a new key signs; the old ones are still served.
    pub(in crate::idp) fn rotate(&mut self, id: String) -> Result<(), SigningError> {
        self.served.push(SigningKey::generate(id)?);
        Ok(())
    }

    /// Serves the signing key only.
    pub(in crate::idp) fn retire_old(&mut self) {
        self.served.drain(..self.served.len().saturating_sub(1));
    }

    pub(in crate::idp) fn sign_with_stranger(&mut self, id: String) -> Result<(), SigningError> {
        self.stranger = Some(SigningKey::generate(id)?);
        Ok(())
    }

    pub(in crate::idp) fn sign_with_own(&mut self) {
        self.stranger = None;
    }

    pub(in crate::idp) fn set(&self) -> JwkSet {
        JwkSet {
            keys: self.served.iter().map(|key| key.public.clone()).collect(),
        }
    }

    pub(in crate::idp) fn sign(&self, claims: &Value) -> Result<String, SigningError> {
        let key = self.stranger.as_ref().or(self.served.last());
        let key = key.ok_or(SigningError::Generate)?;
        let mut header = Header::new(Algorithm::RS256);
        header.kid = Some(key.id.clone());
        Ok(jsonwebtoken::encode(&header, claims, &key.private)?)
    }
}

impl SigningKey {
    fn generate(id: String) -> Result<Self, SigningError> {
        let private = EncodingKey::from_rsa_pem(private_key_pem()?.as_bytes())?;
        let mut public = Jwk::from_encoding_key(&private, Algorithm::RS256)?;
        public.common.key_id = Some(id.clone());
        public.common.public_key_use = Some(PublicKeyUse::Signature);
        Ok(Self {
            id,
            private,
            public,
        })
    }
}

/// A new private key as a PEM file (PKCS #8).
pub(in crate::idp) fn private_key_pem() -> Result<String, SigningError> {
    private_key().map(|(private, _)| private)
}

/// A new key pair as PEM files: PKCS #8 and SPKI.
pub(in crate::idp) fn private_key() -> Result<(String, String), SigningError> {
    let generate = || {
        let pair = KeyPair::generate(KeySize::Rsa2048).ok()?;
        let private: Pkcs8V1Der<'_> = pair.as_der().ok()?;
        let public = aws_lc_rs::signature::KeyPair::public_key(&pair);
        let public = AsDer::<aws_lc_rs::encoding::PublicKeyX509Der<'_>>::as_der(public).ok()?;
        let pem = crate::control_plane::pem;
        Some((
            pem("PRIVATE KEY", private.as_ref()),
            pem("PUBLIC KEY", public.as_ref()),
        ))
    };
    generate().ok_or(SigningError::Generate)
}
