//! Asks the server over HTTPS: one connection for each request.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;

use crate::tls::{TlsError, TlsServer};

/// A server that is short of processors answers late, but not later.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Its certificate cannot be checked.
    #[error(transparent)]
    Tls(#[from] TlsError),
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
#[derive(Debug, Clone)]
pub(super) struct Client(TlsServer);

impl Client {
    pub(super) fn new(authority: &Path, address: SocketAddr) -> Result<Self, AskError> {
        Ok(Self(TlsServer::new(authority, address)?))
    }

    pub(super) async fn ask(
        &self,
        request: Request<String>,
    ) -> Result<Response<Vec<u8>>, AskError> {
        let answer = tokio::time::timeout(PATIENCE, self.exchange(request)).await;
        answer.map_err(|_| AskError::Late)?
    }

    async fn exchange(&self, request: Request<String>) -> Result<Response<Vec<u8>>, AskError> {
        let stream = self.0.connect().await?;
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
