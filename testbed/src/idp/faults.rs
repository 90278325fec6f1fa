//! Faults on demand, and who asked what.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::process::lock;

/// What clients ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Endpoint {
    /// `/.well-known/openid-configuration`
    Discovery,
    /// The public keys.
    Keys,
    /// Tokens for any grant.
    Token,
    /// The login page and what leads there.
    Authorize,
    /// The begin of the device flow.
    DeviceAuthorization,
    /// Claims about the user of a token.
    UserInfo,
    /// The API that changes users, keys and projects.
    Management,
}

/// What an endpoint does instead of its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Its work, but this much later.
    Slow(Duration),
    /// An answer of this status and nothing that an OAuth client could read.
    Status(u16),
}

impl Endpoint {
    pub(super) fn of(path: &str) -> Self {
        match path {
            "/.well-known/openid-configuration" => Self::Discovery,
            "/oauth/v2/keys" => Self::Keys,
            "/oauth/v2/token" | "/oauth/v2/revoke" => Self::Token,
            "/oauth/v2/device_authorization" => Self::DeviceAuthorization,
            "/oidc/v1/userinfo" => Self::UserInfo,
            _ if path.starts_with("/oauth/") || path.starts_with("/ui/") => Self::Authorize,
            _ => Self::Management,
        }
    }
}

/// The state of all faults, and the counts.
#[derive(Debug, Default)]
pub(super) struct Faults {
    pub(super) clock_offset: AtomicI64,
    everywhere: Mutex<Option<Fault>>,
    at: Mutex<BTreeMap<Endpoint, Fault>>,
    requests: Mutex<BTreeMap<Endpoint, u64>>,
}

impl Faults {
    /// Counts a request; the fault that it meets.
    pub(super) fn meet(&self, endpoint: Endpoint) -> Option<Fault> {
        *lock(&self.requests).entry(endpoint).or_default() += 1;
        let here = lock(&self.at).get(&endpoint).copied();
        here.or_else(|| *lock(&self.everywhere))
    }

    pub(super) fn set(&self, endpoint: Option<Endpoint>, fault: Fault) {
        match endpoint {
            Some(endpoint) => {
                lock(&self.at).insert(endpoint, fault);
            }
            None => *lock(&self.everywhere) = Some(fault),
        }
    }

    pub(super) fn clear(&self) {
        lock(&self.at).clear();
        *lock(&self.everywhere) = None;
    }

    pub(super) fn requests(&self, endpoint: Endpoint) -> u64 {
        lock(&self.requests)
            .get(&endpoint)
            .copied()
            .unwrap_or_default()
    }

    /// What the IdP takes the time to be.
    pub(super) fn now(&self) -> Timestamp {
        let offset = SignedDuration::from_secs(self.clock_offset.load(Ordering::Relaxed));
        Timestamp::now() + offset
    }
}
