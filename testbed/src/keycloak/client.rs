//! Asks the server over HTTPS: one connection for each request.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// A server that is short of processors answers late, but not later.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// A certificate of our own is not usable.
    #[error("cannot set up TLS towards Keycloak")]
    Tls(#[from] rustls::Error),
    /// It cannot be read.
    #[error("cannot read the certificate of Keycloak's authority")]
    Authority(#[source] rustls::pki_types::pem::Error),
    /// The server cannot be reached.
    #[error("cannot connect to Keycloak")]
    Connect(#[from] std::io::Error),
    /// It answered something else than HTTP, or broke off.
    #[error("Keycloak did not answer")]
    Http(#[from] hyper::Error),
    /// It took too long.
    #[error("Keycloak did not answer within {PATIENCE:?}")]
    Late,
}

/// How the server is reached.
#[derive(Clone)]
pub(super) struct Client {
    connector: TlsConnector,
    address: SocketAddr,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

impl Client {
    pub(super) fn new(authority: &Path, address: SocketAddr) -> Result<Self, AskError> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(authority).map_err(AskError::Authority)?)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            connector: Arc::new(config).into(),
            address,
        })
    }

    pub(super) async fn ask(
        &self,
        request: Request<String>,
    ) -> Result<Response<Vec<u8>>, AskError> {
        let answer = tokio::time::timeout(PATIENCE, self.exchange(request)).await;
        answer.map_err(|_| AskError::Late)?
    }

    async fn exchange(&self, request: Request<String>) -> Result<Response<Vec<u8>>, AskError> {
        let stream = TcpStream::connect(self.address).await?;
        let name = ServerName::IpAddress(self.address.ip().into());
        let stream = self.connector.connect(name, stream).await?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let exchange = async {
            let answer = sender.send_request(request.map(full)).await?;
            let (head, body) = answer.into_parts();
            let body = body.collect().await?.to_bytes().to_vec();
            Ok(Response::from_parts(head, body))
        };
        tokio::select! {
            answer = exchange => answer,
            // It is done when the answer is; before that, it has failed.
            Err(error) = connection => Err(error.into()),
        }
    }
}

fn full(body: String) -> Full<Bytes> {
    Full::new(Bytes::from(body))
}
