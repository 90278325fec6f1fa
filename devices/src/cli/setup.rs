use std::path::{Path, PathBuf};

use fleet_devices_core::host::Content;

use super::args::{SetupArgs, Target};
use super::shown::Lines;
use crate::host::{
    ConnectError, HostError, Linux, Local, Planned, Proof, Ssh, SshSettings, Transport,
    TransportError,
};
use crate::setup::{AgentError, AgentProgram, Enrolment, Setup, SetupError};

/// Passwords come by the environment: others on this machine can read a command line.
pub(super) const SSH_PASSWORD: &str = "FLEET_SSH_PASSWORD";
pub(super) const SUDO_PASSWORD: &str = "FLEET_SUDO_PASSWORD";

/// Why a host was not set up.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// A file that was named cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// It has no configuration to run with.
    #[error(
        "give --enrol-url and --enrol-token-file, or the agent's whole configuration by --config"
    )]
    NoConfiguration,
    /// The host did not become a device.
    #[error(transparent)]
    Setup(#[from] SetupError),
}

impl Failure {
    pub(super) const fn reason(&self) -> &'static str {
        match self {
            Self::Read { .. } => "Unreadable",
            Self::NoConfiguration => "NoConfiguration",
            Self::Setup(error) => error.reason(),
        }
    }
}

impl From<AgentError> for Failure {
    fn from(error: AgentError) -> Self {
        Self::Setup(error.into())
    }
}

impl From<HostError> for Failure {
    fn from(error: HostError) -> Self {
        Self::Setup(error.into())
    }
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        HostError::from(TransportError::from(error)).into()
    }
}

pub(super) async fn run(args: &SetupArgs) -> Result<(), Failure> {
    let setup = setup(args)?;
    match &args.host {
        Target::Local => {
            let sudo = !rustix::process::geteuid().is_root();
            on(Local { sudo }, &setup, args.plan).await
        }
        Target::Remote(address) => {
            let settings = SshSettings {
                proof: match std::env::var(SSH_PASSWORD) {
                    Ok(password) => Proof::Password(password),
                    Err(_) => Proof::Key(args.identity.clone()),
                },
                known_hosts: args.known_hosts.clone(),
                accept_new: args.accept_new_host_key,
                sudo_password: std::env::var(SUDO_PASSWORD).ok(),
            };
            on(Ssh::connect(address, &settings).await?, &setup, args.plan).await
        }
    }
}

async fn on<T: Transport>(transport: T, setup: &Setup, plan: bool) -> Result<(), Failure> {
    if plan {
        on_host(Planned(transport), setup).await
    } else {
        on_host(transport, setup).await
    }
}

async fn on_host<T: Transport>(transport: T, setup: &Setup) -> Result<(), Failure> {
    let host = Linux::meet(transport).await?;
    let (name, distribution, architecture) = (host.name(), &host.distribution, host.architecture);
    println!("{name}: {distribution}, {architecture}");
    let changes = setup.run(&host, &mut Lines::new()).await?;
    let verb = if host.plans() { "to change" } else { "changed" };
    println!("{name}: {changes} {verb}");
    Ok(())
}

fn setup(args: &SetupArgs) -> Result<Setup, Failure> {
    let agents = args.agents.iter().map(|path| AgentProgram::read(path));
    let agents = agents.collect::<Result<_, _>>()?;
    let enrolment = enrolment(args)?;
    let config = match &args.config {
        Some(path) => read(path)?,
        None if enrolment.is_some() => Vec::new(),
        None => return Err(Failure::NoConfiguration),
    };
    Ok(Setup {
        agents,
        config: Content::new(config),
        enrolment,
    })
}

fn enrolment(args: &SetupArgs) -> Result<Option<Enrolment>, Failure> {
    let (Some(url), Some(token)) = (&args.enrol_url, &args.enrol_token_file) else {
        return Ok(None);
    };
    let ca = args.enrol_ca_file.as_deref().map(read).transpose()?;
    Ok(Some(Enrolment {
        url: url.clone(),
        token: String::from_utf8_lossy(&read(token)?).trim().to_owned(),
        ca: ca.map(Content::new),
        device_id: args.device_id.clone(),
        labels: args.labels.clone(),
    }))
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|source| Failure::Read {
        path: path.to_owned(),
        source,
    })
}
