//! One reading of the keys, over HTTP.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fleet_auth_core::KeySet;
use fleet_auth_core::jwk::KeySetError;
use http::header::{ACCEPT, HOST};
use http::{HeaderValue, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use serde::Deserialize;

/// The largest document that is read.
const MAX_DOCUMENT: usize = 256 * 1024;
/// Less than the server's patience with a login that waits for the keys.
const TIMEOUT: Duration = Duration::from_secs(3);
/// Where an issuer describes itself (`OpenID` Connect Discovery 1.0, section 4).
const DISCOVERY: &str = "/.well-known/openid-configuration";

/// Why the keys were not read.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// No answer in time.
    #[error("{0} did not answer in time")]
    Timeout(String),
    /// No connection, or it broke.
    #[error("failed to get {url}")]
    Unreachable {
        /// From where.
        url: Uri,
        /// What happened.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Another answer than 200.
    #[error("{url} answered {status}")]
    Status {
        /// From where.
        url: Uri,
        /// The answer.
        status: StatusCode,
    },
    /// The issuer does not describe itself as it should.
    #[error("{url} does not describe the issuer: {problem}")]
    Discovery {
        /// From where.
        url: Uri,
        /// What is wrong.
        problem: String,
    },
    /// The document holds no keys.
    #[error("{url} holds no keys")]
    Keys {
        /// From where.
        url: Uri,
        /// What is wrong.
        #[source]
        source: KeySetError,
    },
}

impl FetchError {
    /// The stable reason.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Timeout(_) => "IdpTimeout",
            Self::Unreachable { .. } => "IdpUnreachable",
            Self::Status { .. } => "IdpStatus",
            Self::Discovery { .. } => "IdpDiscovery",
            Self::Keys { .. } => "IdpKeys",
        }
    }
}

/// Why keys cannot even be asked for.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// Not a URL.
    #[error("{0:?} is not an http or https URL")]
    Url(String),
    /// Not a host.
    #[error("{0:?} is not a host")]
    Host(String),
    /// The file holds no certificates.
    #[error("failed to read certificates from {path}")]
    Ca {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// A certificate in it cannot be trusted.
    #[error("{path} holds a certificate that is none of an authority")]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: rustls::Error,
    },
    /// The system has no certificates.
    #[error("failed to read the system's certificates; name a file")]
    System(#[source] std::io::Error),
}

/// Where keys are.
#[derive(Debug, Clone)]
pub struct Source {
    /// `iss`.
    pub issuer: String,
    /// Where the issuer is reached, if not at its own address.
    pub url: Option<String>,
    /// Where the keys are; else the issuer's own description says so.
    pub jwks_url: Option<String>,
    /// Another `Host` than that of the URL; at `url` the issuer's unless another is named.
    pub host: Option<String>,
    /// The authority to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
}

enum Place {
    Keys(Uri),
    Discovery(Uri),
}

/// Reads keys.
pub struct Fetcher {
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    issuer: String,
    /// Where it is reached instead.
    url: Option<String>,
    place: Place,
    host: Option<HeaderValue>,
}

impl std::fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fetcher")
            .field("issuer", &self.issuer)
            .finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

