//! Containers under podman.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::fields::{
    Capability, ContainerName, EnvName, FileMode, HostPath, ImageRef, MountPath, VolumeName,
};
use super::health::HealthCheck;
use super::quantity::{Bytes, Cpus};
use crate::id::ServiceName;

/// The services of a deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(extend("x-kubernetes-validations" = [
    {"rule": "self.services.all(s, !has(s.dependsOn) || s.dependsOn.all(d, d != s.name && self.services.exists(o, o.name == d)))",
     "message": "dependsOn must name other services of this deployment"}
])))]
pub struct PodmanScore {
    /// At least one, at most 32; each name once.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 32), extend(
        "x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])))]
    pub services: Vec<Service>,
}

/// One container. Everything but `name` and `image` is optional; absent means podman's default
/// unless stated otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Service {
    /// Unique in the deployment.
    pub name: ServiceName,
    /// The image, by tag or digest.
    pub image: ImageRef,
    /// The container's name on the device. Default `<namespace>.<deployment>.<service>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_name: Option<ContainerName>,
    /// When to pull. Default `IfNotPresent`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub pull_policy: PullPolicy,
    /// Replaces the image's entrypoint.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(
        feature = "schema",
        schemars(length(max = 256), inner(length(max = 32768)))
    )]
    pub command: Vec<String>,
    /// Replaces the image's command.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(
        feature = "schema",
        schemars(length(max = 256), inner(length(max = 32768)))
    )]
    pub args: Vec<String>,
    /// Environment variables.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "schema::env"))]
    pub env: BTreeMap<EnvName, String>,
    /// The working directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub working_dir: Option<HostPath>,
    /// `user`, `uid`, `user:group` or `uid:gid`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 128)))]
    pub user: Option<String>,
    /// Ports to publish on the device.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(length(max = 128)))]
    pub ports: Vec<Port>,
    /// Volumes to mount.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(length(max = 64)))]
    pub volumes: Vec<Volume>,
    /// Files with their content given here, mounted read-only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(length(max = 32)))]
    pub files: Vec<FileContent>,
    /// How the container is connected. Default `Bridge`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub network_mode: NetworkMode,
    /// Devices of the host to pass in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(length(max = 32)))]
    pub devices: Vec<DeviceMount>,
    /// Linux capabilities.
    #[serde(default, skip_serializing_if = "is_default")]
    pub capabilities: Capabilities,
    /// Whether the container's root is read-only. Default false.
    #[serde(default, skip_serializing_if = "is_default")]
    pub read_only_root_filesystem: bool,
    /// Limits.
    #[serde(default, skip_serializing_if = "is_default")]
    pub resources: Resources,
    /// When the agent starts the container again. Default `Always`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub restart_policy: RestartPolicy,
    /// How to tell that it works. Without one, running counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<HealthCheck>,
    /// Seconds between SIGTERM and SIGKILL. Default 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 0, max = 600)))]
    pub stop_timeout_seconds: Option<u32>,
    /// Labels for the container; those of `fleet.nationtech.io` are the agent's own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "schema::labels"))]
    pub labels: BTreeMap<String, String>,
    /// Services that must run (and be healthy where they have a healthcheck) before this starts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(length(max = 32), extend("x-kubernetes-list-type" = "set")))]
    pub depends_on: Vec<ServiceName>,
}

impl Service {
    /// Seconds between SIGTERM and SIGKILL.
    pub fn stop_timeout(&self) -> u32 {
        self.stop_timeout_seconds.unwrap_or(10)
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// When to pull an image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum PullPolicy {
    /// At every change of the deployment.
    Always,
    /// When the device does not have it.
    #[default]
    IfNotPresent,
    /// Never: it must be there.
    Never,
}

/// How a container is connected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum NetworkMode {
    /// A private network with published ports.
    #[default]
    Bridge,
    /// The device's own network; `ports` are not published but still claimed.
    Host,
    /// No network but loopback.
    None,
}

/// When the agent starts a container again that ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum RestartPolicy {
    /// Whatever its exit code.
    #[default]
    Always,
    /// Unless it exited with 0.
    OnFailure,
    /// Not at all; a non-zero exit code counts as failed.
    Never,
}

/// A transport protocol.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "UPPERCASE")]
pub enum Protocol {
    /// TCP.
    #[default]
    Tcp,
    /// UDP.
    Udp,
}

