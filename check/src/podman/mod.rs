//! podman's API on a socket, as far as `fleet-agent` uses it, over containers in memory.
//!
//! Health checks, and what follows from them (`exec`, addresses), are not there: nothing that a check
//! deploys has one. What is not there is answered with 404, as podman does.

mod events;
mod routes;

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fleet_check_core::Containers;
use tokio::net::UnixListener;
use tokio::task::JoinHandle;

use events::Bell;

/// The podman. It answers until it is dropped.
#[derive(Debug)]
pub struct Podman {
    state: State,
    serving: JoinHandle<io::Result<()>>,
}

/// What requests share.
#[derive(Debug, Clone, Default)]
pub(crate) struct State {
    containers: Arc<Mutex<Containers>>,
    bell: Bell,
}

impl State {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Containers> {
        // Nothing panics in between, and what is kept there is a record.
        self.containers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Podman {
    /// Answers on this socket, which is made.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn serve(socket: &Path) -> io::Result<Self> {
        let listener = UnixListener::bind(socket)?;
        let state = State::default();
        let routes = routes::routes(state.clone());
        let serving = tokio::spawn(async move { axum::serve(listener, routes).await });
        Ok(Self { state, serving })
    }

    /// What there is.
    pub fn containers(&self) -> MutexGuard<'_, Containers> {
        self.state.lock()
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
