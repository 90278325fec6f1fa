//! The agent on a device: its configuration, credential and process.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::DeviceError;
use super::machine::{Machine, Part};
use crate::binaries;
use crate::journal::Journal;
use crate::process::{Service, Spec, lock};

/// What the agent's configuration says beyond the device itself.
#[derive(Debug, Clone, Default)]
pub(crate) struct AgentSettings {
    /// The bus, if the testbed has one.
    pub(crate) nats_url: Option<String>,
    /// The public manifest keys that the agent trusts, in base64.
    pub(crate) trusted_keys: Vec<String>,
    /// The labels of the device.
    pub(crate) labels: BTreeMap<String, String>,
}

/// The agent's files and process.
#[derive(Debug)]
pub(super) struct Agent {
    id: String,
    folder: PathBuf,
    logs: PathBuf,
    settings: Mutex<AgentSettings>,
    service: Service,
}

impl Agent {
    pub(super) fn new(
        id: &str,
        folder: &Path,
        logs: &Path,
        journal: &Journal,
        settings: AgentSettings,
    ) -> Self {
        let spec = Spec::new(format!("{id}-agent"), "fleet-agent", logs);
        Self {
            id: id.to_owned(),
            folder: folder.to_owned(),
            logs: logs.to_owned(),
            settings: Mutex::new(settings),
            service: Service::new(spec, journal.clone()),
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

    pub(super) fn set_labels(&self, labels: BTreeMap<String, String>) -> Result<(), DeviceError> {
        lock(&self.settings).labels = labels;
        Ok(())
    }

    pub(super) fn start(&self, machine: &Machine) -> Result<(), DeviceError> {
        self.write_config(machine)?;
        let program = binaries::find("fleet-agent").map_err(DeviceError::NotBuilt)?;
        let spec = Spec::new(format!("{}-agent", self.id), program, &self.logs)
            .env("FLEET_AGENT_CONFIG", self.config_path());
        self.service.set_spec(machine.inside(spec, Part::Network)?);
        Ok(self.service.spawn()?)
    }

    /// Writes the configuration; done before every start, so that a changed setting counts.
    pub(super) fn write_config(&self, machine: &Machine) -> Result<(), DeviceError> {
        let settings = lock(&self.settings).clone();
        let url = settings.nats_url.as_deref();
        let url = url.ok_or_else(|| DeviceError::NoBus(self.id.clone()))?;
        let (path, state) = (self.config_path(), self.state_dir());
        let file = |source| DeviceError::File {
            path: path.clone(),
            source,
        };
        fs::create_dir_all(&state).map_err(file)?;
        let config = render(&self.id, url, &self.folder, machine, &settings);
        fs::write(&path, config).map_err(file)
    }
}

/// The configuration as TOML. Strings are written as JSON strings, which TOML reads as its own.
fn render(
    id: &str,
    url: &str,
    folder: &Path,
    machine: &Machine,
    settings: &AgentSettings,
) -> String {
    let path = |name: &str| quoted(&folder.join(name).to_string_lossy());
    let mut config = format!(
        "device_id = {}\nstate_dir = {}\n",
        quoted(id),
        path("agent")
    );
    config += &format!(
        "\n[nats]\nurl = {}\nseed_file = {}\n",
        quoted(url),
        path("device.nk")
    );
    config += &format!("\n[podman]\nsocket = {}\n", path("podman.sock"));
    if let Machine::Host { ip } = machine {
        // All rootless devices publish on one host: each gets an address of its own for that.
        config += &format!("default_host_ip = {}\n", quoted(&ip.to_string()));
    }
    let keys: Vec<String> = settings
        .trusted_keys
        .iter()
        .map(|key| quoted(key))
        .collect();
    config += &format!("\n[manifest]\ntrusted_keys = [{}]\n", keys.join(", "));
    config += "\n[labels]\n";
    for (key, value) in &settings.labels {
        config += &format!("{} = {}\n", quoted(key), quoted(value));
    }
    config
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
