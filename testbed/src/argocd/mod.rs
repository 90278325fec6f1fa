//! Argo CD: the repository server and the application controller, as processes beside the cluster.
//!
//! It takes a third of a gigabyte and minutes to build, so it is not a part that the builder starts
//! but one that a test starts where [`ArgoCd::supported`] says that it may.

mod install;
mod settings;

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use fleet_tools::{Cache, SourceError, Tool, Toolbox};
use tokio::net::TcpStream;

use crate::error::Error;
use crate::ports;
use crate::process::{ProcessError, Service, Spec};
use crate::testbed::Testbed;
use settings::{Home, on_path};

/// Its namespace.
const NAMESPACE: &str = "argocd";
const READY_TIME: Duration = Duration::from_secs(60);

/// Why Argo CD did not start.
#[derive(Debug, thiserror::Error)]
pub enum ArgoCdError {
    /// It was not built: that takes minutes, and is done on request only.
    #[error(
        "it is not built: `fleet-tools ensure --profile gitops` does that, in about five minutes"
    )]
    NotBuilt,
    /// A program that it calls.
    #[error("{0} is not on PATH; tools/system-packages.sh --with-gitops installs it")]
    NoProgram(&'static str),
    /// A process did not start or become ready.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// A tool is not there.
    #[error(transparent)]
    Tool(#[from] fleet_tools::Error),
    /// What it wants installed cannot be found.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The cluster refused what it wants installed.
    #[error("kubectl {command} failed: {output}")]
    Kubectl {
        /// The command.
        command: String,
        /// What it printed.
        output: String,
    },
    /// The cluster took the definitions and does not serve them.
    #[error("the API server does not serve the definitions of Argo CD")]
    NotServed,
    /// A file cannot be read or written.
    #[error("cannot read or write {path}", path = .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The kubeconfig of the testbed is not as expected.
    #[error("the kubeconfig of the testbed is no JSON")]
    Kubeconfig(#[from] serde_json::Error),
    /// No free port was found.
    #[error("cannot find a free port on 127.0.0.1")]
    Port(#[source] io::Error),
}

/// The Argo CD of a testbed, with the cluster's admin's rights. Dropping it stops it.
#[derive(Debug)]
pub struct ArgoCd {
    controller: Service,
    repo_server: Service,
    /// Keeps what the other two tell each other.
    redis: Service,
}

impl ArgoCd {
    /// Whether this machine has what it takes; nothing is built or installed for it.
    ///
    /// # Errors
    /// What is missing.
    pub fn supported() -> Result<(), ArgoCdError> {
        if Cache::from_env().find(Tool::ArgoCd).is_none() {
            return Err(ArgoCdError::NotBuilt);
        }
        for program in ["redis-server", "git"] {
            on_path(program).ok_or(ArgoCdError::NoProgram(program))?;
        }
        Ok(())
    }

    /// What the controller has printed.
    pub fn controller_log(&self) -> String {
        self.controller.log()
    }

    /// Its processes.
    pub fn services(&self) -> [&Service; 3] {
        [&self.controller, &self.repo_server, &self.redis]
    }
}

impl Testbed {
    /// Installs Argo CD's definitions and configuration, and starts it.
    ///
    /// # Errors
    /// When [`ArgoCd::supported`] says no, the testbed has no control plane, or a part does not come up.
    pub async fn start_argocd(&self) -> Result<ArgoCd, Error> {
        ArgoCd::supported()?;
        let kubeconfig = self.kubeconfig()?;
        let home = Home::create(&self.folder.join("argocd"), kubeconfig)?;
        let config = home.kubeconfig.clone();
        let tools = [Tool::ArgoCd, Tool::Helm, Tool::Kubectl];
        let prepared = tokio::task::spawn_blocking(move || {
            let toolbox = fleet_tools::ensure(&tools, &mut |_| {})?;
            let source = fleet_tools::source(Tool::ArgoCd)?;
            install::install(toolbox.path(Tool::Kubectl)?, &config, &source)?;
            Ok::<_, ArgoCdError>(toolbox)
        });
        let toolbox = prepared.await.map_err(|_| Error::Cancelled)??;
        if !install::served(&self.kube_client().await?).await {
            return Err(ArgoCdError::NotServed.into());
        }
        Ok(self.start_processes(&toolbox, &home).await?)
    }

    async fn start_processes(&self, toolbox: &Toolbox, home: &Home) -> Result<ArgoCd, ArgoCdError> {
        let logs = self.folder.join("logs");
        let ports = Ports::free()?;
        let program = toolbox.path(Tool::ArgoCd)?;
        let redis_server = on_path("redis-server").ok_or(ArgoCdError::NoProgram("redis-server"))?;
        let redis = Spec::new("argocd-redis", redis_server, &logs)
            .args(["--save", "", "--appendonly", "no", "--bind", "127.0.0.1"])
            .args(["--port".to_owned(), ports.redis.to_string()])
            .args(["--dir".into(), home.folder.clone().into_os_string()]);
        let repo_server = Spec::new("argocd-repo-server", program, &logs)
            .args(["--address", "127.0.0.1", "--port", &ports.repo.to_string()])
            .args(["--metrics-address", "127.0.0.1"])
            .args(["--metrics-port", &ports.repo_metrics.to_string()])
            .args(["--redis", &local(ports.redis), "--disable-tls"])
            // How long it takes a branch for what it was.
            .args(["--revision-cache-expiration", "2s"]);
        let controller = Spec::new("argocd-application-controller", program, &logs)
            .args(["--redis", &local(ports.redis)])
            .args([
                "--repo-server",
                &local(ports.repo),
                "--repo-server-plaintext",
            ])
            .args(["--metrics-port", &ports.controller_metrics.to_string()])
            .args(["--app-resync", "20", "--app-resync-jitter", "0"])
            // Else the health of single objects is to be had from its API server alone.
            .args(["--persist-resource-health"])
            .env("HOSTNAME", "argocd-application-controller-0");
        let service = |spec: Spec| Service::new(spec, self.journal.clone());
        let argocd = ArgoCd {
            redis: service(redis),
            repo_server: service(home.settle(repo_server, toolbox)?),
            controller: service(home.settle(controller, toolbox)?),
        };
        let in_order = [
            (&argocd.redis, ports.redis),
            (&argocd.repo_server, ports.repo),
            (&argocd.controller, ports.controller_metrics),
        ];
        for (service, port) in in_order {
            service.spawn()?;
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            let answers = || async { TcpStream::connect(address).await.is_ok() };
            service.wait_ready(READY_TIME, answers).await?;
        }
        Ok(argocd)
    }
}

struct Ports {
    redis: u16,
    repo: u16,
    repo_metrics: u16,
    controller_metrics: u16,
}

impl Ports {
    fn free() -> Result<Self, ArgoCdError> {
        let free = || ports::free().map_err(ArgoCdError::Port);
        Ok(Self {
            redis: free()?,
            repo: free()?,
            repo_metrics: free()?,
            controller_metrics: free()?,
        })
    }
}

fn local(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

fn make_folder(path: &Path) -> Result<(), ArgoCdError> {
    fs::create_dir_all(path).map_err(|source| file(path, source))
}

fn file(path: &Path, source: io::Error) -> ArgoCdError {
    ArgoCdError::File {
        path: path.to_owned(),
        source,
    }
}
