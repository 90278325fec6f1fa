//! The token endpoint: from a grant to tokens.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::assertion::{self, AssertionError};
use super::claims::{self, Times};
use super::clients::{Application, GrantType};
use super::oauth::OAuthError;
use super::scopes::Scopes;
use super::sessions::Session;
use super::store::{Store, TokenType, User, UserKind};
use super::{Context, State};

const JWT_PROFILE: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";
const CLIENT_ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The fields of a form.
pub(in crate::idp) type Form = BTreeMap<String, String>;

/// Answers a token request.
pub(in crate::idp) fn grant(
    state: &mut State,
    form: &Form,
    context: Context<'_>,
) -> Result<Value, OAuthError> {
    match field(form, "grant_type")? {
        JWT_PROFILE => jwt_profile(state, form, context),
        "client_credentials" => client_credentials(state, form, context),
        "authorization_code" => authorization_code(state, form, context),
        "refresh_token" => refresh(state, form, context),
        DEVICE_CODE => device_code(state, form, context),
        _ => Err(OAuthError::unsupported_grant_type()),
    }
}

/// RFC 7523 §2.1: the assertion is the grant, and there is no other authentication.
fn jwt_profile(state: &mut State, form: &Form, context: Context<'_>) -> Result<Value, OAuthError> {
    let assertion = field(form, "assertion")?;
    let style = state.settings.assertion_errors;
    let judged = assertion::judge(assertion, &[context.issuer], &state.store, context.now);
    let (user, _) = judged.map_err(|error| OAuthError::assertion(error, style))?;
    let requested = form.get("scope").map_or("", String::as_str);
    if requested.trim().is_empty() {
        return Err(OAuthError::invalid_request(
            "The scope of your request is missing.",
        ));
    }
    let scopes = Scopes::parse(requested, Some(&user.organisation));
    require_openid(&scopes)?;
    require_active(user)?;
    let session = Session {
        user: user.id.clone(),
        client_id: user.username.clone(),
        audience: scopes.audience(),
        scopes,
        authenticated: context.now,
        nonce: None,
        neutral_project: None,
    };
    issue(state, session, Refresh::Never, context)
}

/// RFC 7523 §2.2: the assertion authenticates the client. Zitadel has no such thing for machines;
/// this is as Keycloak does it: `jti` is there and used once, and the audience may be the issuer
/// or the token endpoint.
fn client_credentials(
    state: &mut State,
    form: &Form,
    context: Context<'_>,
) -> Result<Value, OAuthError> {
    if form.get("client_assertion_type").map(String::as_str) != Some(CLIENT_ASSERTION) {
        return Err(OAuthError::invalid_client(
            "client authentication is missing",
        ));
    }
    let assertion = field(form, "client_assertion")?;
    let endpoint = format!("{}/oauth/v2/token", context.issuer);
    let audiences = [context.issuer, endpoint.as_str()];
    let refused = |error: AssertionError| OAuthError::invalid_client(&error.to_string());
    let judged = assertion::judge(assertion, &audiences, &state.store, context.now);
    let (user, assertion) = judged.map_err(refused)?;
    let id = assertion.jti.ok_or(refused(AssertionError::NoTokenId))?;
    if !state.sessions.use_once(&id, assertion.exp, context.now) {
        return Err(refused(AssertionError::Replayed));
    }
    if form.get("client_id").is_some_and(|id| *id != user.id) {
        return Err(OAuthError::invalid_client(
            "client_id is not that of the assertion",
        ));
    }
    require_active(user)?;
    let requested = form.get("scope").map_or("", String::as_str);
    let scopes = Scopes::parse(requested, Some(&user.organisation));
    let project = neutral_project(&state.store, user);
    let mut audience = scopes.audience();
    audience.extend(
        project
            .clone()
            .filter(|project| !audience.contains(project)),
    );
    let session = Session {
        user: user.id.clone(),
        client_id: user.id.clone(),
        audience,
        scopes,
        authenticated: context.now,
        nonce: None,
        neutral_project: project,
    };
    issue(state, session, Refresh::Never, context)
}

