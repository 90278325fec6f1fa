//! What there is: containers, versions, addresses.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use bytes::Bytes;
use fleet_agent_core::{Container, ContainerId, Observed, RunState, ServiceKey};
use fleet_contracts::DeviceId;
use fleet_contracts::score::Protocol;
use hyper::Method;
use serde::Deserialize;
use serde_json::json;

use super::client::{Podman, SLOW, STOPPING, escape};
use super::error::PodmanError;

/// The labels that make a container ours.
pub(crate) mod labels {
    /// The device it runs for: several agents may share one podman.
    pub(crate) const DEVICE: &str = "fleet.nationtech.io/device";
    /// `<namespace>.<name>`.
    pub(crate) const DEPLOYMENT: &str = "fleet.nationtech.io/deployment";
    /// The service.
    pub(crate) const SERVICE: &str = "fleet.nationtech.io/service";
    /// The deployment's revision when the container was created; for people.
    pub(crate) const REVISION: &str = "fleet.nationtech.io/revision";
    /// The service's hash: decides whether the container is stale.
    pub(crate) const HASH: &str = "fleet.nationtech.io/service-hash";
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    id: Box<str>,
    #[serde(default)]
    names: Option<Vec<String>>,
    #[serde(default)]
    labels: Option<BTreeMap<String, String>>,
    state: String,
    #[serde(default)]
    exit_code: i32,
    #[serde(default)]
    started_at: i64,
    #[serde(default)]
    ports: Option<Vec<ListedPort>>,
}

#[derive(Deserialize)]
struct ListedPort {
    #[serde(default)]
    host_ip: String,
    host_port: u16,
    #[serde(default)]
    range: u16,
    #[serde(default)]
    protocol: String,
}

impl ListedPort {
    fn expand(&self) -> impl Iterator<Item = (Protocol, u16, Option<IpAddr>)> {
        let protocol = if self.protocol.contains("udp") {
            Protocol::Udp
        } else {
            Protocol::Tcp
        };
        let (first, ip) = (self.host_port, self.host_ip.parse().ok());
        (0..self.range.max(1)).map(move |i| (protocol, first.saturating_add(i), ip))
    }
}

impl Listed {
    fn container(self) -> Option<(ContainerId, Container)> {
        let labels = self.labels?;
        let key = ServiceKey {
            deployment: labels.get(labels::DEPLOYMENT)?.parse().ok()?,
            service: labels.get(labels::SERVICE)?.parse().ok()?,
        };
        let state = match self.state.as_str() {
            "running" => RunState::Running {
                started: self.started_at,
            },
            "created" | "configured" | "initialized" => RunState::Created,
            "paused" => RunState::Paused,
            "exited" | "stopped" => RunState::Exited {
                code: self.exit_code,
            },
            _ => RunState::Other,
        };
        let container = Container {
            key,
            hash: labels.get(labels::HASH).and_then(|h| h.parse().ok()),
            name: self
                .names
                .and_then(|n| n.into_iter().next())
                .unwrap_or_default(),
            state,
            ports: self
                .ports
                .unwrap_or_default()
                .iter()
                .flat_map(ListedPort::expand)
                .collect(),
        };
        Some((ContainerId(self.id), container))
    }
}

/// What podman says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PodmanInfo {
    /// Its version.
    pub(crate) version: String,
    /// Where images and containers are.
    pub(crate) store: PathBuf,
}

#[derive(Deserialize)]
struct Info {
    version: Version,
    store: Store,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Version {
    version: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Store {
    graph_root: PathBuf,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inspected {
    network_settings: Networked,
}

#[derive(Deserialize)]
struct Networked {
    #[serde(rename = "IPAddress", default)]
    ip_address: String,
    #[serde(rename = "Networks", default)]
    networks: Option<BTreeMap<String, Address>>,
}

#[derive(Deserialize)]
struct Address {
    #[serde(rename = "IPAddress", default)]
    ip_address: String,
}

impl Podman {
    /// All containers with this device's label, in whatever state.
    pub(crate) async fn list(&self, device: &DeviceId) -> Result<Observed, PodmanError> {
        let filter = json!({"label": [format!("{}={device}", labels::DEVICE)]}).to_string();
        let path = format!("/containers/json?all=true&filters={}", escape(&filter));
        let listed: Option<Vec<Listed>> = self.get(&path).await?;
        let listed = listed.unwrap_or_default().into_iter();
        Ok(Observed {
            containers: listed.filter_map(Listed::container).collect(),
        })
    }

    /// Starts a container; one that runs already is left alone.
    pub(crate) async fn start(&self, id: &ContainerId) -> Result<(), PodmanError> {
        self.post(&format!("/containers/{}/start", id.0), Bytes::new(), SLOW)
            .await
            .map(drop)
    }

    /// Thaws a container.
    pub(crate) async fn unpause(&self, id: &ContainerId) -> Result<(), PodmanError> {
        self.post(&format!("/containers/{}/unpause", id.0), Bytes::new(), SLOW)
            .await
            .map(drop)
    }

    /// Stops a container within the time it was created with, and removes it with its anonymous
    /// volumes; one that is gone is fine.
    pub(crate) async fn remove(&self, id: &ContainerId) -> Result<(), PodmanError> {
        let path = format!("/containers/{}?force=true&v=true", id.0);
        match self
            .call(Method::DELETE, &path, Bytes::new(), STOPPING)
            .await
        {
            Err(e) if !e.is_gone() => Err(e),
            _ => Ok(()),
        }
    }

    /// What podman says about itself.
    pub(crate) async fn info(&self) -> Result<PodmanInfo, PodmanError> {
        let info: Info = self.get("/info").await?;
        Ok(PodmanInfo {
            version: info.version.version,
            store: info.store.graph_root,
        })
    }

    /// The address of a container on its bridge.
    pub(crate) async fn address(&self, id: &ContainerId) -> Result<Option<IpAddr>, PodmanError> {
        let inspected: Inspected = self.get(&format!("/containers/{}/json", id.0)).await?;
        let settings = inspected.network_settings;
        let networks = settings.networks.unwrap_or_default();
        let mut all = networks
            .values()
            .map(|n| &n.ip_address)
            .chain([&settings.ip_address]);
        Ok(all.find_map(|text| text.parse().ok()))
    }
}
