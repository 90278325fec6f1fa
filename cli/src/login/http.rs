//! HTTPS to the identity provider: a few small answers, no redirects, nothing kept open.

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::connect::{Connect, HttpConnector};
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::TokioExecutor;
use openidconnect::AsyncHttpClient;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

use crate::cluster::proxy;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A whole exchange. kubectl waits for it.
const TIMEOUT: Duration = Duration::from_secs(20);
/// The largest answer taken; tokens with many roles have some KiB.
const MAX_ANSWER: usize = 1 << 20;

/// Why the identity provider could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The file holds no certificates.
    #[error("cannot read certificates from {path}", path = .path.display())]
    Certificates {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// A certificate in it is none of an authority.
    #[error("{path} holds a certificate that cannot be trusted", path = .path.display())]
    Authority {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: rustls::Error,
    },
    /// The system's certificates cannot be had.
    #[error("cannot read the system's certificates; state --ca-file")]
    System(#[source] std::io::Error),
    /// Passwords and tokens do not travel in the open.
    #[error("{0} is not an https:// address")]
    Plain(String),
    /// No connection, or it broke.
    #[error("cannot reach {host}")]
    Unreachable {
        /// The server.
        host: String,
        /// Why.
        #[source]
        source: BoxError,
    },
    /// No answer in time.
    #[error("no answer from {host} within {seconds} s", seconds = TIMEOUT.as_secs())]
    Timeout {
        /// The server.
        host: String,
    },
}

/// The client.
#[derive(Debug, Clone)]
pub struct Http {
    tls: ClientConfig,
}

impl Http {
    /// Trusts the authority of this file, else the system's.
    pub fn new(ca_file: Option<&Path>) -> Result<Self, HttpError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| HttpError::System(std::io::Error::other(error)))?;
        let tls = match ca_file {
            Some(path) => config.with_root_certificates(roots(path)?),
            None => config.with_native_roots().map_err(HttpError::System)?,
        };
        Ok(Self {
            tls: tls.with_no_client_auth(),
        })
    }

    /// Asks, and waits for the whole answer, whatever its status.
    pub async fn send(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, HttpError> {
        let uri = request.uri().clone();
        if uri.scheme_str() != Some("https") {
            return Err(HttpError::Plain(uri.to_string()));
        }
        let host = uri.host().unwrap_or_default().to_owned();
        let exchange = self.through_proxy(request.map(|body| Full::new(Bytes::from(body))), &uri);
        match tokio::time::timeout(TIMEOUT, exchange).await {
            Ok(answer) => answer.map_err(|source| HttpError::Unreachable { host, source }),
            Err(_) => Err(HttpError::Timeout { host }),
        }
    }

    /// As kubectl and curl do: `HTTPS_PROXY`, unless `NO_PROXY` or loopback says otherwise.
    async fn through_proxy(
        &self,
        request: Request<Full<Bytes>>,
        uri: &Uri,
    ) -> Result<Response<Vec<u8>>, BoxError> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        let host = uri.host().unwrap_or_default();
        let bypassed = proxy::is_bypassed(uri.scheme_str(), host, &proxy::no_proxy());
        let proxy = (!bypassed).then(|| Matcher::from_env().intercept(uri));
        match proxy.flatten() {
            None => exchange(self.https(tcp), request).await,
            Some(proxy) => {
                let tunnel = Tunnel::new(proxy.uri().clone(), tcp);
                let tunnel = match proxy.basic_auth() {
                    Some(auth) => tunnel.with_auth(auth.clone()),
                    None => tunnel,
                };
                exchange(self.https(tunnel), request).await
            }
        }
    }

    fn https<C>(&self, connector: C) -> HttpsConnector<C> {
        HttpsConnectorBuilder::new()
            .with_tls_config(self.tls.clone())
            .https_only()
            .enable_http1()
            .wrap_connector(connector)
    }
}

async fn exchange<C>(
    connector: C,
    request: Request<Full<Bytes>>,
) -> Result<Response<Vec<u8>>, BoxError>
where
    C: Connect + Clone + Send + Sync + 'static,
{
    let client = Client::builder(TokioExecutor::new()).build(connector);
    let (head, body) = client.request(request).await?.into_parts();
    let body = Limited::new(body, MAX_ANSWER).collect().await?.to_bytes();
    Ok(Response::from_parts(head, body.to_vec()))
}

impl<'c> AsyncHttpClient<'c> for Http {
    type Error = HttpError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Vec<u8>>, HttpError>> + Send + 'c>>;

    fn call(&'c self, request: Request<Vec<u8>>) -> Self::Future {
        Box::pin(self.send(request))
    }
}

fn roots(path: &Path) -> Result<RootCertStore, HttpError> {
    let unreadable = |source| HttpError::Certificates {
        path: path.to_owned(),
        source,
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(unreadable)? {
        let added = roots.add(certificate.map_err(unreadable)?);
        added.map_err(|source| HttpError::Authority {
            path: path.to_owned(),
            source,
        })?;
    }
    Ok(roots)
}
