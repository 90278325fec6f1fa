//! Asks the server whether it serves.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::tls::{TlsError, TlsServer};

/// A server that takes a connection and says nothing is asked again.
const PATIENCE: Duration = Duration::from_secs(2);

/// How the server is asked.
#[derive(Debug)]
pub(super) struct Health(TlsServer);

impl Health {
    pub(super) fn new(authority: &Path, address: SocketAddr) -> Result<Self, TlsError> {
        Ok(Self(TlsServer::new(authority, address)?))
    }

    /// Whether it is initialized, unsealed and active: only then is the status 200.
    pub(super) async fn is_active(&self) -> bool {
        let asked = tokio::time::timeout(PATIENCE, self.status_line()).await;
        matches!(asked, Ok(Ok(line)) if line.ends_with(b" 200"))
    }

    async fn status_line(&self) -> std::io::Result<[u8; 12]> {
        let mut stream = self.0.connect().await?;
        let request = format!(
            "GET /v1/sys/health HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
            self.0.address
        );
        stream.write_all(request.as_bytes()).await?;
        let mut line = [0; 12];
        stream.read_exact(&mut line).await?;
        Ok(line)
    }
}
