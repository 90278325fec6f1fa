//! HTTPS to the identity provider and the enrolment service: a call now and then.
//!
//! Each call has its own connection and time limit; nothing is kept between calls, so that a device
//! pays for TLS only while it talks. Redirects are not followed: a signed request is for one server.

mod tls;

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, DATE, HOST, RETRY_AFTER, USER_AGENT};
use hyper::{Method, Request, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

pub(crate) use tls::{TlsError, Trust, patient};

/// A whole call: a slow link, a handshake and a busy server.
const CALL: Duration = Duration::from_secs(20);
/// The largest answer taken.
const MAX_ANSWER: usize = 64 << 10;

/// Why a call got no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpsError {
    /// Not an address this client speaks to.
    #[error("{0:?} is not an https:// address")]
    Url(String),
    /// The certificates to trust.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// No connection.
    #[error("cannot connect to {host}")]
    Connect {
        /// The server.
        host: String,
        /// Why.
        source: std::io::Error,
    },
    /// No secure connection.
    #[error("no secure connection to {host}: {hint}")]
    Handshake {
        /// The server.
        host: String,
        /// What to look at.
        hint: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// The connection broke, or what came was not HTTP.
    #[error("{host} did not answer as a web server does")]
    Broken {
        /// The server.
        host: String,
        /// Why.
        source: hyper::Error,
    },
    /// More than is taken.
    #[error("the answer of {host} broke off or is larger than {MAX_ANSWER} bytes")]
    Body {
        /// The server.
        host: String,
    },
    /// No answer in time.
    #[error("no answer from {host} within {seconds} s", seconds = CALL.as_secs())]
    Timeout {
        /// The server.
        host: String,
    },
}

/// What is asked.
#[derive(Debug)]
pub(crate) struct Ask<'a> {
    /// The method.
    pub(crate) method: Method,
    /// The address.
    pub(crate) url: &'a str,
    /// The body's type.
    pub(crate) content_type: &'static str,
    /// Further headers.
    pub(crate) headers: &'a [(&'static str, String)],
    /// The body.
    pub(crate) body: Bytes,
}

impl<'a> Ask<'a> {
    /// A `GET` of JSON.
    pub(crate) fn get(url: &'a str) -> Self {
        Self {
            method: Method::GET,
            url,
            content_type: "application/json",
            headers: &[],
            body: Bytes::new(),
        }
    }
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The status.
    pub(crate) status: u16,
    /// The `Date` header.
    pub(crate) date: Option<String>,
    /// Seconds of the `Retry-After` header.
    pub(crate) retry_after: Option<u64>,
    /// The body.
    pub(crate) body: Bytes,
}

/// The client.
#[derive(Debug, Clone)]
pub(crate) struct Https {
    trust: Trust,
}

impl Https {
    /// Trusting these certificates; they are read at every call.
    pub(crate) fn new(trust: Trust) -> Self {
        Self { trust }
    }

    /// Asks, and waits for the whole answer, whatever its status.
    pub(crate) async fn ask(&self, ask: Ask<'_>) -> Result<Answer, HttpsError> {
        let url = || HttpsError::Url(ask.url.chars().take(200).collect());
        let uri: Uri = ask.url.parse().map_err(|_| url())?;
        let host = uri.host().ok_or_else(url)?.to_owned();
        if uri.scheme_str() != Some("https") {
            return Err(url());
        }
        let call = self.call(ask, &uri, &host);
        let late = |_| HttpsError::Timeout { host: host.clone() };
        timeout(CALL, call).await.map_err(late)?
    }

    async fn call(&self, ask: Ask<'_>, uri: &Uri, host: &str) -> Result<Answer, HttpsError> {
        let broken = |source| HttpsError::Broken {
            host: host.to_owned(),
            source,
        };
        let url = || HttpsError::Url(ask.url.to_owned());
        // IPv6 addresses stand in brackets in addresses only.
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let connector = self.trust.connector()?;
        let stream = TcpStream::connect((bare, uri.port_u16().unwrap_or(443))).await;
        let stream = stream.map_err(|source| HttpsError::Connect {
            host: host.to_owned(),
            source,
        })?;
        let name = bare.to_owned().try_into().map_err(|_| url())?;
        let stream = connector.connect(name, stream).await;
        let stream = stream.map_err(|source| HttpsError::Handshake {
            host: host.to_owned(),
            hint: tls::hint(&source),
            source,
        })?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(broken)?;
        // Ends when the sender is dropped.
        tokio::spawn(connection);
        let path = uri.path_and_query().map_or("/", |p| p.as_str());
        let authority = uri.authority().map_or(host, |a| a.as_str());
        let mut request = Request::builder()
            .method(ask.method)
            .uri(path)
            .header(HOST, authority)
            .header(USER_AGENT, "fleet-agent")
            .header(CONTENT_TYPE, ask.content_type);
        for (name, value) in ask.headers {
            request = request.header(*name, value);
        }
        let request = request.body(Full::new(ask.body)).map_err(|_| url())?;
        let response = sender.send_request(request).await.map_err(broken)?;
        let text = |name| {
            response
                .headers()
                .get(name)?
                .to_str()
                .ok()
                .map(str::to_owned)
        };
        let (status, date) = (response.status().as_u16(), text(DATE));
        let retry_after = text(RETRY_AFTER).and_then(|s| s.parse().ok());
        let body = Limited::new(response.into_body(), MAX_ANSWER)
            .collect()
            .await;
        let body = body.map_err(|_| HttpsError::Body {
            host: host.to_owned(),
        })?;
        Ok(Answer {
            status,
            date,
            retry_after,
            body: body.to_bytes(),
        })
    }
}
