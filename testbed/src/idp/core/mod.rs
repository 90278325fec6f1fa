//! What the IdP knows and decides. No I/O and no clock: time is an argument.

pub(super) mod assertion;
pub(super) mod claims;
pub(super) mod clients;
pub(super) mod device_flow;
pub(super) mod grants;
pub(super) mod oauth;
pub(super) mod scopes;
pub(super) mod sessions;
pub(super) mod signing;
pub(super) mod store;

use jiff::{SignedDuration, Timestamp};

use device_flow::DeviceRequests;
use sessions::Sessions;
use signing::{SigningError, SigningKeys};
use store::Store;

/// All of the IdP but its connections.
#[derive(Debug)]
pub(super) struct State {
    pub(super) store: Store,
    pub(super) sessions: Sessions,
    pub(super) device_requests: DeviceRequests,
    pub(super) signing: SigningKeys,
    pub(super) settings: Settings,
}

/// What Zitadel has as settings of the instance, and what tests choose.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) access_token_lifetime: SignedDuration,
    pub(super) id_token_lifetime: SignedDuration,
    pub(super) refresh_token_lifetime: SignedDuration,
    pub(super) poll_interval: SignedDuration,
    pub(super) assertion_errors: AssertionErrors,
    /// The user id of whoever is at the browser.
    pub(super) at_browser: Option<String>,
}

/// How the token endpoint answers an assertion that proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AssertionErrors {
    /// 400 `invalid_grant` with what is wrong, as RFC 7523 §3.1 demands.
    InvalidGrant,
    /// 500 `server_error` with `Errors.Internal`, whatever is wrong, as Zitadel does at least up to
    /// 4.17 (zitadel issue 12692).
    ServerError,
}

/// The circumstances of a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Context<'a> {
    /// Computed from the `Host` that was asked.
    pub(super) issuer: &'a str,
    pub(super) now: Timestamp,
}

impl State {
    pub(super) fn new() -> Result<Self, SigningError> {
        let mut store = Store::default();
        let key = store.new_id();
        Ok(Self {
            store,
            sessions: Sessions::default(),
            device_requests: DeviceRequests::default(),
            signing: SigningKeys::generate(key)?,
            settings: Settings::default(),
        })
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            // The platform's own choice; Zitadel's default is 12 hours.
            access_token_lifetime: SignedDuration::from_mins(10),
            id_token_lifetime: SignedDuration::from_hours(12),
            refresh_token_lifetime: SignedDuration::from_hours(720),
            // Five seconds there.
            poll_interval: SignedDuration::from_secs(1),
            assertion_errors: AssertionErrors::InvalidGrant,
            at_browser: None,
        }
    }
}
