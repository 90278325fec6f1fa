//! The agent on a device: its configuration, credential and process.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde::Serialize;
use tokio::fs;

use super::machine::{Machine, Part};
use super::{DeviceError, Place};
use crate::binaries;
use crate::process::{Service, Spec, lock};

/// How an agent logs in to the bus.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Login {
    /// With an nkey that the bus knows.
    #[default]
    StaticKey,
    /// With what enrolment brought, which also tells where the bus is.
    Enrolled,
}

/// What the agent's configuration says beyond the device itself.
#[derive(Debug, Clone, Default)]
pub(crate) struct AgentSettings {
    /// The bus, if the testbed has one.
    pub(crate) nats_url: Option<String>,
    /// How it logs in there.
    pub(crate) login: Login,
    /// The public manifest keys that the agent trusts, in base64.
    pub(crate) trusted_keys: Vec<String>,
    /// The labels of the device.
    pub(crate) labels: BTreeMap<String, String>,
    /// Seconds between two signs of life; the agent's default if none.
    pub(crate) heartbeat_period: Option<u32>,
    /// Further variables of its process.
    pub(crate) env: Vec<(String, String)>,
    /// Another program than the one cargo built.
    pub(crate) program: Option<PathBuf>,
}

/// What a device is given so that it can ask to join.
#[derive(Debug, Clone, Copy)]
pub struct Invitation<'a> {
    /// The enrolment service.
    pub url: &'a str,
    /// The authority of its certificate.
    pub ca_file: &'a Path,
    /// A token that is good once.
    pub token: &'a str,
}

/// The agent's files and process.
#[derive(Debug)]
pub(super) struct Agent {
    id: String,
    folder: PathBuf,
    logs: PathBuf,
    podman_socket: PathBuf,
    settings: Mutex<AgentSettings>,
    service: Service,
    enrolling: Service,
}

impl Agent {
    pub(super) fn new(
        id: &str,
        place: &Place<'_>,
        podman_socket: &Path,
        settings: AgentSettings,
    ) -> Self {
        let Place {
            folder,
            logs,
            journal,
            ..
        } = place;
        let spec = Spec::new(format!("{id}-agent"), "fleet-agent", logs);
        let enrolling = Spec::new(format!("{id}-enrol"), "fleet-agent", logs);
        Self {
            id: id.to_owned(),
            folder: folder.clone(),
            logs: logs.to_path_buf(),
            podman_socket: podman_socket.to_owned(),
            settings: Mutex::new(settings),
            service: Service::new(spec, (*journal).clone()),
            enrolling: Service::new(enrolling, (*journal).clone()),
        }
    }

    pub(super) fn service(&self) -> &Service {
        &self.service
    }

    pub(super) fn config_path(&self) -> PathBuf {
        self.folder.join("agent.toml")
    }

    pub(super) fn seed_path(&self) -> PathBuf {
        self.folder.join("device.nk")
    }

    pub(super) fn state_dir(&self) -> PathBuf {
        self.folder.join("agent")
    }

    pub(super) fn has_bus(&self) -> bool {
        lock(&self.settings).nats_url.is_some()
    }

    pub(super) fn set_heartbeat_period(&self, seconds: u32) {
        lock(&self.settings).heartbeat_period = Some(seconds);
    }

    pub(super) fn set_trusted_keys(&self, keys: Vec<String>) {
        lock(&self.settings).trusted_keys = keys;
    }

    pub(super) fn set_env(&self, env: Vec<(String, String)>) {
        lock(&self.settings).env = env;
    }

    pub(super) fn set_nats_url(&self, url: String) {
        lock(&self.settings).nats_url = Some(url);
    }

    pub(super) fn set_program(&self, program: Option<PathBuf>) {
        lock(&self.settings).program = program;
    }

    pub(super) fn set_labels(&self, labels: BTreeMap<String, String>) {
        lock(&self.settings).labels = labels;
    }

