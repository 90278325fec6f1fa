//! The calls over HTTP, and the pages for those who run the service.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequest as _, Path, Request, State};
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Extension, Router};
use fleet_contracts::enrolment::{
    COLLECTION, Enrolment, EnrolmentRefusal as Refusal, EnrolmentState, MAX_BODY,
    NEW_KEY_PROOF_HEADER, NextKeyState, PROOF_HEADER, Problem,
};
use fleet_contracts::payload;
use fleet_service::limit::Limiter;
use fleet_service::{Tasks, pages};

use super::audit;
use super::desk::Desk;
use super::metrics::Metrics;

/// Seconds after which somebody who came too often may come again.
const PATIENCE: &str = "10";

/// Who is at the other end of a connection.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub IpAddr);

/// What the calls need.
pub struct Calls {
    /// Who answers them.
    pub desk: Desk,
    /// How often one address may call.
    pub limiter: Limiter<IpAddr>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
}

/// The calls of devices.
pub fn calls(calls: Arc<Calls>) -> Router {
    Router::new()
        .route(COLLECTION, post(open))
        .route(&format!("{COLLECTION}/{{id}}"), get(look))
        .route(&format!("{COLLECTION}/{{id}}/next-key"), put(offer_key))
        .route(&format!("{COLLECTION}/{{id}}/key"), put(use_key))
        .fallback(|| async { problem(Refusal::NotFound) })
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(calls)
}

async fn open(
    State(calls): State<Arc<Calls>>,
    Extension(Peer(source)): Extension<Peer>,
    headers: HeaderMap,
    request: Request,
) -> Response {
    if !calls.limiter.take(&network(source), Instant::now()) {
        return calls.answer(Err(Refusal::RateLimited), None, source);
    }
    let answer = match Bytes::from_request(request, &()).await {
        Ok(body) => {
            let proof = proof(&headers, PROOF_HEADER);
            calls.desk.post(proof, &body, source).await
        }
        Err(_) => Err(Refusal::Malformed),
    };
    calls.answer(answer, None, source)
}

async fn look(
    State(calls): State<Arc<Calls>>,
    Extension(Peer(source)): Extension<Peer>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    if !calls.limiter.take(&network(source), Instant::now()) {
        return calls.answer(Err(Refusal::RateLimited), None, source);
    }
    let answer = calls.desk.get(proof(&headers, PROOF_HEADER), &id).await;
    calls.answer(answer, Some(&id), source)
}

async fn offer_key(
    State(calls): State<Arc<Calls>>,
    Extension(Peer(source)): Extension<Peer>,
    Path(id): Path<String>,
    headers: HeaderMap,
    request: Request,
) -> Response {
    if !calls.limiter.take(&network(source), Instant::now()) {
        return calls.refuse(Refusal::RateLimited, Some(&id), source);
    }
    let proofs = [PROOF_HEADER, NEW_KEY_PROOF_HEADER].map(|name| proof(&headers, name));
    let answer = match Bytes::from_request(request, &()).await {
        Ok(body) => calls.desk.put_next_key(proofs, &id, &body).await,
        Err(_) => Err(Refusal::Malformed),
    };
    match answer {
        Ok(next) => {
            let (status, state) = match &next.state {
                NextKeyState::Pending { .. } => (StatusCode::ACCEPTED, "NextKeyPending"),
                _ => (StatusCode::OK, "NextKeyAdded"),
            };
            calls.metrics.answered(state);
            (status, JSON, payload::encode(&next)).into_response()
        }
        Err(refusal) => calls.refuse(refusal, Some(&id), source),
    }
}

async fn use_key(
    State(calls): State<Arc<Calls>>,
    Extension(Peer(source)): Extension<Peer>,
    Path(id): Path<String>,
    headers: HeaderMap,
    request: Request,
) -> Response {
    if !calls.limiter.take(&network(source), Instant::now()) {
        return calls.refuse(Refusal::RateLimited, Some(&id), source);
    }
    let answer = match Bytes::from_request(request, &()).await {
        Ok(body) => {
            let proof = proof(&headers, PROOF_HEADER);
            calls.desk.put_key(proof, &id, &body).await
        }
        Err(_) => Err(Refusal::Malformed),
    };
    calls.answer(answer, Some(&id), source)
}

/// A missing proof is a wrong one.
fn proof<'h>(headers: &'h HeaderMap, name: &str) -> &'h str {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    value.unwrap_or_default()
}

/// One customer has a /64 of IPv6.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
    }
}

impl Calls {
    fn answer(
        &self,
        answer: Result<Enrolment, Refusal>,
        about: Option<&str>,
        source: IpAddr,
    ) -> Response {
        match answer {
            Ok(enrolment) => {
                let (status, state) = match &enrolment.state {
                    EnrolmentState::Pending { .. } if about.is_none() => {
                        (StatusCode::ACCEPTED, "Pending")
                    }
                    EnrolmentState::Pending { .. } => (StatusCode::OK, "Pending"),
                    EnrolmentState::Denied { .. } => (StatusCode::OK, "Denied"),
                    _ => (StatusCode::OK, "Approved"),
                };
                self.metrics.answered(state);
                (status, JSON, payload::encode(&enrolment)).into_response()
            }
            Err(refusal) => self.refuse(refusal, about, source),
        }
    }

    fn refuse(&self, refusal: Refusal, about: Option<&str>, source: IpAddr) -> Response {
        self.metrics.answered(refusal.as_str());
        // The id is as it came.
        let about: Option<String> = about.map(|id| id.chars().take(40).collect());
        audit::refused(refusal, about.as_deref(), source);
        problem(refusal)
    }
}

const JSON: [(axum::http::HeaderName, &str); 1] = [(CONTENT_TYPE, "application/json")];

fn problem(reason: Refusal) -> Response {
    let status = StatusCode::from_u16(reason.status()).unwrap_or(StatusCode::BAD_REQUEST);
    let body = payload::encode(&Problem {
        reason,
        message: String::new(),
    });
    let mut response = (status, JSON, body).into_response();
    if reason.is_passing() {
        let patience = axum::http::HeaderValue::from_static(PATIENCE);
        response.headers_mut().insert(RETRY_AFTER, patience);
    }
    response
}

/// What the pages show.
#[derive(Clone)]
pub struct Pages {
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// The tasks that must run.
    pub tasks: Arc<Tasks>,
}

/// `/metrics`, `/healthz` and `/readyz`, without TLS, for those who run the service.
pub fn pages(pages: Pages) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(health))
        // It listens before this page does, and needs nothing else to answer.
        .route("/readyz", get(health))
        .with_state(pages)
}

async fn metrics(State(pages): State<Pages>) -> Response {
    pages::metrics(pages.metrics.render())
}

async fn health(State(pages): State<Pages>) -> (StatusCode, String) {
    pages::health(&pages.tasks)
}