impl Fetcher {
    /// Asks nobody yet.
    pub fn new(source: &Source) -> Result<Self, SourceError> {
        let place = if let Some(url) = &source.jwks_url {
            Place::Keys(parse(url)?)
        } else {
            let place = source.url.as_deref().unwrap_or(&source.issuer);
            let place = place.trim_end_matches('/');
            Place::Discovery(parse(&format!("{place}{DISCOVERY}"))?)
        };
        let url = source.url.as_deref();
        let host = match (&source.host, url) {
            (Some(host), _) => Some(header(host.clone())?),
            (None, Some(_)) => Some(issuers_host(&source.issuer)?),
            (None, None) => None,
        };
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls(source.ca_file.as_deref())?)
            .https_or_http()
            .enable_http1()
            .build();
        Ok(Self {
            client: Client::builder(TokioExecutor::new()).build(connector),
            issuer: source.issuer.clone(),
            url: url.map(|url| url.trim_end_matches('/').to_owned()),
            place,
            host,
        })
    }

    /// Reads the keys and the document that they came in, or fails in time for a login that waits for them.
    pub async fn fetch(&self) -> Result<(KeySet, Bytes), FetchError> {
        tokio::time::timeout(TIMEOUT, self.fetch_in_time())
            .await
            .map_err(|_| FetchError::Timeout(self.issuer.clone()))?
    }

    async fn fetch_in_time(&self) -> Result<(KeySet, Bytes), FetchError> {
        let url = match &self.place {
            Place::Keys(url) => url.clone(),
            Place::Discovery(url) => self.discover(url).await?,
        };
        let document = self.get(&url).await?;
        let set = KeySet::parse(&document).map_err(|source| FetchError::Keys { url, source })?;
        Ok((set, document))
    }

    async fn discover(&self, url: &Uri) -> Result<Uri, FetchError> {
        let wrong = |problem: String| FetchError::Discovery {
            url: url.clone(),
            problem,
        };
        let document = self.get(url).await?;
        let found: Discovery =
            serde_json::from_slice(&document).map_err(|error| wrong(error.to_string()))?;
        if found.issuer != self.issuer {
            let problem = format!("it is {:?}, not {:?}", found.issuer, self.issuer);
            return Err(wrong(problem));
        }
        parse(&self.reached(&found.jwks_uri)).map_err(|error| wrong(error.to_string()))
    }

    /// Where a document of the issuer's is reached: it describes itself by its own address.
    fn reached(&self, document: &str) -> String {
        let issuer = self.issuer.trim_end_matches('/');
        let path = document.strip_prefix(issuer);
        match (&self.url, path.filter(|path| path.starts_with('/'))) {
            (Some(url), Some(path)) => format!("{url}{path}"),
            _ => document.to_owned(),
        }
    }

    async fn get(&self, url: &Uri) -> Result<Bytes, FetchError> {
        let unreachable = |source| FetchError::Unreachable {
            url: url.clone(),
            source,
        };
        let mut request = Request::get(url).header(ACCEPT, "application/json");
        if let Some(host) = &self.host {
            request = request.header(HOST, host);
        }
        let request = request
            .body(Empty::new())
            .map_err(|error| unreachable(error.into()))?;
        let answer = self
            .client
            .request(request)
            .await
            .map_err(|error| unreachable(error.into()))?;
        let status = answer.status();
        if status != StatusCode::OK {
            let url = url.clone();
            return Err(FetchError::Status { url, status });
        }
        let body = Limited::new(answer.into_body(), MAX_DOCUMENT)
            .collect()
            .await;
        Ok(body.map_err(unreachable)?.to_bytes())
    }
}

fn header(host: String) -> Result<HeaderValue, SourceError> {
    HeaderValue::from_str(&host).map_err(|_| SourceError::Host(host))
}

/// Whom to ask for at another address than the issuer's: the name of a Service is that of no instance.
pub(crate) fn issuers_host(issuer: &str) -> Result<HeaderValue, SourceError> {
    let uri = parse(issuer)?;
    let host = uri.authority().map(ToString::to_string);
    header(host.unwrap_or_default())
}

fn parse(url: &str) -> Result<Uri, SourceError> {
    let parsed: Option<Uri> = url.parse().ok();
    let is_web = |uri: &Uri| matches!(uri.scheme_str(), Some("http" | "https"));
    parsed
        .filter(|uri| is_web(uri) && uri.host().is_some())
        .ok_or_else(|| SourceError::Url(url.to_owned()))
}

/// Trust in one authority, or in the system's.
pub(crate) fn tls(ca_file: Option<&Path>) -> Result<ClientConfig, SourceError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| SourceError::System(std::io::Error::other(error)))?;
    let Some(path) = ca_file else {
        let config = config.with_native_roots().map_err(SourceError::System)?;
        return Ok(config.with_no_client_auth());
    };
    let unreadable = |source| SourceError::Ca {
        path: path.to_owned(),
        source,
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(unreadable)? {
        let certificate = certificate.map_err(unreadable)?;
        roots
            .add(certificate)
            .map_err(|source| SourceError::Certificate {
                path: path.to_owned(),
                source,
            })?;
    }
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}
