//! The configuration file.

mod enrolled;
mod identity;
mod written;

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use fleet_contracts::DeviceId;
use fleet_contracts::signing::TrustedKey;
use serde::Deserialize;

pub use enrolled::EnrolledError;
pub(crate) use enrolled::{Enrolled, EnrolmentFile, EnrolmentService, FIRST_KEY, IdentityFiles};
pub use identity::{Credentials, Identity};
pub(crate) use written::Written;

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
    #[error(
        "cannot read the configuration {path}: create it, set {CONFIG_ENV}, or enrol this device (fleet-agent enrol)"
    )]
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
    /// What enrolment brought cannot be used.
    #[error(transparent)]
    Enrolled(#[from] EnrolledError),
}

/// All settings: the configuration file, completed by what enrolment brought.
#[derive(Debug, Clone)]
pub struct Config {
    /// This device.
    pub device_id: DeviceId,
    /// Where the ledger, the identity and inline files are kept.
    pub state_dir: PathBuf,
    /// The bus.
    pub nats: Nats,
    /// How the device proves who it is.
    pub credentials: Credentials,
    /// The container engine.
    pub podman: Podman,
    /// Whose manifests to follow.
    pub manifest: Manifest,
    /// Signs of life.
    pub heartbeat: Heartbeat,
    /// What deployments select this device by; `device-id` is added.
    pub labels: BTreeMap<String, String>,
}

/// The bus.
#[derive(Debug, Clone)]
pub struct Nats {
    /// `nats://` or `tls://`; several separated by commas.
    pub url: String,
    /// File with the certificates (PEM) to trust instead of the system's.
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

impl Config {
    /// Where the configuration is.
    pub fn path() -> PathBuf {
        std::env::var_os(CONFIG_ENV).map_or_else(|| DEFAULT_CONFIG.into(), PathBuf::from)
    }

    /// Reads it, and what enrolment brought.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let written = Written::load(path)?;
        let enrolled = Enrolled::load(&written.state_dir())?;
        if enrolled.is_none() && !path.exists() {
            return Err(ConfigError::Unreadable {
                path: path.into(),
                source: ErrorKind::NotFound.into(),
            });
        }
        complete(written, enrolled).map_err(|message| ConfigError::Invalid {
            path: path.into(),
            message,
        })
    }

    /// Reads it from text, without enrolment; the error names line and key.
    pub fn parse(text: &str) -> Result<Self, String> {
        complete(Written::parse(text)?, None)
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

/// What the file says wins; the rest is enrolment's.
fn complete(written: Written, enrolled: Option<Enrolled>) -> Result<Config, String> {
    let state_dir = written.state_dir();
    let missing = |what: &str| {
        format!("{what} is missing: write it here, or enrol this device (fleet-agent enrol)")
    };
    let nats = written.nats.unwrap_or_default();
    let of_file = Credentials::written(nats.seed_file, written.identity)?;
    let Enrolled {
        device_id,
        nats_url,
        nats_ca_file,
        manifest_keys,
        identity,
        labels,
    } = enrolled.unwrap_or_default();
    let credentials = match (of_file, identity) {
        (Some(Credentials::SeedFile(_)), Some(_)) => {
            return Err("[nats] seed_file is set, but this device is enrolled: remove it".into());
        }
        (Some(credentials), _) => credentials,
        (None, Some(identity)) => Credentials::Identity(Box::new(identity)),
        (None, None) => return Err(missing("[nats] seed_file or [identity]")),
    };
    let trusted_keys = written.manifest.map(|m| m.trusted_keys);
    let device_id = written.device_id.or(device_id);
    let device_id = device_id.ok_or_else(|| missing("device_id"))?;
    let url = nats.url.or(nats_url).ok_or_else(|| missing("[nats] url"))?;
    let keys = trusted_keys.or(manifest_keys);
    let trusted_keys = keys.ok_or_else(|| missing("[manifest] trusted_keys"))?;
    let mut all_labels = labels;
    all_labels.extend(written.labels);
    all_labels.insert(ID_LABEL.into(), device_id.to_string());
    let config = Config {
        device_id,
        state_dir,
        nats: Nats {
            url,
            ca_file: nats.ca_file.or(nats_ca_file),
        },
        credentials,
        podman: written.podman,
        manifest: Manifest { trusted_keys },
        heartbeat: written.heartbeat,
        labels: all_labels,
    };
    config.check()?;
    Ok(config)
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
#[allow(clippy::panic, reason = "test code")]
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

    const IDENTITY: &str = r#"
[identity]
issuer = "https://id.example"
user_id = "42"
key_id = "7"
key_file = "/etc/fleet-agent/device-key.pem"
project_id = "99"
"#;

    #[test]
    fn exactly_one_way_to_prove_who_it_is() {
        let seed = "seed_file = \"/etc/fleet-agent/device.nk\"";
        let without = VALID.replace(seed, "");
        let refused = |text: &str| Config::parse(text).expect_err("refused");
        assert!(refused(&without).contains("[nats] seed_file or [identity]"));
        assert!(refused(&format!("{VALID}{IDENTITY}")).contains("exactly one"));
        let config = Config::parse(&format!("{without}{IDENTITY}")).expect("valid");
        let Credentials::Identity(identity) = config.credentials else {
            panic!("{config:?}");
        };
        assert_eq!(identity.issuer, "https://id.example");
    }

    #[test]
    fn an_identity_is_a_user_with_key_and_project_or_a_client() {
        let base = VALID.replace("seed_file = \"/etc/fleet-agent/device.nk\"", "");
        let parsed =
            |from: &str, to: &str| Config::parse(&format!("{base}{}", IDENTITY.replace(from, to)));
        let client = parsed("user_id = \"42\"", "client_id = \"dev-1\"");
        assert!(client.expect_err("a project").contains("project_id"));
        let scopes = parsed(
            "user_id = \"42\"\nkey_id = \"7\"",
            "client_id = \"dev-1\"\nscopes = [\"fleet\"]",
        );
        assert!(scopes.is_err(), "still a project");
        let client = IDENTITY
            .replace("user_id = \"42\"", "client_id = \"dev-1\"")
            .replace("project_id = \"99\"", "");
        assert!(Config::parse(&format!("{base}{client}")).is_ok());
        for (from, to, named) in [
            ("https://", "http://", "https"),
            ("project_id = \"99\"", "", "project_id"),
            ("key_id = \"7\"", "", "key_id"),
            ("user_id = \"42\"", "", "user_id"),
            (
                "user_id = \"42\"",
                "user_id = \"42\"\nclient_id = \"x\"",
                "client_id",
            ),
            ("project_id = \"99\"", "project_id = \"9 9\"", "project_id"),
        ] {
            let error = parsed(from, to).expect_err(named);
            assert!(error.contains(named), "{error}");
        }
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
