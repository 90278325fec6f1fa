//! `fleet-auth callout` as a process of the testbed.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

use crate::error::Error;
use crate::idp::Idp;
use crate::journal::Journal;
use crate::nats::Nats;
use crate::page::page;
use crate::process::{ProcessError, Service, Spec};
use crate::{binaries, ports};

/// How to start one replica of the auth callout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CalloutOptions {
    /// The replica's name: of its process and its log.
    pub name: String,
    /// Further arguments: whom to believe, and what was decided about devices.
    pub args: Vec<String>,
    /// Further variables.
    pub env: Vec<(String, String)>,
}

impl Default for CalloutOptions {
    fn default() -> Self {
        Self::replica("callout")
    }
}

impl CalloutOptions {
    /// A replica of this name.
    pub fn replica(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            args: Vec::new(),
            env: Vec::new(),
        }
    }

    /// Has it believe this identity provider, and devices of its organisation.
    #[must_use]
    pub fn believing(self, idp: &Idp) -> Self {
        self.args(["--oidc-issuer", &idp.issuer()])
            .args(["--oidc-audience", idp.project()])
            .args(["--oidc-organisation", idp.organisation()])
            .args(["--oidc-ca-file".into(), idp.ca_file().display().to_string()])
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: Into<String>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
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
pub struct Callout {
    service: Service,
    metrics_port: u16,
}

impl Callout {
    pub(crate) fn start(
        nats: &Nats,
        options: CalloutOptions,
        folder: &Path,
        journal: &Journal,
    ) -> Result<Self, Error> {
        let no_callout = Error::NoPart("a bus that asks an auth callout", "callout");
        let (issuer, xkey) = nats.callout_seeds().ok_or(no_callout)?;
        let metrics_port = ports::free().map_err(Error::Port)?;
        let program = binaries::find("fleet-auth").map_err(Error::NotBuilt)?;
        let spec = Spec::new(options.name, program, &folder.join("logs"))
            .args(["callout", "--nats-url", &nats.urls()])
            .args(["--nats-seed-file".into(), nats.auth_seed().into_os_string()])
            .args(["--issuer-seed-file".into(), issuer.into_os_string()])
            .args(["--xkey-seed-file".into(), xkey.into_os_string()])
            .args([
                "--nats-system-seed-file".into(),
                nats.enforcer_seed().into_os_string(),
            ])
            .args(["--metrics-addr", &format!("127.0.0.1:{metrics_port}")])
            .args(options.args)
            .envs(&options.env);
        let service = Service::new(spec, journal.clone());
        service.spawn()?;
        Ok(Self {
            service,
            metrics_port,
        })
    }

    /// Where `/metrics`, `/healthz` and `/readyz` answer.
    pub fn metrics_addr(&self) -> SocketAddr {
        SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), self.metrics_port)
    }

    /// One of its pages, with the header before it; none if it does not answer in time.
    pub async fn page(&self, path: &str) -> Option<String> {
        page(self.metrics_addr(), path).await
    }

    /// All it has printed; its verdicts are in it.
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
    pub fn start_again(&self) -> Result<(), ProcessError> {
        self.service.spawn()
    }

    /// Stops it (SIGTERM) and waits.
    ///
    /// # Errors
    /// When the process does not go.
    pub async fn stop(&self) -> Result<(), ProcessError> {
        self.service.terminate().await
    }

    /// Kills it (SIGKILL): a crash.
    ///
    /// # Errors
    /// When the process does not go.
    pub async fn kill(&self) -> Result<(), ProcessError> {
        self.service.kill().await
    }
}
