//! The device flow, for machines without a browser (RFC 8628).

use std::time::Duration;

use openidconnect::core::CoreDeviceAuthorizationResponse;
use openidconnect::{PkceCodeChallenge, Scope};

use super::provider::{Provider, ProviderError};
use super::session::Session;
use crate::output::printable;

/// Shows a code and waits until somebody has entered it elsewhere.
pub(super) async fn log_in(
    provider: &Provider,
    timeout: Duration,
) -> Result<Session, ProviderError> {
    const BEGIN: &str = "begin a login with a code";
    const WAIT: &str = "log in";
    let endpoint = provider.device_endpoint()?;
    let client = provider
        .client
        .clone()
        .set_device_authorization_url(endpoint);
    // PKCE belongs to the code flow (RFC 7636); Keycloak and Dex know it here, too, and the former asks
    // for it where an application must use it. Others pass over what they do not know (RFC 6749 §3.2).
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let begun = client
        .exchange_device_code()
        .add_extra_param("code_challenge", challenge.as_str())
        .add_extra_param("code_challenge_method", challenge.method().as_str())
        .add_scope(Scope::new("openid".to_owned()))
        .add_scopes(provider.scopes())
        .request_async(&provider.http)
        .await;
    let begun = begun.map_err(|error| provider.token_error(BEGIN, error))?;
    show(&begun);
    let request = client.exchange_device_access_token(&begun);
    let request = request.map_err(|error| provider.unusable(WAIT, &error))?;
    let answer = request
        .add_extra_param("code_verifier", verifier.secret())
        .request_async(&provider.http, tokio::time::sleep, Some(timeout))
        .await;
    let answer = answer.map_err(|error| provider.token_error(WAIT, error))?;
    // The flow has no nonce: the answer comes on the connection that asked.
    provider.session(&answer, |_: Option<&openidconnect::Nonce>| Ok(()))
}

fn show(begun: &CoreDeviceAuthorizationResponse) {
    let page = printable(begun.verification_uri().as_str());
    let code = printable(begun.user_code().secret());
    eprintln!("Open this address on any machine, and enter the code {code}:\n\n    {page}\n");
    if let Some(complete) = begun.verification_uri_complete() {
        let complete = printable(complete.secret());
        eprintln!("Or open the address that has the code in it:\n\n    {complete}\n");
    }
}