/// A published port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Port {
    /// The port on the device.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 65535)))]
    pub host_port: u16,
    /// The port in the container.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 65535)))]
    pub container_port: u16,
    /// The protocol. Default TCP.
    #[serde(default, skip_serializing_if = "is_default")]
    pub protocol: Protocol,
    /// The device's address to publish on. Default: the agent's `default_host_ip`, else all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "schema::ip"))]
    pub host_ip: Option<IpAddr>,
}

/// A mounted volume. Exactly one of `named`, `bind` and `tmpfs`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(extend("x-kubernetes-validations" = [
    {"rule": "[has(self.named), has(self.bind), has(self.tmpfs)].filter(x, x).size() == 1",
     "message": "exactly one of named, bind and tmpfs must be set"}
])))]
#[serde(rename_all = "camelCase")]
pub struct Volume {
    /// Where it appears in the container.
    pub mount_path: MountPath,
    /// Whether the container may not write to it. Default false.
    #[serde(default, skip_serializing_if = "is_default")]
    pub read_only: bool,
    /// A volume kept by podman under this name; it outlives the deployment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub named: Option<VolumeName>,
    /// A directory or file of the device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bind: Option<HostPath>,
    /// Memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tmpfs: Option<TmpfsVolume>,
}

/// A volume in memory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct TmpfsVolume {
    /// The most it may hold. Default: half of the device's memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<Bytes>,
}

/// Where a volume's content comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VolumeSource<'v> {
    /// Kept by podman.
    Named(&'v VolumeName),
    /// From the device.
    Bind(&'v HostPath),
    /// Memory.
    Tmpfs(&'v TmpfsVolume),
}

impl Volume {
    /// The source, if exactly one is set.
    pub fn source(&self) -> Option<VolumeSource<'_>> {
        match (&self.named, &self.bind, &self.tmpfs) {
            (Some(name), None, None) => Some(VolumeSource::Named(name)),
            (None, Some(path), None) => Some(VolumeSource::Bind(path)),
            (None, None, Some(tmpfs)) => Some(VolumeSource::Tmpfs(tmpfs)),
            _ => None,
        }
    }
}

/// A file with its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct FileContent {
    /// Where it appears in the container.
    pub path: MountPath,
    /// What it holds, as UTF-8 text. Not for secrets: it is readable in the cluster and on the bus.
    #[cfg_attr(feature = "schema", schemars(length(max = 131_072)))]
    pub content: String,
    /// Its permission bits. Default `0644`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub mode: FileMode,
}

/// A device node of the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct DeviceMount {
    /// On the device, for example `/dev/ttyUSB0`.
    pub host_path: HostPath,
    /// In the container. Default: the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_path: Option<MountPath>,
}

/// Linux capabilities.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Capabilities {
    /// To add to podman's default set.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(length(max = 64)))]
    pub add: Vec<Capability>,
    /// To take away; `ALL` for all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(length(max = 64)))]
    pub drop: Vec<Capability>,
}

/// Limits of a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Resources {
    /// The most memory it may use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Bytes>,
    /// The most processor time it may use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpus: Option<Cpus>,
    /// The most processes it may have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 4_194_304)))]
    pub pids: Option<u32>,
}

#[cfg(feature = "schema")]
mod schema {
    use schemars::{Schema, SchemaGenerator, json_schema};

    pub(super) fn env(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "maxProperties": 256,
            "additionalProperties": {"type": "string", "maxLength": 32768},
            "x-kubernetes-validations": [{
                "rule": "self.all(k, size(k) <= 256 && k.matches('^[a-zA-Z_][a-zA-Z0-9_.-]*$'))",
                "message": "names of environment variables must be letters, digits, '_', '.', '-', not starting with a digit",
            }],
        })
    }

    pub(super) fn labels(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "maxProperties": 64,
            "additionalProperties": {"type": "string", "maxLength": 4096},
            "x-kubernetes-validations": [{
                "rule": "self.all(k, !k.startsWith('fleet.nationtech.io/'))",
                "message": "labels of fleet.nationtech.io/ are set by the agent",
            }],
        })
    }

    pub(super) fn ip(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "maxLength": 45,
            "x-kubernetes-validations": [{"rule": "isIP(self)", "message": "must be an IPv4 or IPv6 address"}],
        })
    }
}
