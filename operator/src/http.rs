//! `/metrics`, `/healthz` and `/readyz`, and [`trace`](mod@crate::trace) beside them.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use fleet_bus::Bus;
use fleet_service::{Tasks, pages};

use crate::clock;
use crate::metrics::Totals;
use crate::permissions::Permissions;
use crate::state::Shared;
use crate::trace;

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

impl Pages {
    fn is_connected(&self) -> bool {
        self.bus.get().is_some_and(Bus::is_connected)
    }

    /// Whether this replica could do the work of a leader now: nothing keeps it from being ready, and no
    /// watch of it is broken.
    pub fn is_able(&self) -> bool {
        self.problems().is_empty() && self.shared.lock().hears()
    }

    /// What keeps this replica from being ready: a reason, and what it means here.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = self.permissions.problems();
        if !self.is_connected() {
            problems.push(pages::NO_BUS.to_owned());
        }
        let awaited = self.shared.awaited();
        problems.extend(awaited.iter().map(|source| {
            let name = source.name();
            format!("ListAwaited: the watch of {name} has not delivered its first list")
        }));
        problems
    }
}

/// All pages.
pub fn pages(pages: Pages) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route(fleet_api::trace::PATTERN, get(trace::page))
        .with_state(pages)
}

async fn metrics(State(pages): State<Pages>) -> Response {
    let connected = pages.is_connected();
    let totals = {
        let state = pages.shared.lock();
        Totals {
            stats: state.index.stats(),
            violations: state.index.violations(),
            active: state.is_active(clock::now()),
            connected,
            depths: state.queues.depths(),
        }
    };
    pages::metrics(pages.shared.metrics.render(&totals))
}

async fn healthz(State(pages): State<Pages>) -> (StatusCode, String) {
    pages::health(&pages.tasks)
}

/// Whether this replica can do its work, or take it over: every watch has delivered its first list,
/// the bus is connected, no permission is missing. Who leads does not matter.
async fn readyz(State(pages): State<Pages>) -> (StatusCode, String) {
    pages::ready(&pages.problems())
}
