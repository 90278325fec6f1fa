//! What tokens and the userinfo endpoint say about a user.
//!
//! Source: zitadel `internal/api/oidc/userinfo.go` (`prepareRoles`, `userInfoToOIDC`,
//! `setUserInfoRoleClaims`) and `token.go`; `NewAccessTokenClaims` and `NewIDTokenClaims` of
//! zitadel/oidc. They differ from the documentation's examples in places, and tokens follow them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::sessions::Session;
use super::store::{Store, User, UserKind};

const ROLES: &str = "urn:zitadel:iam:org:project:roles";
const METADATA: &str = "urn:zitadel:iam:user:metadata";
const RESOURCE_OWNER: &str = "urn:zitadel:iam:user:resourceowner";
const ORGANISATION: &str = "urn:zitadel:iam:org:id";

/// Which claims about the user go along.
#[derive(Debug, Clone, Copy)]
pub(in crate::idp) struct Asserted {
    pub(in crate::idp) roles: bool,
    /// Name and address of a person.
    pub(in crate::idp) profile: bool,
}

/// The claims of an access token.
pub(in crate::idp) fn access_token(
    store: &Store,
    session: &Session,
    id: &str,
    times: Times<'_>,
) -> Value {
    let mut audience = session.audience.clone();
    if audience.is_empty() {
        audience.push(session.client_id.clone());
    }
    let roles = session
        .application(store)
        .is_none_or(|application| application.asserts.access_token_roles);
    let mut claims = about(
        store,
        session,
        Asserted {
            roles,
            profile: false,
        },
    );
    claims.extend(neutral(store, session));
    let own = json!({
        "iss": times.issuer,
        "sub": session.user,
        "aud": audience,
        "exp": times.expires(),
        "iat": times.now.as_second(),
        "nbf": times.now.as_second(),
        "jti": id,
        "client_id": session.client_id,
    });
    merged(claims, own)
}

/// The claims of an id token, whose audience is everything the token is good for *and* the client.
pub(in crate::idp) fn id_token(
    store: &Store,
    session: &Session,
    access_token: &str,
    times: Times<'_>,
) -> Value {
    let mut audience = session.audience.clone();
    if !audience.contains(&session.client_id) {
        audience.push(session.client_id.clone());
    }
    let application = session.application(store);
    let asserted = Asserted {
        roles: application.is_none_or(|application| application.asserts.id_token_roles),
        profile: application.is_none_or(|application| application.asserts.id_token_profile),
    };
    let hash = Sha256::digest(access_token.as_bytes());
    let (left, _) = hash.split_at(16);
    let mut own = json!({
        "iss": times.issuer,
        "sub": session.user,
        "aud": audience,
        "exp": times.expires(),
        "iat": times.now.as_second(),
        "auth_time": session.authenticated.as_second(),
        "azp": session.client_id,
        "client_id": session.client_id,
        "at_hash": URL_SAFE_NO_PAD.encode(left),
    });
    if let (Some(nonce), Some(own)) = (&session.nonce, own.as_object_mut()) {
        own.insert("nonce".to_owned(), json!(nonce));
    }
    merged(about(store, session, asserted), own)
}

/// The answer of the userinfo endpoint.
pub(in crate::idp) fn user_info(store: &Store, session: &Session) -> Value {
    let asserted = Asserted {
        roles: true,
        profile: true,
    };
    merged(
        about(store, session, asserted),
        json!({"sub": session.user}),
    )
}

/// Who signs, when, and for how long.
#[derive(Debug, Clone, Copy)]
pub(in crate::idp) struct Times<'a> {
    pub(in crate::idp) issuer: &'a str,
    pub(in crate::idp) now: Timestamp,
    pub(in crate::idp) lifetime: SignedDuration,
}

impl Times<'_> {
    fn expires(self) -> i64 {
        self.now.as_second() + self.lifetime.as_secs()
    }
}

