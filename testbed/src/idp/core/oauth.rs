//! Errors as OAuth 2 states them.
//!
//! Source: RFC 6749 §5.2, RFC 8628 §3.5; zitadel/oidc `pkg/oidc/error.go`, zitadel
//! `internal/api/oidc/error.go` (which statuses go with its own errors).

use serde_json::{Value, json};

use super::AssertionErrors;
use super::assertion::AssertionError;

/// An answer that refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::idp) struct OAuthError {
    pub(in crate::idp) status: u16,
    pub(in crate::idp) error: &'static str,
    pub(in crate::idp) description: String,
}

impl OAuthError {
    fn new(status: u16, error: &'static str, description: impl Into<String>) -> Self {
        Self {
            status,
            error,
            description: description.into(),
        }
    }

    pub(in crate::idp) fn invalid_request(description: &str) -> Self {
        Self::new(400, "invalid_request", description)
    }

    pub(in crate::idp) fn invalid_scope(description: &str) -> Self {
        Self::new(400, "invalid_scope", description)
    }

    pub(in crate::idp) fn invalid_grant(description: &str) -> Self {
        Self::new(400, "invalid_grant", description)
    }

    pub(in crate::idp) fn invalid_client(description: &str) -> Self {
        Self::new(401, "invalid_client", description)
    }

    pub(in crate::idp) fn unauthorized_client(description: &str) -> Self {
        Self::new(400, "unauthorized_client", description)
    }

    pub(in crate::idp) fn unsupported_grant_type() -> Self {
        Self::new(400, "unsupported_grant_type", "")
    }

    /// Zitadel's precondition, not OAuth's `invalid_grant`.
    pub(in crate::idp) fn user_not_active() -> Self {
        Self::invalid_request("Errors.User.NotActive")
    }

    pub(in crate::idp) fn server_error() -> Self {
        Self::new(500, "server_error", "Errors.Internal")
    }

    pub(in crate::idp) fn access_denied(status: u16, description: &str) -> Self {
        Self::new(status, "access_denied", description)
    }

    /// Of the device flow.
    pub(in crate::idp) fn waiting(error: &'static str) -> Self {
        Self::new(400, error, "")
    }

    /// For an assertion as a grant.
    pub(in crate::idp) fn assertion(error: AssertionError, style: AssertionErrors) -> Self {
        match (style, error) {
            (AssertionErrors::ServerError, _) => Self::server_error(),
            // A request that cannot be read is no grant (`DefaultToServerError`).
            (_, AssertionError::Malformed) => Self::invalid_request(&error.to_string()),
            _ => Self::invalid_grant(&error.to_string()),
        }
    }

    pub(in crate::idp) fn body(&self) -> Value {
        if self.description.is_empty() {
            return json!({"error": self.error});
        }
        json!({"error": self.error, "error_description": self.description})
    }
}
