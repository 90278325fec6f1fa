//! Calls of Zitadel's API: Connect RPC, which is JSON over POST.
//!
//! `already_exists` is as good as done. Other refusals are final until somebody changes something;
//! what does not answer can be tried again.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::request::Builder;
use http::{HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::jwks::{SourceError, issuers_host, tls};

/// The largest answer that is read.
const MAX_ANSWER: usize = 256 << 10;
/// One call.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How the identity provider's API is reached, and by whom.
#[derive(Debug, Clone, Args)]
pub struct ConnectionArgs {
    /// Its issuer: `iss` of its tokens, to the letter.
    #[arg(long, env = "FLEET_OIDC_ISSUER")]
    pub oidc_issuer: String,
    /// Where its API is, if not at the issuer's address.
    #[arg(long, env = "FLEET_IDP_URL")]
    pub idp_url: Option<String>,
    /// The `Host` to ask for there. Default: the issuer's.
    #[arg(long, env = "FLEET_IDP_HOST", requires = "idp_url")]
    pub idp_host: Option<String>,
    /// PEM file with its certificate authority. Default: the system's.
    #[arg(long, env = "FLEET_OIDC_CA_FILE")]
    pub oidc_ca_file: Option<PathBuf>,
    /// File with an access token that may do what is to be done; read at every call.
    #[arg(long, env = "FLEET_IDP_TOKEN_FILE")]
    pub idp_token_file: PathBuf,
}

/// What the identity provider did not do.
#[derive(Debug, thiserror::Error)]
pub enum IdpError {
    /// The token file.
    #[error("failed to read the token for the identity provider from {path}")]
    TokenFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The token cannot be sent.
    #[error("the token for the identity provider has characters that no token has")]
    Token,
    /// No answer in time.
    #[error("{0}: the identity provider did not answer in time")]
    Timeout(&'static str),
    /// No connection, or it broke.
    #[error("{call}: the identity provider cannot be reached")]
    Unreachable {
        /// The call.
        call: &'static str,
        /// What happened.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It does not know the token.
    #[error(
        "{call}: the identity provider does not take the token in {path}: it has ended, was taken back, or is \
         another provider's ({message})"
    )]
    TokenRefused {
        /// The call.
        call: &'static str,
        /// The file.
        path: PathBuf,
        /// What it said.
        message: String,
    },
    /// It refused.
    #[error("{call}: the identity provider answered {status}: {message}")]
    Refused {
        /// The call.
        call: &'static str,
        /// The answer.
        status: StatusCode,
        /// What it said.
        message: String,
    },
    /// It answered something else.
    #[error("{0}: the identity provider's answer is not understood")]
    Malformed(&'static str),
    /// It goes by another name.
    #[error(
        "the identity provider at {base} calls itself {found}, and not {wanted}: tokens will name the former"
    )]
    Issuer {
        /// Where it was asked.
        base: String,
        /// What it calls itself.
        found: String,
        /// The issuer that was named.
        wanted: String,
    },
}

impl IdpError {
    /// Whether it may be otherwise in a moment with nobody doing anything: a provider that starts, or what is
    /// before it.
    pub const fn passes(&self) -> bool {
        match self {
            Self::Timeout(_) | Self::Unreachable { .. } | Self::Malformed(_) => true,
            Self::Refused { status, .. } => {
                matches!(status.as_u16(), 404 | 408 | 425 | 429 | 500..)
            }
            _ => false,
        }
    }
}

/// Where an issuer describes itself (`OpenID` Connect Discovery 1.0, section 4).
const DISCOVERY: &str = ".well-known/openid-configuration";

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
}

/// What it says of a refusal.
#[derive(Deserialize)]
struct Problem {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

/// The way to the identity provider's API.
pub struct Connection {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    base: String,
    host: Option<HeaderValue>,
    issuer: String,
    token_file: PathBuf,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection")
            .field("base", &self.base)
            .finish_non_exhaustive()
    }
}

