//! `/metrics`, `/healthz` and `/readyz`.

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use fleet_bus::Bus;
use fleet_service::{Tasks, pages};

use crate::callout::{Desk, Judge};
use crate::metrics::Totals;
use crate::policy::PolicySource;

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

impl<P> Pages<P> {
    fn is_connected(&self) -> bool {
        self.bus.get().is_some_and(Bus::is_connected)
    }
}

/// All pages.
pub fn pages<P: PolicySource>(pages: Pages<P>) -> Router {
    Router::new()
        .route("/metrics", get(metrics::<P>))
        .route("/healthz", get(healthz::<P>))
        .route("/readyz", get(readyz::<P>))
        .with_state(pages)
}

async fn metrics<P: PolicySource>(State(pages): State<Pages<P>>) -> Response {
    let judge = &pages.judge;
    let totals = Totals {
        key_age: judge.jwks.current().map(|keys| keys.age()),
        kept_tokens: judge.verified.len(),
        in_flight: pages.desk.in_flight(),
        connected: pages.is_connected(),
    };
    pages::metrics(judge.metrics.render(&totals))
}

async fn healthz<P: PolicySource>(State(pages): State<Pages<P>>) -> (StatusCode, String) {
    pages::health(&pages.tasks)
}

/// Whether this replica can answer: requests come in, and the keys were read at least once. Keys
/// that are old do not count, because no other replica would have better ones.
async fn readyz<P: PolicySource>(State(pages): State<Pages<P>>) -> (StatusCode, String) {
    let connected = pages.is_connected();
    let has_keys = pages.judge.jwks.current().is_some();
    let checks = [
        (connected, pages::NO_BUS),
        (
            pages.desk.is_subscribed(),
            "RequestsAwaited: not subscribed to requests",
        ),
        (
            has_keys,
            "KeysUnavailable: the identity provider's keys were not read yet",
        ),
    ];
    let problems = checks.iter().filter(|(well, _)| !well);
    let problems: Vec<_> = problems.map(|(_, problem)| (*problem).to_owned()).collect();
    pages::ready(&problems)
}
