//! Why somebody is not let in: a closed set, the same in the audit log, the metrics and the error
//! that the server logs.

use std::fmt;

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident,)*) => {
        /// Why a login was refused.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum AuthReason {
            $($(#[$doc])* $variant,)*
        }

        impl AuthReason {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The stable text.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => stringify!($variant),)*
                }
            }
        }
    };
}

reasons!(
    /// The request is not sealed, although this service has a key for that.
    RequestUnsealed,
    /// The request is not what a server sends, or its signature is wrong.
    RequestMalformed,
    /// The request is for something else, or names another issuer than ours.
    RequestForeign,
    /// The request is older than a server waits.
    RequestExpired,
    /// The login presents no token.
    TokenMissing,
    /// The token is longer than any of the identity provider's.
    TokenOversize,
    /// The token is not a JWT: the identity provider hands out opaque ones to this user.
    TokenOpaque,
    /// The token is a damaged JWT, or demands what we do not know.
    TokenMalformed,
    /// The token names `none`, a shared secret, or an algorithm we do not know.
    AlgorithmRefused,
    /// The key that the token names is of another algorithm.
    AlgorithmMismatch,
    /// The token names no key, or none of the identity provider's.
    KeyUnknown,
    /// The signature is wrong.
    SignatureInvalid,
    /// Another issuer.
    IssuerWrong,
    /// For somebody else.
    AudienceWrong,
    /// Over.
    TokenExpired,
    /// Not valid yet; one of the clocks is wrong.
    TokenNotYetValid,
    /// Minted too long ago, although it has not expired.
    TokenTooOld,
    /// The role that makes a device is missing.
    RoleMissing,
    /// The role, but not in our organisation.
    OrganisationWrong,
    /// The token says not which device this is.
    DeviceIdMissing,
    /// What it says is not a device id.
    DeviceIdInvalid,
    /// Nothing was decided about this device.
    PolicyMissing,
    /// The device belongs to another user of the identity provider.
    SubjectMismatch,
    /// The device is switched off for now.
    DeviceDisabled,
    /// The device is shut out.
    DeviceDenied,
    /// One identity logs in too often.
    RateLimited,
    /// The identity provider's keys were never read since this replica started.
    KeysUnavailable,
    /// The policies cannot be read.
    PolicyUnavailable,
);

impl AuthReason {
    /// Whether to leave the request without an answer: whoever sends garbage then waits as long as
    /// the server's patience lasts, instead of trying again at once. Devices that merely hold the
    /// wrong token get an error.
    pub const fn is_garbage(self) -> bool {
        matches!(
            self,
            Self::RequestUnsealed
                | Self::RequestMalformed
                | Self::RequestForeign
                | Self::RequestExpired
                | Self::TokenMissing
                | Self::TokenOversize
                | Self::TokenMalformed
                | Self::AlgorithmRefused
                | Self::AlgorithmMismatch
                | Self::SignatureInvalid
                | Self::RateLimited
        )
    }
}

impl fmt::Display for AuthReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is known of a token, for the audit log. Only `key_id` is known before the signature is
/// verified, and is then whatever the sender wrote.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct About {
    /// The key that the token names.
    pub key_id: Option<String>,
    /// The user of the identity provider.
    pub subject: Option<String>,
    /// The token's own id.
    pub token_id: Option<String>,
    /// The device it speaks for.
    pub device: Option<String>,
}

/// A refusal, with what the audit log should know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}: {detail}")]
pub struct Refusal {
    /// Why.
    pub reason: AuthReason,
    /// The same for people, without anything secret.
    pub detail: String,
    /// Whom it concerns. Boxed, because refusals travel through many results.
    pub about: Box<About>,
}

/// The most of a foreign text that is repeated in a message.
const SHOWN: usize = 100;

impl Refusal {
    /// For this reason; `detail` is for people.
    pub fn new(reason: AuthReason, detail: impl Into<String>) -> Self {
        Self {
            reason,
            detail: detail.into(),
            about: Box::default(),
        }
    }

    /// The same with what is known of the token.
    #[must_use]
    pub fn about(mut self, about: &About) -> Self {
        *self.about = about.clone();
        self
    }
}

/// A text of somebody else's, cut to what a log line should hold.
pub(crate) fn shown(text: &str) -> String {
    text.chars().take(SHOWN).collect()
}
