//! One device: a machine with podman and the agent on it.

mod agent;
mod containers;
mod faults;
mod host;
mod link;
pub(crate) mod machine;
mod podman;

use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Output;

use fleet_contracts::DeviceId;

use crate::images::ImageError;
use crate::journal::{Entry, Journal, JournalError};
use crate::network::NetworkError;
use crate::process::{ProcessError, Service};
use agent::Agent;
pub use agent::Invitation;
pub(crate) use agent::{AgentSettings, Login};
use machine::{Machine, MachineError};
use podman::Podman;

/// Why something on a device failed.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// The machine did not come up.
    #[error(transparent)]
    Machine(#[from] MachineError),
    /// podman or the agent did not start or stop.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// The cable could not be pulled or plugged.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// It could not be recorded, and so was not made.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// An image could not be made.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// A file of the device cannot be written or read.
    #[error("cannot write or read {path}", path = .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The agent's configuration cannot be written as TOML.
    #[error("cannot render the agent's configuration")]
    Config(#[source] toml::ser::Error),
    /// The podman command could not be run.
    #[error("cannot run podman; tools/system-packages.sh installs it")]
    Podman(#[source] io::Error),
    /// podman refused a command.
    #[error("`podman {command}` on {device} failed: {output}")]
    Refused {
        /// The device.
        device: String,
        /// The arguments.
        command: String,
        /// What it printed on standard error.
        output: String,
    },
    /// This testbed has no bus, so the agent has nothing to connect to.
    #[error("the agent of {0} needs a bus: call `.nats()` on the builder")]
    NoBus(String),
    /// The agent's memory cannot be bounded here.
    #[error("cannot bound the memory of the agent of {device}; this needs root")]
    Memory {
        /// The device.
        device: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A device without root shares the host's network.
    #[error("{0} has no cable of its own; this needs root")]
    NoCable(String),
    /// `fleet-agent` is not built.
    #[error("{0} is not built: run `cargo build -p fleet-agent`, or set FLEET_BIN_DIR")]
    NotBuilt(PathBuf),
}

/// Where a device is made.
pub(crate) struct Place<'a> {
    pub(crate) folder: PathBuf,
    /// A folder with a short path, for sockets.
    pub(crate) short: &'a Path,
    pub(crate) logs: &'a Path,
    pub(crate) journal: &'a Journal,
    /// The testbed's registry, which podman is to use without TLS.
    pub(crate) registry: Option<SocketAddr>,
}

/// A machine with podman, and with the agent once that is started.
#[derive(Debug)]
pub struct Device {
    id: DeviceId,
    folder: PathBuf,
    machine: Machine,
    podman: Podman,
    agent: Agent,
    journal: Journal,
}

impl Device {
    pub(crate) fn create(
        id: &DeviceId,
        machine: Machine,
        place: &Place<'_>,
        settings: AgentSettings,
    ) -> Result<Self, DeviceError> {
        let Place {
            folder,
            short,
            journal,
            registry,
            ..
        } = place;
        let file = |path: &Path| {
            let path = path.to_owned();
            move |source| DeviceError::File { path, source }
        };
        fs::create_dir_all(folder).map_err(file(folder))?;
        fs::create_dir_all(short).map_err(file(short))?;
        let podman = Podman::new(id.as_ref(), &machine, place);
        podman.write_config(*registry).map_err(file(folder))?;
        journal.write(&Entry::Store {
            path: podman.store().to_owned(),
        })?;
        let agent = Agent::new(id.as_ref(), place, podman.socket(), settings);
        Ok(Self {
            id: id.clone(),
            folder: folder.clone(),
            machine,
            podman,
            agent,
            journal: (*journal).clone(),
        })
    }

    /// Boots the machine and starts podman.
    pub(crate) async fn boot(&self) -> Result<(), DeviceError> {
        if self.agent.has_bus() {
            // Also without starting it, for those who run the agent by hand.
            self.agent.write_config(&self.machine).await?;
        }
        self.machine.boot().await?;
        self.start_podman().await
    }

    /// The device's id.
    pub fn id(&self) -> &DeviceId {
        &self.id
    }

    /// The address at which published ports of its containers answer, seen from the host and from
    /// the other devices.
    pub fn host_ip(&self) -> IpAddr {
        self.machine.ip()
    }

    /// The device's folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The socket of podman's REST API.
    pub fn podman_socket(&self) -> &Path {
        self.podman.socket()
    }

    /// The `podman system service` process.
    pub fn podman_service(&self) -> &Service {
        self.podman.service()
    }

    /// Runs the podman command on this device, through its socket.
    ///
    /// # Errors
    /// When the command cannot be run. A refusal is in the output's status; see
    /// [`podman_ok`](Self::podman_ok).
    pub async fn podman<A: AsRef<str>>(
        &self,
        args: impl IntoIterator<Item = A>,
    ) -> Result<Output, DeviceError> {
        let args = args
            .into_iter()
            .map(|arg| arg.as_ref().to_owned())
            .collect();
        self.podman.run(args).await.map_err(DeviceError::Podman)
    }

    /// Runs the podman command and gives its trimmed output, or an error if it refuses.
    ///
    /// # Errors
    /// When the command cannot be run or does not succeed.
    pub async fn podman_ok<A: AsRef<str>>(
        &self,
        args: impl IntoIterator<Item = A>,
    ) -> Result<String, DeviceError> {
        let args: Vec<String> = args
            .into_iter()
            .map(|arg| arg.as_ref().to_owned())
            .collect();
        let output = self.podman(&args).await?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
        }
        Err(DeviceError::Refused {
            device: self.id.to_string(),
            command: args.join(" "),
            output: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        })
    }

    /// Runs the podman command as somebody logged in on the device would: it does the work itself,
    /// where [`podman`](Self::podman) asks the service. What benchmarks compare with.
    ///
    /// # Errors
    /// When the command cannot be run.
    pub async fn podman_typed<A: AsRef<str>>(
        &self,
        args: impl IntoIterator<Item = A>,
    ) -> Result<Output, DeviceError> {
        let args = args
            .into_iter()
            .map(|arg| arg.as_ref().to_owned())
            .collect();
        self.podman.run_typed(&self.machine, args).await
    }

    /// Starts podman's service and waits until it answers.
    ///
    /// # Errors
    /// When it runs already or does not come up.
    pub async fn start_podman(&self) -> Result<(), DeviceError> {
        self.podman.start(&self.machine).await
    }

    /// Stops podman's service. Containers keep running.
    ///
    /// # Errors
    /// When the process does not go.
    pub async fn stop_podman(&self) -> Result<(), DeviceError> {
        Ok(self.podman.service().terminate().await?)
    }

    /// The agent's configuration file, which exists once there is a bus.
    pub fn config_path(&self) -> PathBuf {
        self.agent.config_path()
    }

    /// The device's credential for the bus: the seed of its nkey.
    pub fn seed_path(&self) -> PathBuf {
        self.agent.seed_path()
    }

    /// The agent's state: its ledger.
    pub fn state_dir(&self) -> PathBuf {
        self.agent.state_dir()
    }

    /// Starts `fleet-agent enrol`, which asks to join and waits for the approval; it ends once the
    /// device has its identity. The testbed's bus must be one with a callout.
    ///
    /// # Errors
    /// When it runs already or is not built.
    pub async fn enrol(&self, invitation: &Invitation<'_>) -> Result<(), DeviceError> {
        self.agent.enrol(&self.machine, invitation).await
    }

    /// The process of [`enrol`](Self::enrol).
    pub fn enrolling(&self) -> &Service {
        self.agent.enrolling()
    }

    /// Whether the device has the identity that enrolment brings.
    pub fn is_enrolled(&self) -> bool {
        self.agent.is_enrolled()
    }

    /// Starts the agent.
    ///
    /// # Errors
    /// When it runs already, is not built, or the testbed has no bus.
    pub async fn start_agent(&self) -> Result<(), DeviceError> {
        self.agent.start(&self.machine).await
    }

    /// Stops the agent (SIGTERM) and waits.
    ///
    /// # Errors
    /// When the process does not go.
    pub async fn stop_agent(&self) -> Result<(), DeviceError> {
        Ok(self.agent.service().terminate().await?)
    }

    /// Kills the agent (SIGKILL).
    ///
    /// # Errors
    /// When the process does not go.
    pub async fn kill_agent(&self) -> Result<(), DeviceError> {
        Ok(self.agent.service().kill().await?)
    }

    /// The agent's process: its id for measurements, its log.
    pub fn agent(&self) -> &Service {
        self.agent.service()
    }

    /// All the agent has printed.
    pub fn agent_log(&self) -> String {
        self.agent.service().log()
    }

    /// Changes what else is in the agent's environment, for its next start.
    pub fn set_agent_env(&self, env: impl IntoIterator<Item = (String, String)>) {
        self.agent.set_env(env.into_iter().collect());
    }

    /// Changes the labels in the agent's configuration, for its next start.
    pub fn set_labels<K: Into<String>, V: Into<String>>(
        &self,
        labels: impl IntoIterator<Item = (K, V)>,
    ) {
        let pairs = labels
            .into_iter()
            .map(|(key, value)| (key.into(), value.into()));
        self.agent.set_labels(pairs.collect());
    }

    /// Changes whose manifests the agent's configuration says to follow, for its next start.
    pub fn set_trusted_keys<K: Into<String>>(&self, keys: impl IntoIterator<Item = K>) {
        let keys = keys.into_iter().map(Into::into);
        self.agent.set_trusted_keys(keys.collect());
    }

    /// Changes the way to the bus, as `nats://host:port`, from the agent's next start on.
    pub fn set_nats_url(&self, url: impl Into<String>) {
        self.agent.set_nats_url(url.into());
    }

    /// Changes how often the agent gives a sign of life, from its next start on.
    pub fn set_heartbeat_period(&self, seconds: u32) {
        self.agent.set_heartbeat_period(seconds);
    }

    /// Changes the agent's program from its next start on; none is the one cargo built.
    pub fn set_agent_program(&self, program: Option<PathBuf>) {
        self.agent.set_program(program);
    }

    /// Makes the image `reference` on this device: a web server that answers every request for
    /// `/` with `body`.
    ///
    /// # Errors
    /// When busybox-static is missing or podman refuses the image.
    pub async fn load_image(&self, reference: &str, body: &str) -> Result<(), DeviceError> {
        let archive = self
            .folder
            .join(format!("image-{}.tar", crate::secret::token()));
        crate::images::write_archive(&archive, reference, body)?;
        let loaded = self
            .podman_ok(["load", "--input", &archive.to_string_lossy()])
            .await;
        let _ = fs::remove_file(&archive);
        loaded.map(drop)
    }
}