impl Connection {
    /// Asks nobody yet.
    ///
    /// # Errors
    /// When the authority or the host is none.
    pub fn new(args: &ConnectionArgs) -> Result<Self, SourceError> {
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls(args.oidc_ca_file.as_deref())?)
            .https_or_http()
            .enable_http1()
            .build();
        let host = host(args)?;
        let base = args.idp_url.as_deref().unwrap_or(&args.oidc_issuer);
        Ok(Self {
            client: Client::builder(TokioExecutor::new()).build(connector),
            base: base.trim_end_matches('/').to_owned(),
            host,
            issuer: args.oidc_issuer.clone(),
            token_file: args.idp_token_file.clone(),
        })
    }

    /// Asks it whether it is there, and the one that is meant. Needs no token.
    pub(crate) async fn greet(&self) -> Result<(), IdpError> {
        let request = Request::get(format!("{}/{DISCOVERY}", self.base));
        let body = self.answered("discovery", request, Bytes::new()).await?;
        let found: Discovery =
            serde_json::from_slice(&body).map_err(|_| IdpError::Malformed("discovery"))?;
        if found.issuer == self.issuer {
            return Ok(());
        }
        Err(IdpError::Issuer {
            base: self.base.clone(),
            found: found.issuer,
            wanted: self.issuer.clone(),
        })
    }

    /// A call whose answer says nothing; what is there already is as good as made.
    pub(crate) async fn make(
        &self,
        service: &str,
        call: &'static str,
        request: &Value,
    ) -> Result<(), IdpError> {
        match self.call::<Value>(service, call, request).await {
            Err(IdpError::Refused {
                status: StatusCode::CONFLICT,
                ..
            }) => Ok(()),
            other => other.map(drop),
        }
    }

    /// One call.
    pub(crate) async fn call<T: DeserializeOwned>(
        &self,
        service: &str,
        call: &'static str,
        request: &Value,
    ) -> Result<T, IdpError> {
        let http = Request::post(format!("{}/{service}/{call}", self.base))
            .header(CONTENT_TYPE, "application/json")
            .header(AUTHORIZATION, self.bearer()?);
        let body = self
            .answered(call, http, request.to_string().into())
            .await?;
        serde_json::from_slice(&body).map_err(|_| IdpError::Malformed(call))
    }

    /// The body of a good answer.
    async fn answered(
        &self,
        call: &'static str,
        request: Builder,
        body: Bytes,
    ) -> Result<Bytes, IdpError> {
        let answered = tokio::time::timeout(TIMEOUT, self.exchange(call, request, body)).await;
        let (status, body) = answered.map_err(|_| IdpError::Timeout(call))??;
        if status == StatusCode::OK {
            return Ok(body);
        }
        let problem: Option<Problem> = serde_json::from_slice(&body).ok();
        let message = problem.map(|p| format!("{} {}", p.code, p.message));
        let message = message.unwrap_or_default().chars().take(200).collect();
        if status == StatusCode::UNAUTHORIZED {
            let path = self.token_file.clone();
            return Err(IdpError::TokenRefused {
                call,
                path,
                message,
            });
        }
        Err(IdpError::Refused {
            call,
            status,
            message,
        })
    }

    async fn exchange(
        &self,
        call: &'static str,
        mut request: Builder,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes), IdpError> {
        let unreachable = |source| IdpError::Unreachable { call, source };
        if let Some(host) = &self.host {
            request = request.header(HOST, host);
        }
        let http = request
            .body(Full::new(body))
            .map_err(|e| unreachable(e.into()))?;
        let answer = self
            .client
            .request(http)
            .await
            .map_err(|e| unreachable(e.into()))?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), MAX_ANSWER).collect().await;
        Ok((status, body.map_err(unreachable)?.to_bytes()))
    }

    fn bearer(&self) -> Result<HeaderValue, IdpError> {
        let path = &self.token_file;
        let token = std::fs::read_to_string(path).map_err(|source| IdpError::TokenFile {
            path: path.clone(),
            source,
        })?;
        let value = HeaderValue::from_str(&format!("Bearer {}", token.trim()));
        let mut value = value.map_err(|_| IdpError::Token)?;
        value.set_sensitive(true);
        Ok(value)
    }
}

/// Whom to ask for, where it is not whom the address names.
fn host(args: &ConnectionArgs) -> Result<Option<HeaderValue>, SourceError> {
    let value = match (&args.idp_host, &args.idp_url) {
        (Some(host), _) => {
            HeaderValue::from_str(host).map_err(|_| SourceError::Host(host.clone()))?
        }
        (None, Some(_)) => issuers_host(&args.oidc_issuer)?,
        (None, None) => return Ok(None),
    };
    Ok(Some(value))
}
