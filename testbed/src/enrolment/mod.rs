//! `fleet-auth enrol` as a process of the testbed.

mod grants;

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::process::{ProcessError, Service, Spec};
use crate::testbed::Testbed;
use crate::{binaries, ports, secret};

/// As whom the service speaks to the testbed's API server.
pub const ENROLMENT_USER: &str = "fleet-auth-enrol";

const KUBECONFIG: &str = "KUBECONFIG";

/// How to start one replica of the enrolment service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrolmentOptions {
    /// The replica's name: of its process, its log and its folder.
    pub name: String,
    /// Further arguments.
    pub args: Vec<String>,
    /// Further variables, such as the `KUBECONFIG` of its API server.
    pub env: Vec<(String, String)>,
}

impl Default for EnrolmentOptions {
    fn default() -> Self {
        Self::replica("enrolment")
    }
}

impl EnrolmentOptions {
    /// A replica of this name.
    pub fn replica(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            args: Vec::new(),
            env: Vec::new(),
        }
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
pub struct Enrolment {
    service: Service,
    address: SocketAddr,
    metrics_port: u16,
    ca_file: PathBuf,
}

impl Enrolment {
    pub(crate) fn start(bed: &Testbed, options: EnrolmentOptions) -> Result<Self, Error> {
        let ip = bed.host_ip();
        let address = SocketAddr::new(ip, ports::free_on(ip).map_err(Error::Port)?);
        let metrics_port = ports::free().map_err(Error::Port)?;
        let home = bed.folder().join(&options.name);
        let (idp, nats) = (bed.idp()?, bed.nats()?);
        let token_file = home.join("idp-token");
        let file = |path: &Path| {
            let path = path.to_owned();
            move |source| Error::File { path, source }
        };
        fs::create_dir_all(&home).map_err(file(&home))?;
        secret::write(&token_file, idp.admin_token().as_bytes()).map_err(file(&token_file))?;
        let program = binaries::find("fleet-auth").map_err(Error::NotBuilt)?;
        let tls = home.join("tls");
        let spec = Spec::new(options.name, program, &bed.folder().join("logs"))
            .args(["enrol", "--public-url", &format!("https://{address}")])
            .args(["--listen", &address.to_string()])
            .args(["--metrics-addr", &format!("127.0.0.1:{metrics_port}")])
            .args(["--oidc-issuer", &idp.issuer()])
            .args(["--oidc-project", idp.project()])
            .args(["--oidc-organisation", idp.organisation()])
            .args(["--device-nats-url", &nats.url()])
            .args(["--manifest-key", bed.trusted_key()])
            .args(["--tls-folder".into(), tls.clone().into_os_string()])
            .args(["--oidc-ca-file".as_ref(), idp.ca_file().as_os_str()])
            .args([
                "--device-issuer-ca-file".as_ref(),
                idp.ca_file().as_os_str(),
            ])
            .args(["--idp-token-file".into(), token_file.into_os_string()])
            .args(options.args)
            .envs(&options.env);
        // Without a control plane of its own, the cluster is that of the environment.
        let told = options.env.iter().any(|(key, _)| key == KUBECONFIG);
        let spec = if bed.api_server.is_some() && !told {
            spec.env(KUBECONFIG, bed.enrolment_kubeconfig()?)
        } else {
            spec
        };
        let service = Service::new(spec, bed.journal.clone());
        service.spawn()?;
        Ok(Self {
            service,
            address,
            metrics_port,
            ca_file: tls.join("ca.crt"),
        })
    }

    /// The URL by which devices know it.
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// Where it listens for devices.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The authority that devices pin; there once it listens.
    pub fn ca_file(&self) -> &Path {
        &self.ca_file
    }

    /// Where `/metrics`, `/healthz` and `/readyz` answer.
    pub fn metrics_addr(&self) -> SocketAddr {
        SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), self.metrics_port)
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
