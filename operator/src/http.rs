//! `/metrics`, `/healthz` and `/readyz`.

use std::sync::Arc;

use axum::Router;
use axum::extract::State as Extracted;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use fleet_bus::Bus;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::metrics::Totals;
use crate::permissions::Permissions;
use crate::state::Shared;
use crate::tasks::Tasks;

/// What the pages need.
#[derive(Clone)]
pub struct Pages {
    /// The index and the counters.
    pub shared: Arc<Shared>,
    /// The tasks that must run.
    pub tasks: Arc<Tasks>,
    /// What the API server lets this operator do.
    pub permissions: Arc<Permissions>,
    /// The connection that must stand; `None` while it is still to be made.
    pub bus: Arc<std::sync::OnceLock<Bus>>,
}

impl std::fmt::Debug for Pages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pages").finish_non_exhaustive()
    }
}

/// Serves until `stop`.
pub async fn serve(listener: TcpListener, pages: Pages, stop: CancellationToken) {
    let router = Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .with_state(pages);
    let server = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned());
    if let Err(error) = server.await {
        tracing::error!(%error, "the page server ended");
    }
}

async fn metrics(Extracted(pages): Extracted<Pages>) -> impl IntoResponse {
    let totals = {
        let state = pages.shared.lock();
        Totals {
            stats: state.index.stats(),
            violations: state.index.violations(),
            active: state.is_active(),
            depths: state.queues.depths(),
        }
    };
    match pages.shared.metrics.render(&totals) {
        Ok(text) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(CONTENT_TYPE, kind)], text).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Whether every task that must run does.
async fn healthz(Extracted(pages): Extracted<Pages>) -> (StatusCode, String) {
    match pages.tasks.ended() {
        None => (StatusCode::OK, "ok\n".to_owned()),
        Some(task) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("task {task} has ended\n"),
        ),
    }
}

/// Whether this replica can do its work, or take it over: every watch has delivered its first list,
/// the bus is connected, no permission is missing. Says all that is in the way. Who leads does not
/// matter.
async fn readyz(Extracted(pages): Extracted<Pages>) -> (StatusCode, String) {
    let mut problems = pages.permissions.problems();
    if !pages.bus.get().is_some_and(Bus::is_connected) {
        problems.push("not connected to NATS".to_owned());
    }
    let awaited = pages.shared.awaited();
    problems.extend(awaited.iter().map(|source| {
        let name = source.name();
        format!("the watch of {name} has not delivered its first list")
    }));
    if problems.is_empty() {
        (StatusCode::OK, "ok\n".to_owned())
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, problems.join("\n") + "\n")
    }
}