    pub(super) async fn start(&self, machine: &Machine) -> Result<(), DeviceError> {
        self.write_config(machine).await?;
        let settings = lock(&self.settings).clone();
        let program = match settings.program {
            Some(program) => program,
            None => binaries::find("fleet-agent").map_err(DeviceError::NotBuilt)?,
        };
        let spec = Spec::new(format!("{}-agent", self.id), program, &self.logs)
            .env("FLEET_AGENT_CONFIG", self.config_path())
            .envs(&settings.env);
        self.service.set_spec(machine.inside(spec, Part::Network)?);
        Ok(self.service.spawn()?)
    }

    pub(super) fn enrolling(&self) -> &Service {
        &self.enrolling
    }

    /// Whether enrolment has brought an identity.
    pub(super) fn is_enrolled(&self) -> bool {
        self.state_dir().join("identity/enrolment.json").exists()
    }

    /// Starts the command that asks to join.
    pub(super) async fn enrol(
        &self,
        machine: &Machine,
        invitation: &Invitation<'_>,
    ) -> Result<(), DeviceError> {
        self.write_config(machine).await?;
        let token_file = self.folder.join("enrolment-token");
        let written = crate::secret::write(&token_file, invitation.token.as_bytes());
        written.map_err(|source| DeviceError::File {
            path: token_file.clone(),
            source,
        })?;
        let program = binaries::find("fleet-agent").map_err(DeviceError::NotBuilt)?;
        let spec = Spec::new(format!("{}-enrol", self.id), program, &self.logs)
            .args(["enrol", "--url", invitation.url])
            .args(["--ca-file".as_ref(), invitation.ca_file.as_os_str()])
            .args(["--token-file".into(), token_file.into_os_string()])
            .env("FLEET_AGENT_CONFIG", self.config_path());
        self.enrolling
            .set_spec(machine.inside(spec, Part::Network)?);
        Ok(self.enrolling.spawn()?)
    }

    /// Writes the configuration; done before every start, so that a changed setting counts.
    pub(super) async fn write_config(&self, machine: &Machine) -> Result<(), DeviceError> {
        let settings = lock(&self.settings).clone();
        let url = settings.nats_url.as_deref();
        let url = url.ok_or_else(|| DeviceError::NoBus(self.id.clone()))?;
        let (path, state) = (self.config_path(), self.state_dir());
        let file = |source| DeviceError::File {
            path: path.clone(),
            source,
        };
        fs::create_dir_all(&state).await.map_err(file)?;
        let is_static = settings.login == Login::StaticKey;
        let config = Config {
            device_id: &self.id,
            state_dir: &state,
            nats: is_static.then(|| NatsSection {
                url,
                seed_file: self.seed_path(),
            }),
            podman: PodmanSection {
                socket: &self.podman_socket,
                default_host_ip: match machine {
                    Machine::Namespaces(_) => None,
                    Machine::Host { ip } => Some(*ip),
                },
            },
            manifest: is_static.then_some(ManifestSection {
                trusted_keys: &settings.trusted_keys,
            }),
            heartbeat: settings
                .heartbeat_period
                .map(|period_seconds| HeartbeatSection { period_seconds }),
            labels: &settings.labels,
        };
        let text = toml::to_string(&config).map_err(DeviceError::Config)?;
        fs::write(&path, text).await.map_err(file)
    }
}

/// The agent's configuration, as far as the testbed sets it.
#[derive(Serialize)]
struct Config<'a> {
    device_id: &'a str,
    state_dir: &'a Path,
    #[serde(skip_serializing_if = "Option::is_none")]
    nats: Option<NatsSection<'a>>,
    podman: PodmanSection<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    manifest: Option<ManifestSection<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    heartbeat: Option<HeartbeatSection>,
    labels: &'a BTreeMap<String, String>,
}

#[derive(Serialize)]
struct HeartbeatSection {
    period_seconds: u32,
}

#[derive(Serialize)]
struct NatsSection<'a> {
    url: &'a str,
    seed_file: PathBuf,
}

#[derive(Serialize)]
struct PodmanSection<'a> {
    socket: &'a Path,
    /// Rootless devices publish on one host, so each gets an address of its own for that.
    #[serde(skip_serializing_if = "Option::is_none")]
    default_host_ip: Option<Ipv4Addr>,
}

#[derive(Serialize)]
struct ManifestSection<'a> {
    trusted_keys: &'a [String],
}