fn authorization_code(
    state: &mut State,
    form: &Form,
    context: Context<'_>,
) -> Result<Value, OAuthError> {
    let application = application(&state.store, form, GrantType::AuthorizationCode)?;
    let (client_id, may_refresh) = (
        application.id.clone(),
        application.may(GrantType::RefreshToken),
    );
    let wrong = |what| Err(OAuthError::invalid_grant(what));
    let Some(code) = state.sessions.take_code(field(form, "code")?, context.now) else {
        return wrong("Errors.User.Code.Invalid");
    };
    if code.session.client_id != client_id {
        return wrong("Errors.User.Code.Invalid");
    }
    if field(form, "redirect_uri")? != code.redirect_uri {
        return wrong("redirect_uri does not correspond");
    }
    // Applications here have no secret, so the challenge is all that binds the code to them.
    let Some(challenge) = &code.challenge else {
        return Err(OAuthError::invalid_request("PKCE required"));
    };
    let verifier = form.get("code_verifier").map_or("", String::as_str);
    if !challenge.is_met_by(verifier) {
        return wrong("code verifier does not match");
    }
    let refresh = Refresh::when(may_refresh && code.session.scopes.has("offline_access"));
    issue(state, code.session, refresh, context)
}

/// The old token is gone with its use; who is refused keeps it.
fn refresh(state: &mut State, form: &Form, context: Context<'_>) -> Result<Value, OAuthError> {
    let client = application(&state.store, form, GrantType::RefreshToken)?
        .id
        .clone();
    let token = field(form, "refresh_token")?;
    let session = state.sessions.refresh(token, context.now);
    let session = session
        .filter(|session| session.client_id == client)
        .cloned();
    let Some(mut session) = session else {
        return Err(OAuthError::invalid_grant(
            "Errors.User.RefreshToken.Invalid",
        ));
    };
    if let Some(narrower) = form.get("scope") {
        let narrower = Scopes::parse(narrower, None);
        if !session.scopes.covers(&narrower) {
            return Err(OAuthError::invalid_scope(
                "Errors.User.RefreshToken.Invalid",
            ));
        }
        session.scopes = narrower;
    }
    session.nonce = None;
    let answer = issue(state, session, Refresh::Given, context)?;
    state.sessions.drop_refresh(token);
    Ok(answer)
}

/// Takes a refresh token back. One that is unknown is as good as taken back (RFC 7009 §2.2); that of
/// another application stays.
pub(in crate::idp) fn revoke(
    state: &mut State,
    form: &Form,
    context: Context<'_>,
) -> Result<Value, OAuthError> {
    let client = Application::find(&state.store, form.get("client_id").map(String::as_str))?;
    let token = field(form, "token")?;
    let session = state.sessions.refresh(token, context.now);
    if session.is_some_and(|session| session.client_id != client.id) {
        return Err(OAuthError::invalid_client(
            "token was not issued for this client",
        ));
    }
    state.sessions.drop_refresh(token);
    Ok(json!({}))
}

fn device_code(state: &mut State, form: &Form, context: Context<'_>) -> Result<Value, OAuthError> {
    let application = application(&state.store, form, GrantType::DeviceCode)?;
    let (client_id, project) = (application.id.clone(), application.project.clone());
    let may_refresh = application.may(GrantType::RefreshToken);
    let interval = state.settings.poll_interval;
    let code = field(form, "device_code")?;
    let (request, user) = state
        .device_requests
        .poll(code, &client_id, interval, context.now)?;
    let session = Session {
        user,
        client_id,
        audience: application_audience(&state.store, &project, &request.scopes),
        authenticated: context.now,
        nonce: None,
        neutral_project: None,
        scopes: request.scopes,
    };
    let refresh = Refresh::when(may_refresh && session.scopes.has("offline_access"));
    issue(state, session, refresh, context)
}

/// Whether a refresh token goes along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refresh {
    Given,
    Never,
}

impl Refresh {
    fn when(condition: bool) -> Self {
        if condition { Self::Given } else { Self::Never }
    }
}

