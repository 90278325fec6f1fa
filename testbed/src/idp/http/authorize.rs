//! The begin of the code flow. Nobody types a password: a test says who is at the browser.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use http::{StatusCode, Uri, header};

use super::super::core::clients::{Application, Challenge, GrantType};
use super::super::core::grants::{self, application_audience, field, require_openid};
use super::super::core::oauth::OAuthError;
use super::super::core::scopes::Scopes;
use super::super::core::sessions::Session;
use super::super::core::{self, Context};
use super::{Issuer, Shared, answer};

pub(super) async fn authorize(
    State(shared): State<Arc<Shared>>,
    Extension(issuer): Extension<Issuer>,
    Query(form): Query<grants::Form>,
) -> Response {
    let redirect = shared.decide(&issuer, |state, context| {
        // Until the address is known to be the client's, errors stay here (RFC 6749 §4.1.2.1).
        let redirect_uri = redirect_uri(state, &form)?;
        let outcome = log_in(state, &form, &redirect_uri, context);
        let mut fields = match outcome {
            Ok(Some(code)) => vec![("code", code)],
            Ok(None) => return Ok(login_page(context)),
            Err(error) => vec![
                ("error", error.error.to_owned()),
                ("error_description", error.description),
            ],
        };
        fields.extend(form.get("state").map(|state| ("state", state.clone())));
        Ok(with_query(&redirect_uri, &fields))
    });
    match redirect {
        Ok(address) => (StatusCode::FOUND, [(header::LOCATION, address)]).into_response(),
        Err(error) => answer(Err(error)),
    }
}

fn redirect_uri(state: &core::State, form: &grants::Form) -> Result<String, OAuthError> {
    let client = form.get("client_id").map(String::as_str);
    let wanted = field(form, "redirect_uri")?;
    if !Application::find(&state.store, client)?.may_redirect_to(wanted) {
        let text = "The requested redirect_uri is missing in the client configuration.";
        return Err(OAuthError::invalid_request(text));
    }
    Ok(wanted.to_owned())
}

/// A code, unless nobody is at the browser.
fn log_in(
    state: &mut core::State,
    form: &grants::Form,
    redirect_uri: &str,
    context: Context<'_>,
) -> Result<Option<String>, OAuthError> {
    let client = form.get("client_id").map(String::as_str);
    let application = Application::find(&state.store, client)?;
    if field(form, "response_type")? != "code" || !application.may(GrantType::AuthorizationCode) {
        return Err(OAuthError::unauthorized_client(
            "response_type is not allowed",
        ));
    }
    let scopes = Scopes::parse(field(form, "scope")?, None);
    require_openid(&scopes)?;
    let field = |name: &str| form.get(name).map(String::as_str);
    let challenge = Challenge::parse(field("code_challenge"), field("code_challenge_method"))?;
    let Some(user) = state.settings.at_browser.clone() else {
        return Ok(None);
    };
    let session = Session {
        user,
        client_id: application.id.clone(),
        audience: application_audience(&state.store, &application.project, &scopes),
        scopes,
        authenticated: context.now,
        nonce: form.get("nonce").cloned(),
        neutral_project: None,
    };
    let uri = redirect_uri.to_owned();
    Ok(Some(state.sessions.add_code(
        session,
        uri,
        challenge,
        context.now,
    )))
}

/// Where a browser would show a form; nothing answers there.
fn login_page(context: Context<'_>) -> String {
    format!("{}/ui/v2/login/loginname", context.issuer)
}

fn with_query(address: &str, fields: &[(&str, String)]) -> String {
    let query: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("{name}={}", percent_encoded(value)))
        .collect();
    let has_query = address
        .parse::<Uri>()
        .is_ok_and(|uri| uri.query().is_some());
    let separator = if has_query { '&' } else { '?' };
    format!("{address}{separator}{}", query.join("&"))
}

fn percent_encoded(text: &str) -> String {
    let encoded = text.bytes().map(|byte| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    });
    encoded.collect()
}
