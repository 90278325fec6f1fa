//! The IdP over HTTP: routes, and what all of them share.

mod authorize;
mod discovery;
mod guard;
mod management;
mod token;

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::{StatusCode, header};
use serde_json::Value;

use super::core::oauth::OAuthError;
use super::core::{Context, State};
use super::faults::Faults;
use crate::process::lock;

/// What requests and tests both reach.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) state: Mutex<State>,
    pub(super) faults: Faults,
    /// The only host name that the IdP answers to.
    pub(super) domain: String,
}

impl Shared {
    /// Decides with everything else standing still.
    fn decide<T>(&self, issuer: &Issuer, decide: impl FnOnce(&mut State, Context<'_>) -> T) -> T {
        let context = Context {
            issuer: &issuer.0,
            now: self.faults.now(),
        };
        decide(&mut lock(&self.state), context)
    }
}

/// The issuer as the request's `Host` makes it.
#[derive(Debug, Clone)]
struct Issuer(String);

pub(super) fn router(shared: Arc<Shared>) -> Router {
    let guard = middleware::from_fn_with_state(Arc::clone(&shared), guard::guard);
    Router::new()
        .route(
            "/.well-known/openid-configuration",
            get(discovery::configuration),
        )
        .route("/oauth/v2/keys", get(discovery::keys))
        .route("/oauth/v2/token", post(token::token))
        .route("/oauth/v2/revoke", post(token::revoke))
        .route("/oauth/v2/authorize", get(authorize::authorize))
        .route(
            "/oauth/v2/device_authorization",
            post(token::device_authorization),
        )
        .route(
            "/oidc/v1/userinfo",
            get(token::user_info).post(token::user_info),
        )
        .merge(management::routes())
        .fallback(management::unknown)
        .layer(guard)
        .with_state(shared)
}

/// Tokens must not be kept by anything in between (RFC 6749 §5.1).
fn answer(outcome: Result<Value, OAuthError>) -> Response {
    let (status, body) = match outcome {
        Ok(body) => (StatusCode::OK, body),
        Err(error) => {
            let status = StatusCode::from_u16(error.status);
            (status.unwrap_or(StatusCode::BAD_REQUEST), error.body())
        }
    };
    json(status, &body, "no-store")
}

fn json(status: StatusCode, body: &Value, caching: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, caching),
    ];
    (status, headers, body.to_string()).into_response()
}