fn issue(
    state: &mut State,
    session: Session,
    refresh: Refresh,
    context: Context<'_>,
) -> Result<Value, OAuthError> {
    let user = state.store.users.get(&session.user);
    require_active(user.ok_or(OAuthError::user_not_active())?)?;
    let lifetime = state.settings.access_token_lifetime;
    let id = state
        .sessions
        .add_access(session.clone(), context.now + lifetime);
    let access_token = match token_type(&state.store, &session) {
        TokenType::Opaque => state.sessions.add_opaque(&id),
        TokenType::Jwt => {
            let claims =
                claims::access_token(&state.store, &session, &id, times(context, lifetime));
            sign(state, &claims)?
        }
    };
    let mut answer = json!({
        "access_token": access_token,
        "token_type": "Bearer",
        "expires_in": lifetime.as_secs(),
        "scope": session.scopes.to_string(),
    });
    if session.scopes.has("openid") {
        // Machines get one that ends when it begins (zitadel issue 12779): good for nothing.
        let lifetime = match session.application(&state.store) {
            Some(_) => state.settings.id_token_lifetime,
            None => SignedDuration::ZERO,
        };
        let times = times(context, lifetime);
        let claims = claims::id_token(&state.store, &session, &access_token, times);
        answer["id_token"] = sign(state, &claims)?.into();
    }
    if refresh == Refresh::Given {
        let expires = context.now + state.settings.refresh_token_lifetime;
        answer["refresh_token"] = state.sessions.add_refresh(session, expires).into();
    }
    Ok(answer)
}

fn times(context: Context<'_>, lifetime: SignedDuration) -> Times<'_> {
    Times {
        issuer: context.issuer,
        now: context.now,
        lifetime,
    }
}

fn sign(state: &State, claims: &Value) -> Result<String, OAuthError> {
    let signed = state.signing.sign(claims);
    signed.map_err(|_| OAuthError::server_error())
}

fn token_type(store: &Store, session: &Session) -> TokenType {
    if let Some(application) = session.application(store) {
        return application.tokens;
    }
    match store.users.get(&session.user).map(|user| &user.kind) {
        Some(UserKind::Machine { tokens, .. }) => *tokens,
        _ => TokenType::Opaque,
    }
}

/// The audience of an application's tokens: all applications of its project, the project, and what
/// was asked for.
pub(in crate::idp) fn application_audience(
    store: &Store,
    project: &str,
    scopes: &Scopes,
) -> Vec<String> {
    let applications = store.applications.values();
    let siblings = applications.filter(|application| application.project == project);
    let mut audience: Vec<String> = siblings.map(|application| application.id.clone()).collect();
    audience.push(project.to_owned());
    let asked = scopes.audience().into_iter();
    audience.extend(asked.filter(|asked| asked != project));
    audience
}

fn application<'a>(
    store: &'a Store,
    form: &Form,
    grant: GrantType,
) -> Result<&'a Application, OAuthError> {
    let client = form.get("client_id").map(String::as_str);
    let application = Application::find(store, client)?;
    if !application.may(grant) {
        return Err(OAuthError::unauthorized_client("grant_type not allowed"));
    }
    Ok(application)
}

/// Other providers have no projects; a machine has the one in which it has a role.
fn neutral_project(store: &Store, user: &User) -> Option<String> {
    let granted = store.roles_of(&user.id);
    granted.into_keys().next().map(str::to_owned)
}

pub(in crate::idp) fn require_openid(scopes: &Scopes) -> Result<(), OAuthError> {
    if scopes.has("openid") {
        return Ok(());
    }
    Err(OAuthError::invalid_scope(
        "The scope openid is missing in your request.",
    ))
}

fn require_active(user: &User) -> Result<(), OAuthError> {
    if user.is_active() {
        return Ok(());
    }
    Err(OAuthError::user_not_active())
}

pub(in crate::idp) fn field<'a>(form: &'a Form, name: &str) -> Result<&'a str, OAuthError> {
    let value = form.get(name).filter(|value| !value.is_empty());
    let missing = || OAuthError::invalid_request(&format!("{name} is missing"));
    value.map(String::as_str).ok_or_else(missing)
}
