//! The code flow with PKCE, for machines with a browser (RFC 6749 §4.1, RFC 7636, RFC 8252).

use std::io;
use std::time::Duration;

use openidconnect::core::CoreAuthenticationFlow;
use openidconnect::{AuthorizationCode, CsrfToken, Nonce, PkceCodeChallenge, RedirectUrl};

use super::browser;
use super::loopback::{Brought, Loopback};
use super::provider::{Provider, ProviderError};
use super::session::Session;

/// Why nobody came back from the browser with a token.
#[derive(Debug, thiserror::Error)]
pub enum CodeError {
    /// No port.
    #[error("cannot wait for the browser on {}", .0.map_or_else(|| "127.0.0.1".to_owned(), |port| format!("127.0.0.1:{port}")))]
    Listen(Option<u16>, #[source] io::Error),
    /// Nobody came.
    #[error("nobody logged in within {} s; on a machine without a browser use --device", .0.as_secs())]
    Timeout(Duration),
    /// The provider gave no code, or no token for it.
    #[error(transparent)]
    Provider(#[from] ProviderError),
}

/// How the user gets to the provider.
#[derive(Debug, Clone, Copy)]
pub struct Manner {
    /// Start a browser, if there is one.
    pub browser: bool,
    /// Only on this port.
    pub port: Option<u16>,
    /// How long to wait.
    pub timeout: Duration,
}

/// Sends the user to the provider and waits until the browser comes back.
pub(super) async fn log_in(provider: &Provider, manner: Manner) -> Result<Session, CodeError> {
    const STEP: &str = "redeem the code";
    let listen = |error| CodeError::Listen(manner.port, error);
    let loopback = Loopback::bind(manner.port).await.map_err(listen)?;
    let redirect = loopback.redirect_uri();
    let redirect =
        RedirectUrl::new(redirect.clone()).map_err(|_| ProviderError::Issuer(redirect))?;
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let client = provider.client.clone().set_redirect_uri(redirect);
    let (address, state, nonce) = client
        .authorize_url(
            CoreAuthenticationFlow::AuthorizationCode,
            CsrfToken::new_random,
            Nonce::new_random,
        )
        .add_scopes(provider.scopes())
        .set_pkce_challenge(challenge)
        .url();
    show(address.as_str(), manner.browser);

    let waiting = tokio::time::timeout(manner.timeout, loopback.wait(state.secret()));
    let brought = waiting
        .await
        .map_err(|_| CodeError::Timeout(manner.timeout))?;
    let code = match brought.map_err(listen)? {
        Brought::Code(code) => AuthorizationCode::new(code),
        Brought::Refusal { code, description } => {
            return Err(CodeError::Provider(ProviderError::Refused {
                step: "log in",
                issuer: provider.issuer().to_owned(),
                code,
                description,
            }));
        }
    };
    let request = client.exchange_code(code);
    let request = request.map_err(|error| provider.unusable(STEP, &error))?;
    let request = request.set_pkce_verifier(verifier);
    let answer = request.request_async(&provider.http).await;
    let answer = answer.map_err(|error| provider.token_error(STEP, error))?;
    Ok(provider.session(&answer, &nonce)?)
}

/// Always prints the address, too: the browser may be another person's, or never appear.
fn show(address: &str, wants_browser: bool) {
    if wants_browser && browser::open(address) {
        eprintln!("Your browser opens. If it does not, open this address:\n\n    {address}\n");
    } else {
        eprintln!("Open this address in a browser on this machine:\n\n    {address}\n");
    }
}
