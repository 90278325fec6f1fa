//! `/metrics`, `/healthz` and `/readyz`.

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use fleet_bus::Bus;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::callout::{Desk, Judge};
use crate::metrics::Totals;
use crate::policy::PolicySource;
use crate::tasks::Tasks;

/// What the pages need.
#[derive(Debug)]
pub struct Pages<P> {
    /// What it all is about.
    pub judge: Arc<Judge<P>>,
    /// Where requests come in.
    pub desk: Arc<Desk>,
    /// The tasks that must run.
    pub tasks: Arc<Tasks>,
    /// The connection that must stand; empty while it is still to be made.
    pub bus: Arc<OnceLock<Bus>>,
}

impl<P> Clone for Pages<P> {
    fn clone(&self) -> Self {
        Self {
            judge: Arc::clone(&self.judge),
            desk: Arc::clone(&self.desk),
            tasks: Arc::clone(&self.tasks),
            bus: Arc::clone(&self.bus),
        }
    }
}

/// Serves until `stop`.
pub async fn serve<P: PolicySource>(
    listener: TcpListener,
    pages: Pages<P>,
    stop: CancellationToken,
) {
    let router = Router::new()
        .route("/metrics", get(metrics::<P>))
        .route("/healthz", get(healthz::<P>))
        .route("/readyz", get(readyz::<P>))
        .with_state(pages);
    let server = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned());
    if let Err(error) = server.await {
        tracing::error!(%error, "the page server ended");
    }
}

async fn metrics<P: PolicySource>(State(pages): State<Pages<P>>) -> impl IntoResponse {
    let judge = &pages.judge;
    let totals = Totals {
        key_age: judge.jwks.current().map(|keys| keys.read.elapsed()),
        kept_tokens: judge.verified.len(),
        in_flight: pages.desk.in_flight(),
    };
    match judge.metrics.render(&totals) {
        Ok(text) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(CONTENT_TYPE, kind)], text).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Whether every task that must run does.
async fn healthz<P: PolicySource>(State(pages): State<Pages<P>>) -> (StatusCode, String) {
    match pages.tasks.ended() {
        None => (StatusCode::OK, "ok\n".to_owned()),
        Some(task) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("task {task} has ended\n"),
        ),
    }
}

/// Whether this replica can answer: requests come in, and the keys were read at least once. Keys
/// that are old do not count, because no other replica would have better ones.
async fn readyz<P: PolicySource>(State(pages): State<Pages<P>>) -> (StatusCode, String) {
    let connected = pages.bus.get().is_some_and(Bus::is_connected);
    let has_keys = pages.judge.jwks.current().is_some();
    let problems: String = [
        (connected, "not connected to NATS\n"),
        (pages.desk.is_subscribed(), "not subscribed to requests\n"),
        (has_keys, "the identity provider's keys were not read yet\n"),
    ]
    .into_iter()
    .filter_map(|(well, problem)| (!well).then_some(problem))
    .collect();
    if problems.is_empty() {
        (StatusCode::OK, "ok\n".to_owned())
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, problems)
    }
}
