//! Discovery and the public keys.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde_json::json;

use super::{Issuer, Shared};
use crate::process::lock;

pub(super) async fn configuration(Extension(Issuer(issuer)): Extension<Issuer>) -> Response {
    let body = json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/oauth/v2/authorize"),
        "token_endpoint": format!("{issuer}/oauth/v2/token"),
        "revocation_endpoint": format!("{issuer}/oauth/v2/revoke"),
        "userinfo_endpoint": format!("{issuer}/oidc/v1/userinfo"),
        "device_authorization_endpoint": format!("{issuer}/oauth/v2/device_authorization"),
        "jwks_uri": format!("{issuer}/oauth/v2/keys"),
        "scopes_supported": ["openid", "profile", "email", "phone", "address", "offline_access"],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": [
            "authorization_code", "refresh_token", "client_credentials",
            "urn:ietf:params:oauth:grant-type:jwt-bearer",
            "urn:ietf:params:oauth:grant-type:device_code",
        ],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "token_endpoint_auth_methods_supported": ["none", "private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": ["RS256"],
        "code_challenge_methods_supported": ["S256"],
        "request_parameter_supported": false,
    });
    super::json(StatusCode::OK, &body, "max-age=300, must-revalidate")
}

pub(super) async fn keys(State(shared): State<Arc<Shared>>) -> Response {
    let keys = lock(&shared.state).signing.set();
    super::json(StatusCode::OK, &json!(keys), "max-age=300, must-revalidate")
}
