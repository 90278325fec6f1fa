//! The key of a client.

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize, PublicKeyComponents};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::control_plane::pem;
use crate::idp::SigningError;

/// A key pair by which a client proves itself (RS256).
#[derive(Clone)]
pub struct ClientKey {
    id: String,
    private_pem: String,
    public: Value,
}

impl std::fmt::Debug for ClientKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("ClientKey").field(&self.id).finish()
    }
}

impl ClientKey {
    /// A new one of this id.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn generate(id: &str) -> Result<Self, SigningError> {
        let pair = KeyPair::generate(KeySize::Rsa2048).map_err(|_| SigningError::Generate)?;
        let private: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| SigningError::Generate)?;
        let public = aws_lc_rs::signature::KeyPair::public_key(&pair);
        let public = PublicKeyComponents::<Vec<u8>>::from(public);
        let number = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        Ok(Self {
            id: id.to_owned(),
            private_pem: pem("PRIVATE KEY", private.as_ref()),
            public: json!({
                "kty": "RSA", "use": "sig", "alg": "RS256", "kid": id,
                "n": number(&public.n), "e": number(&public.e),
            }),
        })
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The private half: PKCS#8 in PEM.
    pub fn private_pem(&self) -> &str {
        &self.private_pem
    }

    /// The public half: a JSON Web Key.
    pub fn public(&self) -> &Value {
        &self.public
    }
}
