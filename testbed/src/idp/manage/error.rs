//! Refusals, in the words of gRPC.

use serde_json::{Value, json};

/// A refused call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    code: Code,
    message: &'static str,
}

/// What kind of refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// The request makes no sense.
    InvalidArgument,
    /// There is no such thing, or no such call.
    NotFound,
    /// There is such a thing already: for whoever repeats a call, as good as done.
    AlreadyExists,
    /// The caller may not.
    PermissionDenied,
    /// Not in this state.
    FailedPrecondition,
    /// Nobody knows who the caller is.
    Unauthenticated,
}

impl ApiError {
    pub(in crate::idp) const fn new(code: Code, message: &'static str) -> Self {
        Self { code, message }
    }

    pub(in crate::idp) const fn invalid(message: &'static str) -> Self {
        Self::new(Code::InvalidArgument, message)
    }

    pub(in crate::idp) const fn not_found(message: &'static str) -> Self {
        Self::new(Code::NotFound, message)
    }

    pub(in crate::idp) const fn exists(message: &'static str) -> Self {
        Self::new(Code::AlreadyExists, message)
    }

    pub(in crate::idp) const fn precondition(message: &'static str) -> Self {
        Self::new(Code::FailedPrecondition, message)
    }

    /// What kind of refusal.
    pub fn code(&self) -> Code {
        self.code
    }

    /// As Connect RPC states it.
    pub(in crate::idp) fn connect(&self) -> Value {
        json!({"code": self.code.name(), "message": self.message})
    }

    /// As the REST gateway states it.
    pub(in crate::idp) fn rest(&self) -> Value {
        json!({"code": self.code.number(), "message": self.message, "details": []})
    }
}

impl Code {
    fn name(self) -> &'static str {
        match self {
            Self::InvalidArgument => "invalid_argument",
            Self::NotFound => "not_found",
            Self::AlreadyExists => "already_exists",
            Self::PermissionDenied => "permission_denied",
            Self::FailedPrecondition => "failed_precondition",
            Self::Unauthenticated => "unauthenticated",
        }
    }

    fn number(self) -> u8 {
        match self {
            Self::InvalidArgument => 3,
            Self::NotFound => 5,
            Self::AlreadyExists => 6,
            Self::PermissionDenied => 7,
            Self::FailedPrecondition => 9,
            Self::Unauthenticated => 16,
        }
    }

    /// The status of the HTTP answer.
    pub fn status(self) -> u16 {
        match self {
            Self::InvalidArgument | Self::FailedPrecondition => 400,
            Self::NotFound => 404,
            Self::AlreadyExists => 409,
            Self::PermissionDenied => 403,
            Self::Unauthenticated => 401,
        }
    }
}