fn about(store: &Store, session: &Session, asserted: Asserted) -> Map<String, Value> {
    let mut claims = Map::new();
    let Some(user) = store.users.get(&session.user) else {
        return claims;
    };
    if asserted.profile {
        claims.extend(profile(user, session));
    }
    let scopes = &session.scopes;
    if scopes.asks_for_metadata() && !user.metadata.is_empty() {
        let encoded =
            |(key, value): (&String, &Vec<u8>)| (key.clone(), json!(URL_SAFE_NO_PAD.encode(value)));
        let metadata: Map<String, Value> = user.metadata.iter().map(encoded).collect();
        claims.insert(METADATA.to_owned(), metadata.into());
    }
    if let Some(organisation) = scopes.organisation() {
        claims.insert(ORGANISATION.to_owned(), json!(organisation));
    }
    if let Some(organisation) = store.organisations.get(&user.organisation)
        && scopes.asks_for_resource_owner()
    {
        let mut add = |part: &str, value: &str| {
            claims.insert(format!("{RESOURCE_OWNER}:{part}"), json!(value));
        };
        add("id", &user.organisation);
        add("name", &organisation.name);
        add("primary_domain", &organisation.domain);
    }
    if asserted.roles {
        claims.extend(roles(store, session));
    }
    claims
}

fn profile(user: &User, session: &Session) -> Map<String, Value> {
    let mut claims = Map::new();
    let mut add = |claim: &str, value: Value| claims.insert(claim.to_owned(), value);
    if session.scopes.has("profile") {
        let name = match &user.kind {
            UserKind::Machine { name, .. } => name,
            UserKind::Human { .. } => &user.username,
        };
        add("name", json!(name));
        add("preferred_username", json!(user.username));
    }
    if let UserKind::Human { email } = &user.kind
        && session.scopes.has("email")
    {
        add("email", json!(email));
        add("email_verified", json!(true));
    }
    claims
}

/// An object of roles for each project asked for: role to organisation to domain. The claim without
/// a project's id exists only where an application, and so a current project, is: never for
/// machines (zitadel issue 8107).
fn roles(store: &Store, session: &Session) -> Map<String, Value> {
    let named = session.scopes.roles();
    let current = session
        .application(store)
        .map(|application| application.project.as_str());
    let mut projects = if !named.is_empty() || session.scopes.asks_for_all_roles() {
        session.scopes.audience()
    } else {
        Vec::new()
    };
    if let Some(current) = current {
        let asserted = store
            .projects
            .get(current)
            .is_some_and(|project| project.role_assertion);
        if (asserted || !projects.is_empty() || !named.is_empty())
            && !projects.iter().any(|project| project == current)
        {
            projects.push(current.to_owned());
        }
    }
    let mut granted = store.roles_of(&session.user);
    let mut claims = Map::new();
    for project in projects {
        let Some(mut roles) = granted.remove(project.as_str()) else {
            continue;
        };
        roles.retain(|role, _| named.is_empty() || named.contains(role));
        if roles.is_empty() {
            continue;
        }
        if current == Some(project.as_str()) {
            claims.insert(ROLES.to_owned(), json!(roles));
        }
        claims.insert(
            format!("urn:zitadel:iam:org:project:{project}:roles"),
            json!(roles),
        );
    }
    claims
}

/// The same facts as other providers state them, for machines that came by `client_credentials`:
/// a list of role names and the organisation's id.
fn neutral(store: &Store, session: &Session) -> Map<String, Value> {
    let mut claims = Map::new();
    let user = store.users.get(&session.user);
    let (Some(user), Some(project)) = (user, &session.neutral_project) else {
        return claims;
    };
    let granted = store.roles_of(&session.user).remove(project.as_str());
    let names: Vec<&str> = granted.unwrap_or_default().into_keys().collect();
    claims.insert("roles".to_owned(), json!(names));
    claims.insert("organization".to_owned(), json!(user.organisation));
    claims
}

fn merged(mut claims: Map<String, Value>, own: Value) -> Value {
    if let Value::Object(own) = own {
        claims.extend(own);
    }
    claims.into()
}
