//! TLS towards servers of the testbed, whose certificates are of authorities of its own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Why a server's certificate could not be checked.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The authority's file cannot be read.
    #[error("cannot read the certificate of the authority in {path}", path = .path.display())]
    Authority {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: pem::Error,
    },
    /// The certificate is of no use for TLS.
    #[error("cannot set up TLS")]
    Setup(#[from] rustls::Error),
}

/// A server that is known by its address, and trusted by its authority.
#[derive(Clone)]
pub(crate) struct TlsServer {
    connector: TlsConnector,
    pub(crate) address: SocketAddr,
}

impl std::fmt::Debug for TlsServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("TlsServer").field(&self.address).finish()
    }
}

impl TlsServer {
    pub(crate) fn new(authority: &Path, address: SocketAddr) -> Result<Self, TlsError> {
        let certificate = CertificateDer::from_pem_file(authority);
        let certificate = certificate.map_err(|source| TlsError::Authority {
            path: authority.to_owned(),
            source,
        })?;
        let mut roots = RootCertStore::empty();
        roots.add(certificate)?;
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

    pub(crate) async fn connect(&self) -> std::io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(self.address).await?;
        let name = ServerName::IpAddress(self.address.ip().into());
        self.connector.connect(name, stream).await
    }
}
