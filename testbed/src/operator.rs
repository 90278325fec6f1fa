//! `fleet-operator` as a process of the testbed.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::page::page;
use crate::process::{ProcessError, Service};

/// How to start one replica of the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorOptions {
    /// The replica's name: of its process, its log, and its identity in the lease.
    pub name: String,
    /// Further arguments.
    pub args: Vec<String>,
    /// Further variables.
    pub env: Vec<(String, String)>,
    /// Another program than the one cargo built.
    pub program: Option<PathBuf>,
    /// Another way to the bus than the straight one.
    pub nats_url: Option<String>,
}

impl Default for OperatorOptions {
    fn default() -> Self {
        Self {
            name: "operator".to_owned(),
            args: Vec::new(),
            env: Vec::new(),
            program: None,
            nats_url: None,
        }
    }
}

impl OperatorOptions {
    /// A replica of this name.
    pub fn replica(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ..Self::default()
        }
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: Into<String>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Goes another way to the bus, as `nats://host:port`.
    #[must_use]
    pub fn nats_url(mut self, url: impl Into<String>) -> Self {
        self.nats_url = Some(url.into());
        self
    }

    /// Adds a variable.
    #[must_use]
    pub fn env(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.push((key.into(), value.into()));
        self
    }
}

/// A running replica. Dropping it kills it.
#[derive(Debug)]
pub struct Operator {
    pub(crate) service: Service,
    pub(crate) metrics_addr: SocketAddr,
}

impl Operator {
    /// Where `/metrics`, `/healthz` and `/readyz` answer. In a testbed with devices that is an
    /// address on their bridge, to which an API server would proxy, as it would not to loopback.
    pub const fn metrics_addr(&self) -> SocketAddr {
        self.metrics_addr
    }

    /// One of its pages, with the header before it; none if it does not answer in time.
    pub async fn page(&self, path: &str) -> Option<String> {
        page(self.metrics_addr, path).await
    }

    /// All it has printed.
    pub fn log(&self) -> String {
        self.service.log()
    }

    /// Its process.
    pub fn service(&self) -> &Service {
        &self.service
    }

    /// Starts it again after a stop, with the same arguments.
    ///
    /// # Errors
    /// When it runs already or cannot be started.
    pub fn start(&self) -> Result<(), ProcessError> {
        self.service.spawn()
    }

    /// Stops it (SIGTERM) and waits.
    ///
    /// # Errors
    /// When the process does not go.
    pub async fn stop(&self) -> Result<(), ProcessError> {
        self.service.terminate().await
    }

    /// Kills it (SIGKILL): a crash, with its lease still held.
    ///
    /// # Errors
    /// When the process does not go.
    pub async fn kill(&self) -> Result<(), ProcessError> {
        self.service.kill().await
    }

    /// Freezes it: a replica that is deposed without knowing.
    ///
    /// # Errors
    /// When the signal cannot be sent, or the process does not stop.
    pub async fn freeze(&self) -> Result<(), ProcessError> {
        self.service.freeze().await
    }

    /// Lets a frozen replica go on.
    ///
    /// # Errors
    /// When the signal cannot be sent.
    pub fn thaw(&self) -> Result<(), ProcessError> {
        self.service.thaw()
    }
}
