use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use fleet_contracts::DeviceId;
use serde::{Deserialize, Deserializer};
use toml::Spanned;

use super::error::FleetFileError;
use crate::architecture::VmArchitecture;
use crate::host::Address;

/// Hosts that are to become devices, each with all that is said of it, here or in the defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FleetFile {
    /// In the order of the file.
    pub hosts: Vec<FleetHost>,
}

/// A host that is to become a device. Its paths are as they are written: seen from the file's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FleetHost {
    /// Where to log in, and as whom.
    pub address: Address,
    /// Who it is to be; without it the fleet decides.
    pub device_id: Option<DeviceId>,
    /// Which processor it must have; without it any for which there is an agent.
    pub architecture: Option<VmArchitecture>,
    /// What it carries, those of the defaults among them.
    pub labels: BTreeMap<String, String>,
    /// The agent, once for each processor.
    pub agents: Vec<PathBuf>,
    /// The agent's configuration; without it one with the labels alone.
    pub config: Option<PathBuf>,
    /// The enrolment service.
    pub enrol_url: Option<String>,
    /// Its certificates.
    pub enrol_ca_file: Option<PathBuf>,
    /// What allows the device to ask.
    pub enrol_token_file: Option<PathBuf>,
}

/// As people write it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    defaults: Defaults,
    #[serde(default)]
    hosts: Vec<Spanned<Host>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Defaults {
    user: Option<String>,
    port: Option<u16>,
    agents: Vec<PathBuf>,
    config: Option<PathBuf>,
    enrol_url: Option<String>,
    enrol_ca_file: Option<PathBuf>,
    enrol_token_folder: Option<PathBuf>,
    labels: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Host {
    address: Spanned<String>,
    user: Option<String>,
    port: Option<u16>,
    device_id: Option<DeviceId>,
    #[serde(default, deserialize_with = "architecture")]
    arch: Option<VmArchitecture>,
    #[serde(default)]
    agents: Vec<PathBuf>,
    config: Option<PathBuf>,
    enrol_url: Option<String>,
    enrol_ca_file: Option<PathBuf>,
    enrol_token_file: Option<PathBuf>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

/// `auto`, or any name of one.
fn architecture<'de, D: Deserializer<'de>>(from: D) -> Result<Option<VmArchitecture>, D::Error> {
    let text = String::deserialize(from)?;
    if text == "auto" {
        return Ok(None);
    }
    let parsed = text.parse().map_err(serde::de::Error::custom);
    parsed.map(Some)
}

impl FleetFile {
    /// Reads one.
    ///
    /// # Errors
    /// With the line, when it is none, or says something that cannot be.
    pub fn parse(text: &str) -> Result<Self, FleetFileError> {
        let written: Written = toml::from_str(text)
            .map_err(|error| FleetFileError::Syntax(error.to_string().trim_end().to_owned()))?;
        if written.hosts.is_empty() {
            return Err(FleetFileError::Empty);
        }
        let mut places = BTreeMap::new();
        let mut devices = BTreeMap::new();
        let mut hosts = Vec::new();
        for host in written.hosts {
            let line = place(text, host.span().start).0;
            let host = resolve(text, line, host.into_inner(), &written.defaults)?;
            if let Some(first) = places.insert(host.address.place(), line) {
                let host = host.address.to_string();
                return Err(FleetFileError::DuplicateHost { host, line, first });
            }
            if let Some(id) = &host.device_id
                && let Some(first) = devices.insert(id.clone(), line)
            {
                let device = id.to_string();
                return Err(FleetFileError::DuplicateDevice {
                    device,
                    line,
                    first,
                });
            }
            hosts.push(host);
        }
        Ok(Self { hosts })
    }

    /// The same, with paths that start at the folder of the file.
    #[must_use]
    pub fn from_folder(mut self, folder: &Path) -> Self {
        for host in &mut self.hosts {
            let single = [
                &mut host.config,
                &mut host.enrol_ca_file,
                &mut host.enrol_token_file,
            ];
            let single = single.into_iter().flatten();
            for path in host.agents.iter_mut().chain(single) {
                // One that is absolute stays as it is.
                *path = folder.join(&*path);
            }
        }
        self
    }
}

fn resolve(
    text: &str,
    line: usize,
    host: Host,
    defaults: &Defaults,
) -> Result<FleetHost, FleetFileError> {
    let user = host.user.as_deref().or(defaults.user.as_deref());
    let port = host.port.or(defaults.port);
    let address = Address::with_defaults(host.address.get_ref(), user, port);
    let address = address.map_err(|source| {
        let (line, column) = place(text, host.address.span().start);
        FleetFileError::Address {
            line,
            column,
            source,
        }
    })?;
    let name = || address.to_string();
    let own = |path: Option<PathBuf>, default: &Option<PathBuf>| path.or_else(|| default.clone());
    let config = own(host.config, &defaults.config);
    let enrol_url = host.enrol_url.or_else(|| defaults.enrol_url.clone());
    if config.is_none() && enrol_url.is_none() {
        return Err(FleetFileError::NoConfiguration { host: name(), line });
    }
    let agents = Some(host.agents).filter(|agents| !agents.is_empty());
    let agents = agents.unwrap_or_else(|| defaults.agents.clone());
    if agents.is_empty() {
        return Err(FleetFileError::NoAgent { host: name(), line });
    }
    let folder = defaults.enrol_token_folder.as_ref();
    let enrol_token_file = match (host.enrol_token_file, folder, &host.device_id) {
        (Some(file), ..) => Some(file),
        (None, Some(folder), Some(id)) => Some(folder.join(id.as_str())),
        (None, Some(_), None) => return Err(FleetFileError::NoToken { host: name(), line }),
        (None, None, _) => None,
    };
    let mut labels = defaults.labels.clone();
    labels.extend(host.labels);
    Ok(FleetHost {
        address,
        device_id: host.device_id,
        architecture: host.arch,
        labels,
        agents,
        config,
        enrol_url,
        enrol_ca_file: own(host.enrol_ca_file, &defaults.enrol_ca_file),
        enrol_token_file,
    })
}

/// Line and column, both from 1.
fn place(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |end| end + 1);
    (line, before[start..].chars().count() + 1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, reason = "test code")]

    use super::*;

    const FILE: &str = r#"
[defaults]
user = "pi"
agents = ["bin/fleet-agent-aarch64", "/opt/fleet-agent-x86_64"]
enrol_url = "https://enrol.example:8443"
enrol_ca_file = "ca.crt"
enrol_token_folder = "tokens"
labels = { site = "lyon", tier = "edge" }

[[hosts]]
address = "robot-7"
device_id = "robot-7"
arch = "arm64"
labels = { tier = "core" }

[[hosts]]
address = "root@10.0.0.8:2222"
arch = "auto"
enrol_token_file = "eight"
"#;

    fn refused(text: &str) -> FleetFileError {
        FleetFile::parse(text).expect_err("refused")
    }

    #[test]
    fn a_host_has_its_own_and_the_rest_from_the_defaults() {
        let file = FleetFile::parse(FILE).expect("a fleet file");
        let file = file.from_folder(Path::new("/fleet"));
        let [seven, eight] = &file.hosts[..] else {
            panic!("{file:?}");
        };
        assert_eq!(seven.address.to_string(), "pi@robot-7");
        assert_eq!(seven.architecture, Some(VmArchitecture::Aarch64));
        assert_eq!(
            (&*seven.labels["site"], &*seven.labels["tier"]),
            ("lyon", "core")
        );
        let token = |host: &FleetHost| host.enrol_token_file.clone().expect("a token");
        assert_eq!(token(seven), Path::new("/fleet/tokens/robot-7"));
        assert_eq!(token(eight), Path::new("/fleet/eight"));
        assert_eq!(
            seven.agents,
            ["/fleet/bin/fleet-agent-aarch64", "/opt/fleet-agent-x86_64"].map(PathBuf::from)
        );
        assert_eq!((eight.address.port, eight.architecture), (2222, None));
    }

    #[test]
    fn what_no_fleet_file_has_is_refused_with_its_place() {
        let unknown = FILE.replace("user = \"pi\"", "usr = \"pi\"");
        let error = refused(&unknown);
        assert_eq!(error.reason(), "FleetFileInvalid");
        let text = error.to_string();
        assert!(
            text.contains("line 3, column 1") && text.contains("`usr`"),
            "{text}"
        );
        let typo = refused(&FILE.replace("address = \"robot-7\"", "adress = \"robot-7\""));
        assert!(typo.to_string().contains("line 11, column 1"), "{typo}");
        let processor = refused(&FILE.replace("arm64", "armv7l"));
        assert!(processor.to_string().contains("armv7l"), "{processor}");
        let id = refused(&FILE.replace("device_id = \"robot-7\"", "device_id = \"Robot 7\""));
        assert!(id.to_string().contains("line 12, column"), "{id}");
        assert_eq!(refused("").reason(), "FleetFileEmpty");
        assert_eq!(refused("[[hosts]").reason(), "FleetFileInvalid");
    }

    #[test]
    fn a_host_is_there_once() {
        let error = refused(&format!(
            "{FILE}\n[[hosts]]\naddress = \"ROBOT-7\"\nenrol_token_file = \"t\"\n"
        ));
        assert_eq!(error.reason(), "DuplicateHost");
        let text = error.to_string();
        assert!(
            text.contains("line 21") && text.contains("in line 10"),
            "{text}"
        );
        let error = refused(&format!(
            "{FILE}\n[[hosts]]\naddress = \"other\"\ndevice_id = \"robot-7\"\n"
        ));
        assert_eq!(error.reason(), "DuplicateDevice");
    }

    #[test]
    fn what_is_missing_is_named() {
        let cases = [
            ("user = \"pi\"\n", "AddressInvalid"),
            (
                "enrol_url = \"https://enrol.example:8443\"\n",
                "NoConfiguration",
            ),
            (
                "agents = [\"bin/fleet-agent-aarch64\", \"/opt/fleet-agent-x86_64\"]\n",
                "NoAgent",
            ),
            ("enrol_token_file = \"eight\"\n", "NoToken"),
        ];
        for (line, reason) in cases {
            let error = refused(&FILE.replace(line, ""));
            assert_eq!(error.reason(), reason, "{error}");
            assert!(error.to_string().contains("line "), "{error}");
        }
    }
}
