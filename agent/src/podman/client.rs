//! Requests and answers.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::error::PodmanError;

/// The oldest API version with all we use; every podman 4 and 5 serves it.
const API: &str = "/v4.0.0/libpod";
/// The largest answer taken: a listing of some thousand containers.
const MAX_ANSWER: usize = 16 << 20;
/// For calls that only read or write podman's database.
pub(super) const QUICK: Duration = Duration::from_secs(30);
/// For starting: networks and mounts may take their time on a slow card.
pub(super) const SLOW: Duration = Duration::from_secs(120);
/// For stopping: longer than the longest `stopTimeoutSeconds`.
pub(super) const STOPPING: Duration = Duration::from_secs(660);

/// podman's API.
#[derive(Debug, Clone)]
pub(crate) struct Podman {
    socket: Arc<Path>,
}

#[derive(Deserialize)]
struct Complaint {
    #[serde(default)]
    message: String,
    #[serde(default)]
    cause: String,
}

impl Podman {
    /// Behind this socket; nothing is tried yet.
    pub(crate) fn new(socket: PathBuf) -> Self {
        Self {
            socket: socket.into(),
        }
    }

    /// Sends a request and waits for the head of the answer.
    pub(super) async fn open(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<Response<Incoming>, PodmanError> {
        let call = || format!("{method} {path}");
        let unreachable = |source| PodmanError::Unreachable {
            socket: self.socket.display().to_string(),
            source,
        };
        let broken = |source| PodmanError::Broken {
            call: call(),
            source,
        };
        let stream = UnixStream::connect(&self.socket)
            .await
            .map_err(unreachable)?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(broken)?;
        tokio::spawn(connection);
        let request = Request::builder()
            .method(&method)
            .uri(format!("{API}{path}"))
            .header("host", "podman")
            .header("content-type", "application/json")
            .body(Full::new(body))
            .map_err(|e| PodmanError::Malformed {
                call: call(),
                message: e.to_string(),
            })?;
        sender.send_request(request).await.map_err(broken)
    }

    /// Sends a request and reads the whole answer; a status of 300 or more is an error.
    pub(super) async fn call(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        limit: Duration,
    ) -> Result<Bytes, PodmanError> {
        let call = format!("{method} {path}");
        let answer = async {
            let response = self.open(method, path, body).await?;
            let status = response.status();
            let body = Limited::new(response.into_body(), MAX_ANSWER)
                .collect()
                .await;
            let body = body.map_err(|e| PodmanError::Malformed {
                call: call.clone(),
                message: e.to_string(),
            })?;
            Ok::<_, PodmanError>((status, body.to_bytes()))
        };
        let (status, body) = timeout(limit, answer)
            .await
            .map_err(|_| PodmanError::Timeout {
                call: call.clone(),
                seconds: limit.as_secs(),
            })??;
        // 304: it is already so.
        if status.is_success() || status == StatusCode::NOT_MODIFIED {
            return Ok(body);
        }
        Err(refused(status, &body))
    }

    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, PodmanError> {
        let body = self.call(Method::GET, path, Bytes::new(), QUICK).await?;
        parse(path, &body)
    }

    pub(super) async fn post(
        &self,
        path: &str,
        body: Bytes,
        limit: Duration,
    ) -> Result<Bytes, PodmanError> {
        self.call(Method::POST, path, body, limit).await
    }
}

pub(super) fn parse<T: DeserializeOwned>(call: &str, body: &[u8]) -> Result<T, PodmanError> {
    serde_json::from_slice(body).map_err(|e| PodmanError::Malformed {
        call: call.into(),
        message: e.to_string(),
    })
}

fn refused(status: StatusCode, body: &[u8]) -> PodmanError {
    let complaint = serde_json::from_slice::<Complaint>(body);
    let message = complaint.map_or_else(
        |_| String::from_utf8_lossy(body).chars().take(500).collect(),
        |c| {
            if c.message.is_empty() {
                c.cause
            } else {
                c.message
            }
        },
    );
    let message = if message.is_empty() {
        format!("podman answered {status}")
    } else {
        message
    };
    PodmanError::Refused { status, message }
}

/// A path segment or query value: everything but unreserved characters escaped (RFC 3986).
pub(super) fn escape(text: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(text.len() + 16);
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(byte.into());
            }
            // Writing to a String cannot fail.
            _ => drop(write!(out, "%{byte:02X}")),
        }
    }
    out
}
