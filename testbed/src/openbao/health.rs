//! Asks the server whether it serves.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::OpenBaoError;

/// A server that takes a connection and says nothing is asked again.
const PATIENCE: Duration = Duration::from_secs(2);

/// How the server is asked.
pub(super) struct Health {
    connector: TlsConnector,
    address: SocketAddr,
}

impl std::fmt::Debug for Health {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Health").finish_non_exhaustive()
    }
}

impl Health {
    pub(super) fn new(authority: &Path, address: SocketAddr) -> Result<Self, OpenBaoError> {
        let mut roots = RootCertStore::empty();
        let certificate = CertificateDer::from_pem_file(authority).map_err(|error| {
            let path = authority.to_owned();
            let source = std::io::Error::other(error);
            OpenBaoError::File { path, source }
        })?;
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

    /// Whether it is initialized, unsealed and active: only then is the status 200.
    pub(super) async fn is_active(&self) -> bool {
        let asked = tokio::time::timeout(PATIENCE, self.status_line()).await;
        matches!(asked, Ok(Ok(line)) if line.ends_with(b" 200"))
    }

    async fn status_line(&self) -> std::io::Result<[u8; 12]> {
        let stream = TcpStream::connect(self.address).await?;
        let name = ServerName::IpAddress(self.address.ip().into());
        let mut stream = self.connector.connect(name, stream).await?;
        let request = format!(
            "GET /v1/sys/health HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
            self.address
        );
        stream.write_all(request.as_bytes()).await?;
        let mut line = [0; 12];
        stream.read_exact(&mut line).await?;
        Ok(line)
    }
}
