//! The API over HTTP: who calls, in which form, and which call.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{MethodFilter, MethodRouter, on};
use axum::{Extension, Router};
use http::{HeaderMap, Method, StatusCode, header};
use serde_json::{Value, json};

use super::super::core::store::API_PROJECT;
use super::super::core::{self, Context};
use super::super::manage::{ApiError, CONNECT, Caller, Code, Operation, REST};
use super::token::{bearer, session};
use super::{Issuer, Shared};

/// How errors are stated.
#[derive(Debug, Clone, Copy)]
enum Style {
    Connect,
    Rest,
}

type Variables = Path<BTreeMap<String, String>>;

pub(super) fn routes() -> Router<Arc<Shared>> {
    let mut router = Router::new();
    for (path, operation) in CONNECT {
        router = router.route(path, route(MethodFilter::POST, *operation, Style::Connect));
    }
    for (method, path, operation) in REST {
        let filter = match *method {
            Method::GET => MethodFilter::GET,
            Method::DELETE => MethodFilter::DELETE,
            _ => MethodFilter::POST,
        };
        router = router.route(path, route(filter, *operation, Style::Rest));
    }
    router
}

fn route(filter: MethodFilter, operation: Operation, style: Style) -> MethodRouter<Arc<Shared>> {
    let handler = move |State(shared): State<Arc<Shared>>,
                        Extension(issuer): Extension<Issuer>,
                        Path(variables): Variables,
                        headers: HeaderMap,
                        body: Bytes| async move {
        if matches!(style, Style::Connect) && !is_json(&headers) {
            return super::json(StatusCode::UNSUPPORTED_MEDIA_TYPE, &json!({}), "no-store");
        }
        let outcome = shared.decide(&issuer, |state, context| {
            let caller = caller(state, &headers, context)?;
            let request = request(&body, variables)?;
            operation(&mut state.store, &caller, request, context.now)
        });
        reply(outcome, style)
    };
    on(filter, handler)
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"))
}

fn reply(outcome: Result<Value, ApiError>, style: Style) -> Response {
    match outcome {
        Ok(body) => super::json(StatusCode::OK, &body, "no-store"),
        Err(error) => {
            let body = match style {
                Style::Connect => error.connect(),
                Style::Rest => error.rest(),
            };
            let status = StatusCode::from_u16(error.code().status());
            super::json(status.unwrap_or(StatusCode::BAD_REQUEST), &body, "no-store")
        }
    }
}

/// A personal access token, or an access token that was asked for with the API's own audience.
fn caller(
    state: &core::State,
    headers: &HeaderMap,
    context: Context<'_>,
) -> Result<Caller, ApiError> {
    let unknown = |message| ApiError::new(Code::Unauthenticated, message);
    if !headers.contains_key(header::AUTHORIZATION) {
        return Err(unknown("auth header missing"));
    }
    let token = bearer(headers).ok_or(unknown("invalid auth header"))?;
    let personal = state.store.personal_tokens.get(token);
    let personal = personal.filter(|token| context.now < token.expires);
    let by_session = || {
        let session = session(state, token, context)?;
        let for_api = session
            .audience
            .iter()
            .any(|audience| audience == API_PROJECT);
        for_api.then_some(&session.user)
    };
    let user = personal
        .map(|token| &token.user)
        .or_else(by_session)
        .and_then(|id| state.store.users.get(id));
    // Given out before the user was deactivated, and worth nothing since.
    let user = user.filter(|user| user.is_active());
    let user = user.ok_or(unknown("Errors.Token.Invalid (AUTH-7fs1e)"))?;
    Ok(Caller::User(user.id.clone()))
}

/// The body with what the path names.
fn request(body: &[u8], variables: BTreeMap<String, String>) -> Result<Value, ApiError> {
    let malformed = ApiError::invalid("proto: syntax error");
    let mut request: Value = match body {
        [] => json!({}),
        body => serde_json::from_slice(body).map_err(|_| malformed)?,
    };
    let fields = request.as_object_mut().ok_or(malformed)?;
    fields.extend(
        variables
            .into_iter()
            .map(|(name, value)| (name, value.into())),
    );
    Ok(request)
}

/// A call that does not exist, as the gateway says it.
pub(super) async fn unknown() -> Response {
    reply(Err(ApiError::not_found("Not Found")), Style::Rest)
}
