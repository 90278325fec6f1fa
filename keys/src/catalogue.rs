//! Which keys the platform has, and where each is kept.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use crate::KeyKind;

/// A key that can be changed while everything runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Name {
    /// `manifest`.
    Manifest,
    /// `operator`.
    Operator,
    /// `callout`.
    Callout,
    /// `enforcer`.
    Enforcer,
    /// `system`.
    System,
    /// `issuer`.
    Issuer,
    /// `xkey`.
    Xkey,
}

/// A text that names no key of the platform.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no key of the platform")]
pub struct UnknownName(pub String);

impl FromStr for Name {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        let found = Self::ALL.into_iter().find(|name| name.as_str() == text);
        found.ok_or_else(|| UnknownName(text.to_owned()))
    }
}

impl Name {
    /// Every key, in the order in which they are made.
    pub const ALL: [Self; 7] = [
        Self::Manifest,
        Self::Operator,
        Self::Callout,
        Self::Enforcer,
        Self::System,
        Self::Issuer,
        Self::Xkey,
    ];

    /// Its Secret. The operator's are those of its chart's defaults.
    pub const fn secret(self) -> &'static str {
        match self {
            Self::Manifest => "fleet-operator-signing",
            Self::Operator => "fleet-operator-nats",
            Self::Callout => "fleet-auth-nats",
            Self::Enforcer => "fleet-auth-enforcer",
            Self::System => "fleet-nats-system",
            Self::Issuer => "fleet-auth-issuer",
            Self::Xkey => "fleet-auth-xkey",
        }
    }

    /// The entry of the Secret with the key that is used; also the name of the file where it is
    /// mounted.
    pub const fn entry(self) -> &'static str {
        match self {
            Self::Manifest => "manifest.key",
            _ => "seed",
        }
    }

    /// What kind of key it is.
    pub const fn kind(self) -> KeyKind {
        match self {
            Self::Manifest => KeyKind::Manifest,
            Self::Operator | Self::Callout | Self::Enforcer | Self::System => KeyKind::User,
            Self::Issuer => KeyKind::Account,
            Self::Xkey => KeyKind::Curve,
        }
    }

    /// What the key does, and whose it is.
    pub const fn purpose(self) -> &'static str {
        match self {
            Self::Manifest => "Signs what devices are told to run; the operator's",
            Self::Operator => "The operator's login at the bus",
            Self::Callout => "The auth callout's login at the bus",
            Self::Enforcer => {
                "The auth callout's second login at the bus, by which it closes connections of devices"
            }
            Self::System => "A login for the bus's own events and requests",
            Self::Issuer => "Signs the users that the auth callout lets in",
            Self::Xkey => "Opens the requests that servers of the bus seal for the auth callout",
        }
    }

    /// As the command line has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Manifest => "manifest",
            Self::Operator => "operator",
            Self::Callout => "callout",
            Self::Enforcer => "enforcer",
            Self::System => "system",
            Self::Issuer => "issuer",
            Self::Xkey => "xkey",
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// After an entry's name: the key that is to be used next.
pub const NEXT: &str = ".next";
/// After an entry's name: the key that was used before.
pub const PREVIOUS: &str = ".previous";

/// The `ConfigMap` with public keys. Public halves are no secret, and whoever may only read them must
/// not need the right to read Secrets.
pub const PUBLIC_NAME: &str = "fleet-public-keys";
/// The entry with the issuer that servers of the bus are to believe.
pub const ISSUER_ENTRY: &str = "issuer";
/// The entry with the curve key that they are to seal for.
pub const XKEY_ENTRY: &str = "xkey";
/// The entry with the keys whose manifests devices follow, separated by commas.
pub const MANIFEST_KEYS_ENTRY: &str = "manifest-keys";
/// The entry with the accounts of the bus, to be included in a server's configuration.
pub const ACCOUNTS_ENTRY: &str = "accounts.conf";

/// The entry with the certificate of the enrolment service's authority, which devices are given.
pub const AUTHORITY_ENTRY: &str = "enrolment-ca.crt";

/// The Secret with the authority of the enrolment service, in PEM. Devices pin it, so that it stays.
pub const AUTHORITY_NAME: &str = "fleet-enrolment-ca";
/// Its entry with the certificate.
pub const AUTHORITY_CERTIFICATE: &str = "ca.crt";
/// Its entry with the key.
pub const AUTHORITY_KEY: &str = "ca.key";

/// The Secret with the certificate by which OpenBao is known inside of the cluster, of type
/// `kubernetes.io/tls`, with its authority in [`AUTHORITY_CERTIFICATE`].
pub const OPENBAO_TLS_NAME: &str = "fleet-openbao-tls";
/// What tokens are made for by which services log in at OpenBao: nobody else takes them, and it takes no others.
pub const OPENBAO_AUDIENCE: &str = "openbao";
/// The Secret with the key that Zitadel encrypts its database with.
pub const ZITADEL_NAME: &str = "fleet-zitadel-masterkey";
/// Its entry: 32 letters and digits.
pub const ZITADEL_ENTRY: &str = "masterkey";

/// The entry of a seal key's Secret.
pub const SEAL_ENTRY: &str = "seal.key";

/// The Secret with one of OpenBao's seal keys. Each has a Secret of its own that cannot be changed:
/// without the key everything that OpenBao keeps is lost, and backups need the older ones.
pub fn seal_secret(number: NonZeroU32) -> String {
    format!("fleet-openbao-seal-{number}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_read_back_and_has_a_secret_of_its_own() {
        let mut secrets = Vec::new();
        for name in Name::ALL {
            assert_eq!(name.as_str().parse(), Ok(name));
            secrets.push(name.secret());
        }
        secrets.sort_unstable();
        secrets.dedup();
        assert_eq!(secrets.len(), Name::ALL.len());
        assert_eq!("seal".parse::<Name>(), Err(UnknownName("seal".to_owned())));
    }
}
