//! Which keys the platform has, and where each is kept.

use std::fmt;
use std::num::NonZeroU32;

use clap::ValueEnum;
use fleet_keys::KeyKind;

/// A key that can be changed while everything runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Name {
    /// Signs what devices are told to run; the operator's.
    Manifest,
    /// The operator's login at the bus.
    Operator,
    /// The auth callout's login at the bus.
    Callout,
    /// The auth callout's second login at the bus, by which it closes connections of devices.
    Enforcer,
    /// A login for the bus's own events and requests.
    System,
    /// Signs the users that the auth callout lets in.
    Issuer,
    /// Opens the requests that servers of the bus seal for the auth callout.
    Xkey,
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

/// The entry of a seal key's Secret.
pub const SEAL_ENTRY: &str = "seal.key";

/// The Secret with one of OpenBao's seal keys. Each has a Secret of its own that cannot be changed:
/// without the key everything that OpenBao keeps is lost, and backups need the older ones.
pub fn seal_secret(number: NonZeroU32) -> String {
    format!("fleet-openbao-seal-{number}")
}
