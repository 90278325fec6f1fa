//! Where the browser comes back to: one page on this machine's loopback interface (RFC 8252 §7.3).

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use openidconnect::url::form_urlencoded;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::output::printable;

const PATH: &str = "/callback";

/// Browsers open connections ahead of need; more than these at once are none.
const MAX_CONNECTIONS: usize = 16;

/// What the browser brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Brought {
    /// A code to be redeemed.
    Code(String),
    /// The provider refused.
    Refusal {
        /// The error's name in OAuth.
        code: String,
        /// What it adds.
        description: Option<String>,
    },
}

/// What to do with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict {
    /// What was waited for.
    Done(Brought),
    /// Not our page: a browser asks for an icon, too.
    NotFound,
    /// Our page, but not our login: another tab, or somebody who guesses.
    NotOurs,
}

/// The page, waiting.
#[derive(Debug)]
pub(super) struct Loopback {
    listener: TcpListener,
    address: SocketAddr,
}

impl Loopback {
    /// Listens on this port, else on any free one.
    pub(super) async fn bind(port: Option<u16>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port.unwrap_or(0))).await?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    /// What the provider shall redirect to. The address and not `localhost`, which might be
    /// another machine's (RFC 8252 §8.3).
    pub(super) fn redirect_uri(&self) -> String {
        format!("http://{}{PATH}", self.address)
    }

    /// Waits for the browser that brings `state` back.
    pub(super) async fn wait(&self, state: &str) -> io::Result<Brought> {
        let (found, mut brought) = mpsc::channel(1);
        let mut connections = JoinSet::new();
        loop {
            let has_room = connections.len() < MAX_CONNECTIONS;
            tokio::select! {
                accepted = self.listener.accept(), if has_room => {
                    let (stream, _) = accepted?;
                    connections.spawn(serve(stream, state.to_owned(), found.clone()));
                }
                Some(_) = connections.join_next() => {
                    // Its page is on the way by now.
                    if let Ok(brought) = brought.try_recv() {
                        return Ok(brought);
                    }
                }
            }
        }
    }
}

/// One request; a browser that wants more connects again.
async fn serve(stream: TcpStream, state: String, found: mpsc::Sender<Brought>) {
    let service = service_fn(|request: Request<Incoming>| {
        let verdict = judge(
            request.method(),
            request.uri().path(),
            query(&request),
            &state,
        );
        if let Verdict::Done(brought) = &verdict {
            // Full when a browser sends it twice: the first counts.
            let _ = found.try_send(brought.clone());
        }
        async move { Ok::<_, Infallible>(page(&verdict)) }
    });
    let mut server = http1::Builder::new();
    server.keep_alive(false);
    // A browser that goes away in between will come again, or its user will.
    let _ = server.serve_connection(TokioIo::new(stream), service).await;
}

fn query<B>(request: &Request<B>) -> &str {
    request.uri().query().unwrap_or_default()
}

fn judge(method: &Method, path: &str, query: &str, state: &str) -> Verdict {
    if method != Method::GET || path != PATH {
        return Verdict::NotFound;
    }
    let field = |name: &str| {
        let mut fields = form_urlencoded::parse(query.as_bytes());
        let found = fields.find(|(key, _)| key == name);
        found.map(|(_, value)| value.into_owned())
    };
    if field("state").as_deref() != Some(state) {
        return Verdict::NotOurs;
    }
    match (field("error"), field("code")) {
        (Some(code), _) => Verdict::Done(Brought::Refusal {
            code: printable(&code),
            description: field("error_description").map(|text| printable(&text)),
        }),
        (None, Some(code)) => Verdict::Done(Brought::Code(code)),
        (None, None) => Verdict::NotOurs,
    }
}

/// Nothing of the request is in it.
fn page(verdict: &Verdict) -> Response<Full<Bytes>> {
    let (status, text) = match verdict {
        Verdict::Done(Brought::Code(_)) => (
            StatusCode::OK,
            "You are logged in to fleet. This page can be closed.",
        ),
        Verdict::Done(Brought::Refusal { .. }) => (
            StatusCode::OK,
            "You are not logged in. The terminal says why; this page can be closed.",
        ),
        Verdict::NotFound => (StatusCode::NOT_FOUND, "There is nothing here."),
        Verdict::NotOurs => (
            StatusCode::BAD_REQUEST,
            "This is not the login that fleet waits for. Start again in the terminal.",
        ),
    };
    let body = format!("<!doctype html><title>fleet</title><p>{text}</p>\n");
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'"),
    ];
    for (name, value) in headers {
        let value = header::HeaderValue::from_static(value);
        response.headers_mut().insert(name, value);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn refusal(code: &str, description: Option<&str>) -> Verdict {
        Verdict::Done(Brought::Refusal {
            code: code.to_owned(),
            description: description.map(str::to_owned),
        })
    }

    #[rstest]
    #[case("/callback", "code=a%2Fb&state=s", Verdict::Done(Brought::Code("a/b".to_owned())))]
    #[case(
        "/callback",
        "state=s&error=access_denied",
        refusal("access_denied", None)
    )]
    #[case(
        "/callback",
        "error=x&error_description=no%1b%5b2J+way&state=s&code=a",
        refusal("x", Some("no?[2J way"))
    )]
    #[case("/callback", "code=a&state=other", Verdict::NotOurs)]
    #[case("/callback", "code=a", Verdict::NotOurs)]
    #[case("/callback", "state=s", Verdict::NotOurs)]
    #[case("/callback", "", Verdict::NotOurs)]
    #[case("/favicon.ico", "code=a&state=s", Verdict::NotFound)]
    fn only_our_own_login_counts(
        #[case] path: &str,
        #[case] query: &str,
        #[case] expected: Verdict,
    ) {
        assert_eq!(judge(&Method::GET, path, query, "s"), expected);
        assert_eq!(judge(&Method::POST, path, query, "s"), Verdict::NotFound);
    }
}
