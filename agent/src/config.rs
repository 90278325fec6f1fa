//! The configuration file.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use fleet_contracts::DeviceId;
use fleet_contracts::signing::TrustedKey;
use serde::Deserialize;

/// Environment variable with the configuration's path.
pub const CONFIG_ENV: &str = "FLEET_AGENT_CONFIG";
/// Where the configuration is if the environment does not say.
pub const DEFAULT_CONFIG: &str = "/etc/fleet-agent/config.toml";

/// The label every device carries: its own id.
const ID_LABEL: &str = "device-id";

/// Why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {path}: create it, or set {CONFIG_ENV}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not valid; the text holds the line.
    #[error("the configuration {path} is not valid: {message}")]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What, with the line.
        message: String,
    },
}

/// All settings.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// This device.
    pub device_id: DeviceId,
    /// Where the ledger and inline files are kept.
    #[serde(default = "default_state_dir")]
    pub state_dir: PathBuf,
    /// The bus.
    pub nats: Nats,
    /// The container engine.
    #[serde(default)]
    pub podman: Podman,
    /// Whose manifests to follow.
    pub manifest: Manifest,
    /// Signs of life.
    #[serde(default)]
    pub heartbeat: Heartbeat,
    /// What deployments select this device by; `device-id` is added.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

/// The bus.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nats {
    /// `nats://` or `tls://`; several separated by commas.
    pub url: String,
    /// File with the nkey seed of this device's user.
    pub seed_file: PathBuf,
    /// File with the certificates (PEM) to trust beside those of the system.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
}

/// The container engine.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Podman {
    /// podman's API socket. Default: the system's for root, else the user's.
    #[serde(default)]
    pub socket: Option<PathBuf>,
    /// Where ports are published that name no address. Default: all addresses.
    #[serde(default)]
    pub default_host_ip: Option<IpAddr>,
    /// How many images may be pulled at once. Default 2.
    #[serde(default)]
    pub max_parallel_pulls: Option<u8>,
    /// Limits to set on containers, `nofile = [soft, hard]`. Default: podman's own. To set where
    /// podman's API mixes up the pair in `containers.conf` (seen with 4.3).
    #[serde(default)]
    pub ulimits: BTreeMap<String, [u64; 2]>,
}

/// Whose manifests to follow.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Public keys in base64.
    pub trusted_keys: Vec<TrustedKey>,
}

/// Signs of life.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Heartbeat {
    /// Seconds between two.
    pub period_seconds: u32,
}

impl Default for Heartbeat {
    fn default() -> Self {
        Self { period_seconds: 30 }
    }
}

fn default_state_dir() -> PathBuf {
    "/var/lib/fleet-agent".into()
}

impl Config {
    /// Where the configuration is.
    pub fn path() -> PathBuf {
        std::env::var_os(CONFIG_ENV).map_or_else(|| DEFAULT_CONFIG.into(), PathBuf::from)
    }

    /// Reads it.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
            path: path.into(),
            source,
        })?;
        Self::parse(&text).map_err(|message| ConfigError::Invalid {
            path: path.into(),
            message,
        })
    }

    /// Reads it from text; the error names line and key.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut config: Self = toml::from_str(text).map_err(|e| e.to_string())?;
        let id = config.device_id.to_string();
        config.labels.insert(ID_LABEL.into(), id);
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), String> {
        if self.manifest.trusted_keys.is_empty() {
            return Err(
                "[manifest] trusted_keys is empty: without a key no manifest can be taken".into(),
            );
        }
        if !(1..=3600).contains(&self.heartbeat.period_seconds) {
            return Err("[heartbeat] period_seconds must be 1 to 3600".into());
        }
        if self.podman.max_parallel_pulls == Some(0) {
            return Err("[podman] max_parallel_pulls must be at least 1".into());
        }
        if !self.state_dir.is_absolute() {
            return Err("state_dir must be an absolute path".into());
        }
        Ok(())
    }
}

impl Podman {
    /// podman's API socket.
    pub fn socket(&self) -> PathBuf {
        self.socket.clone().unwrap_or_else(|| {
            let user = std::env::var_os("XDG_RUNTIME_DIR")
                .filter(|_| !rustix::process::geteuid().is_root());
            let base = user.map_or_else(|| "/run".into(), PathBuf::from);
            base.join("podman/podman.sock")
        })
    }

    /// How many images may be pulled at once.
    pub fn max_parallel_pulls(&self) -> usize {
        self.max_parallel_pulls.unwrap_or(2).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALID: &str = r#"
device_id = "dev-1"
[nats]
url = "nats://127.0.0.1:4222"
seed_file = "/etc/fleet-agent/device.nk"
[manifest]
trusted_keys = ["11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="]
[labels]
site = "lyon"
"#;

    #[test]
    fn defaults_and_the_id_label_are_filled_in() {
        let config = Config::parse(VALID).expect("valid");
        assert_eq!(config.heartbeat.period_seconds, 30);
        assert_eq!(config.state_dir, Path::new("/var/lib/fleet-agent"));
        let labels: Vec<_> = config
            .labels
            .iter()
            .map(|(k, v)| format!("{k}={v}"))
            .collect();
        assert_eq!(labels, ["device-id=dev-1", "site=lyon"]);
    }

    #[test]
    fn errors_name_the_line() {
        let refused =
            |from: &str, to: &str| Config::parse(&VALID.replace(from, to)).expect_err("refused");
        let unknown = refused("url =", "uri = 1\nurl =");
        assert!(
            unknown.contains("line 4") && unknown.contains("uri"),
            "{unknown}"
        );
        let bad_id = refused("dev-1", "Dev 1");
        assert!(
            bad_id.contains("line 2") && bad_id.contains("RFC 1123"),
            "{bad_id}"
        );
        let bad_key = refused("11qYAYKx", "");
        assert!(
            bad_key.contains("line 7") && bad_key.contains("Ed25519"),
            "{bad_key}"
        );
        assert!(
            refused(
                "trusted_keys = [\"11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\"]",
                "trusted_keys = []"
            )
            .contains("trusted_keys")
        );
    }
}
