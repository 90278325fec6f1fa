//! Tokens, the device flow's begin, and userinfo.

use std::sync::Arc;

use axum::extract::State;
use axum::extract::rejection::FormRejection;
use axum::response::Response;
use axum::{Extension, Form};
use http::{HeaderMap, header};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};

use super::super::core::claims;
use super::super::core::clients::{Application, GrantType};
use super::super::core::grants::{self, field, require_openid};
use super::super::core::oauth::OAuthError;
use super::super::core::scopes::Scopes;
use super::super::core::sessions::Session;
use super::super::core::{self, Context};
use super::{Issuer, Shared, answer};

type Fields = Result<Form<grants::Form>, FormRejection>;

pub(super) async fn token(
    State(shared): State<Arc<Shared>>,
    Extension(issuer): Extension<Issuer>,
    form: Fields,
) -> Response {
    decided(&shared, &issuer, form, grants::grant)
}

pub(super) async fn device_authorization(
    State(shared): State<Arc<Shared>>,
    Extension(issuer): Extension<Issuer>,
    form: Fields,
) -> Response {
    decided(&shared, &issuer, form, begin_device_flow)
}

pub(super) async fn revoke(
    State(shared): State<Arc<Shared>>,
    Extension(issuer): Extension<Issuer>,
    form: Fields,
) -> Response {
    decided(&shared, &issuer, form, grants::revoke)
}

fn decided(
    shared: &Shared,
    issuer: &Issuer,
    form: Fields,
    decide: fn(&mut core::State, &grants::Form, Context<'_>) -> Result<Value, OAuthError>,
) -> Response {
    let decide = |form| shared.decide(issuer, |state, context| decide(state, &form, context));
    answer(read(form).and_then(decide))
}

fn begin_device_flow(
    state: &mut core::State,
    form: &grants::Form,
    context: Context<'_>,
) -> Result<Value, OAuthError> {
    let client = field(form, "client_id")?;
    let application = Application::find(&state.store, Some(client))?;
    if !application.may(GrantType::DeviceCode) {
        return Err(OAuthError::unauthorized_client(
            "client missing grant type device_code",
        ));
    }
    let scopes = Scopes::parse(form.get("scope").map_or("", String::as_str), None);
    require_openid(&scopes)?;
    let codes = state.device_requests.add(client, scopes, context.now);
    let page = format!("{}/device", context.issuer);
    Ok(json!({
        "device_code": codes.device,
        "user_code": codes.user,
        "verification_uri": page,
        "verification_uri_complete": format!("{page}?user_code={}", codes.user),
        "expires_in": codes.lifetime.as_secs(),
        "interval": state.settings.poll_interval.as_secs(),
    }))
}

pub(super) async fn user_info(
    State(shared): State<Arc<Shared>>,
    Extension(issuer): Extension<Issuer>,
    headers: HeaderMap,
) -> Response {
    answer(shared.decide(&issuer, |state, context| {
        let session = bearer(&headers).and_then(|token| session(state, token, context));
        let denied = |what| OAuthError::access_denied(401, what);
        let session = session.ok_or_else(|| denied("access token invalid"))?;
        let user = state.store.users.get(&session.user);
        if !user.is_some_and(core::store::User::is_active) {
            return Err(denied("no active user"));
        }
        Ok(claims::user_info(&state.store, session))
    }))
}

pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let header = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    header.strip_prefix("Bearer ")
}

/// What a token stands for, opaque or not: the IdP knows all that it gave out.
pub(super) fn session<'a>(
    state: &'a core::State,
    token: &str,
    context: Context<'_>,
) -> Option<&'a Session> {
    if let Some(session) = state.sessions.by_opaque(token, context.now) {
        return Some(session);
    }
    let header = jsonwebtoken::decode_header(token).ok()?;
    let set = state.signing.set();
    let key = DecodingKey::from_jwk(set.find(&header.kid?)?).ok()?;
    let mut validation = Validation::new(Algorithm::RS256);
    validation.set_issuer(&[context.issuer]);
    validation.validate_aud = false;
    // By the IdP's own clock, below.
    validation.validate_exp = false;
    let token = jsonwebtoken::decode::<Value>(token, &key, &validation).ok()?;
    let id = token.claims.get("jti")?.as_str()?;
    state.sessions.by_id(id, context.now)
}

fn read(form: Fields) -> Result<grants::Form, OAuthError> {
    let unreadable = |_| OAuthError::invalid_request("error parsing form");
    form.map(|Form(form)| form).map_err(unreadable)
}
