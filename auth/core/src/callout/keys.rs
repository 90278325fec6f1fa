//! The service's own keys.

use std::fmt;

use nkeys::{KeyPair, KeyPairType, XKey};

/// Why seeds do not make keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// No account seed.
    #[error("an issuer is the seed of an account nkey (one line beginning with SA)")]
    Issuer,
    /// No curve seed.
    #[error("an xkey is the seed of a curve nkey (one line beginning with SX)")]
    Xkey,
    /// A list is empty.
    #[error("at least one issuer and one xkey are needed")]
    None,
}

impl KeyFault {
    /// The stable reason.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Issuer => "IssuerSeed",
            Self::Xkey => "XkeySeed",
            Self::None => "NoKeys",
        }
    }
}

/// Issuers and curve keys. Several of each, so that servers can be restarted one by one with new
/// ones: each request says which issuer its server believes, and is sealed to the key that its
/// server knows.
pub struct ServiceKeys {
    issuers: Vec<(String, KeyPair)>,
    curves: Vec<XKey>,
}

impl fmt::Debug for ServiceKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let issuers: Vec<_> = self.issuers.iter().map(|(public, _)| public).collect();
        let curves: Vec<_> = self.curves.iter().map(XKey::public_key).collect();
        f.debug_struct("ServiceKeys")
            .field("issuers", &issuers)
            .field("curves", &curves)
            .finish()
    }
}

impl ServiceKeys {
    /// From seeds.
    pub fn from_seeds<'a>(
        issuers: impl IntoIterator<Item = &'a str>,
        curves: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, KeyFault> {
        let issuer = |seed: &str| {
            let pair = KeyPair::from_seed(seed.trim()).map_err(|_| KeyFault::Issuer)?;
            match pair.key_pair_type() {
                KeyPairType::Account => Ok((pair.public_key(), pair)),
                _ => Err(KeyFault::Issuer),
            }
        };
        let curve = |seed: &str| XKey::from_seed(seed.trim()).map_err(|_| KeyFault::Xkey);
        let keys = Self {
            issuers: issuers.into_iter().map(issuer).collect::<Result<_, _>>()?,
            curves: curves.into_iter().map(curve).collect::<Result<_, _>>()?,
        };
        if keys.issuers.is_empty() || keys.curves.is_empty() {
            return Err(KeyFault::None);
        }
        Ok(keys)
    }

    /// The public halves of the issuers.
    pub fn issuers(&self) -> impl Iterator<Item = &str> {
        self.issuers.iter().map(|(public, _)| public.as_str())
    }

    pub(super) fn issuer(&self, public: &str) -> Option<&KeyPair> {
        let found = self.issuers.iter().find(|(known, _)| known == public);
        found.map(|(_, pair)| pair)
    }

    pub(super) fn curves(&self) -> &[XKey] {
        &self.curves
    }
}
