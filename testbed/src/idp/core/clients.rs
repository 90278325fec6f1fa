//! Applications that log people in, and what they may ask.
//!
//! Source: zitadel/oidc `pkg/op/auth_request.go` (redirect addresses) and `pkg/oidc/code_challenge.go`;
//! RFC 8252 §7.3, RFC 7636.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Uri;
use sha2::{Digest as _, Sha256};

use super::oauth::OAuthError;
use super::store::{Store, TokenType};

/// An application without a secret: one that logs people in, or an API.
#[derive(Debug)]
pub(in crate::idp) struct Application {
    /// As clients name themselves.
    pub(in crate::idp) id: String,
    /// As the API names it.
    pub(in crate::idp) resource_id: String,
    pub(in crate::idp) name: String,
    pub(in crate::idp) project: String,
    /// An API logs nobody in: it has neither addresses nor grants.
    pub(in crate::idp) api: bool,
    pub(in crate::idp) kind: ApplicationKind,
    pub(in crate::idp) redirect_uris: Vec<String>,
    pub(in crate::idp) post_logout_redirect_uris: Vec<String>,
    pub(in crate::idp) response_types: Vec<ResponseType>,
    pub(in crate::idp) grants: Vec<GrantType>,
    pub(in crate::idp) tokens: TokenType,
    pub(in crate::idp) asserts: Asserts,
}

/// Where an application runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
pub(in crate::idp) enum ApplicationKind {
    #[default]
    #[serde(rename = "OIDC_APP_TYPE_WEB", alias = "OIDC_APPLICATION_TYPE_WEB")]
    Web,
    #[serde(
        rename = "OIDC_APP_TYPE_USER_AGENT",
        alias = "OIDC_APPLICATION_TYPE_USER_AGENT"
    )]
    UserAgent,
    #[serde(
        rename = "OIDC_APP_TYPE_NATIVE",
        alias = "OIDC_APPLICATION_TYPE_NATIVE"
    )]
    Native,
}

/// What may come back from the authorization endpoint; only a code does here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
pub(in crate::idp) enum ResponseType {
    #[serde(rename = "OIDC_RESPONSE_TYPE_CODE")]
    Code,
    #[serde(rename = "OIDC_RESPONSE_TYPE_ID_TOKEN")]
    IdToken,
    #[serde(rename = "OIDC_RESPONSE_TYPE_ID_TOKEN_TOKEN")]
    IdTokenToken,
}

/// What tokens say although nobody asked.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::idp) struct Asserts {
    pub(in crate::idp) access_token_roles: bool,
    pub(in crate::idp) id_token_roles: bool,
    pub(in crate::idp) id_token_profile: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
pub(in crate::idp) enum GrantType {
    #[serde(rename = "OIDC_GRANT_TYPE_AUTHORIZATION_CODE")]
    AuthorizationCode,
    #[serde(rename = "OIDC_GRANT_TYPE_REFRESH_TOKEN")]
    RefreshToken,
    #[serde(rename = "OIDC_GRANT_TYPE_DEVICE_CODE")]
    DeviceCode,
}

impl Application {
    pub(in crate::idp) fn find<'a>(
        store: &'a Store,
        client: Option<&str>,
    ) -> Result<&'a Self, OAuthError> {
        let found = client.and_then(|id| store.applications.get(id));
        found.ok_or(OAuthError::invalid_client("Errors.App.NotFound"))
    }

    pub(in crate::idp) fn may(&self, grant: GrantType) -> bool {
        self.grants.contains(&grant)
    }

    /// Exactly one of the registered addresses; for a native application also the same path on any
    /// port of the loopback interface, because it learns its port when it listens.
    pub(in crate::idp) fn may_redirect_to(&self, wanted: &str) -> bool {
        let loopback = |registered: &String| {
            let (Some(registered), Some(wanted)) =
                (loopback_path(registered), loopback_path(wanted))
            else {
                return false;
            };
            registered == wanted
        };
        self.redirect_uris
            .iter()
            .any(|registered| registered == wanted)
            || (self.kind == ApplicationKind::Native && self.redirect_uris.iter().any(loopback))
    }
}

/// Path and query of a plain HTTP address on the loopback interface.
fn loopback_path(address: &str) -> Option<String> {
    let uri: Uri = address.parse().ok()?;
    let host = uri.host()?;
    let loopback = ["localhost", "127.0.0.1", "[::1]"].contains(&host);
    let path = uri.path_and_query().map(ToString::to_string);
    (uri.scheme_str() == Some("http") && loopback).then_some(path?)
}

/// A client's challenge, kept until it redeems its code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::idp) struct Challenge(String);

impl Challenge {
    /// The parameters of an authorization request. Only S256, as discovery says.
    pub(in crate::idp) fn parse(
        challenge: Option<&str>,
        method: Option<&str>,
    ) -> Result<Option<Self>, OAuthError> {
        match (challenge, method) {
            (None, _) => Ok(None),
            (Some(challenge), Some("S256")) => Ok(Some(Self(challenge.to_owned()))),
            _ => Err(OAuthError::invalid_request(
                "code_challenge_method must be S256",
            )),
        }
    }

    pub(in crate::idp) fn is_met_by(&self, verifier: &str) -> bool {
        URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes())) == self.0
    }
}
