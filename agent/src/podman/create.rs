//! From a service to podman's container specification.

use std::collections::BTreeMap;
use std::path::PathBuf;

use fleet_agent_core::{ContainerId, DesiredService};
use fleet_contracts::DeviceId;
use fleet_contracts::score::{
    FileContent, NetworkMode, Port, Protocol, Resources, Service, Volume, VolumeSource,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::client::{Podman, SLOW, parse};
use super::error::PodmanError;
use super::list::labels;

/// What this device adds to a service.
#[derive(Debug, Clone)]
pub(crate) struct CreateOptions {
    /// The device.
    pub(crate) device: DeviceId,
    /// Limits to set, if podman's own will not do.
    pub(crate) ulimits: BTreeMap<String, [u64; 2]>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Created {
    id: Box<str>,
}

impl Podman {
    /// Creates a container; `files` are where its inline files lie on the device, in order.
    pub(crate) async fn create(
        &self,
        service: &DesiredService,
        files: &[PathBuf],
        options: &CreateOptions,
    ) -> Result<ContainerId, PodmanError> {
        let path = "/containers/create";
        let body = specification(service, files, options).to_string();
        let created: Created = parse(path, &self.post(path, body.into(), SLOW).await?)?;
        Ok(ContainerId(created.id))
    }
}

/// Fields that are not asked for are left out: podman's default then holds.
fn specification(desired: &DesiredService, files: &[PathBuf], options: &CreateOptions) -> Value {
    let service = &desired.spec;
    let mut spec = Map::new();
    let mut set = |name: &str, value: Value| drop(spec.insert(name.into(), value));
    set("name", json!(desired.container_name));
    set("image", json!(service.image));
    set("labels", json!(all_labels(desired, options)));
    set("stop_timeout", json!(service.stop_timeout()));
    // The agent restarts and checks by itself; podman's timers would need systemd.
    set("restart_policy", json!("no"));
    set("healthconfig", json!({"Test": ["NONE"]}));
    if !service.command.is_empty() {
        set("entrypoint", json!(service.command));
    }
    if !service.args.is_empty() || !service.command.is_empty() {
        set("command", json!(service.args));
    }
    if !service.env.is_empty() {
        set("env", json!(service.env));
    }
    if let Some(dir) = &service.working_dir {
        set("work_dir", json!(dir));
    }
    if let Some(user) = &service.user {
        set("user", json!(user));
    }
    match service.network_mode {
        NetworkMode::Bridge => set("portmappings", ports(desired)),
        NetworkMode::Host => set("netns", json!({"nsmode": "host"})),
        NetworkMode::None => set("netns", json!({"nsmode": "none"})),
    }
    set("mounts", mounts(service, files));
    set("volumes", named_volumes(service));
    security(service, &mut set);
    set("resource_limits", limits(&service.resources));
    if !options.ulimits.is_empty() {
        let limit = |(name, [soft, hard]): (&String, &[u64; 2])| json!({"type": name, "soft": soft, "hard": hard});
        set("r_limits", options.ulimits.iter().map(limit).collect());
    }
    Value::Object(spec)
}

fn security(service: &Service, set: &mut impl FnMut(&str, Value)) {
    let capabilities = &service.capabilities;
    if !capabilities.add.is_empty() {
        set("cap_add", json!(capabilities.add));
    }
    if !capabilities.drop.is_empty() {
        set("cap_drop", json!(capabilities.drop));
    }
    if service.read_only_root_filesystem {
        set("read_only_filesystem", json!(true));
    }
    if !service.devices.is_empty() {
        // podman splits host and container path at the colon itself.
        let path = |d: &fleet_contracts::score::DeviceMount| match &d.container_path {
            Some(inside) => json!({"path": format!("{}:{inside}", d.host_path)}),
            None => json!({"path": d.host_path}),
        };
        set("devices", service.devices.iter().map(path).collect());
    }
}

fn all_labels(desired: &DesiredService, options: &CreateOptions) -> BTreeMap<String, String> {
    let ours = [
        (labels::DEVICE, options.device.to_string()),
        (labels::DEPLOYMENT, desired.key.deployment.to_string()),
        (labels::SERVICE, desired.key.service.to_string()),
        (labels::REVISION, desired.revision.to_string()),
        (labels::HASH, desired.hash.to_string()),
    ];
    let theirs = desired
        .spec
        .labels
        .iter()
        .map(|(k, v)| (k.clone(), v.clone()));
    theirs.chain(ours.map(|(k, v)| (k.to_owned(), v))).collect()
}

fn ports(desired: &DesiredService) -> Value {
    let mapping = |port: &Port| {
        let ip = port
            .host_ip
            .or(desired.default_host_ip)
            .map(|ip| ip.to_string());
        let protocol = match port.protocol {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        };
        json!({
            "container_port": port.container_port,
            "host_port": port.host_port,
            "host_ip": ip.unwrap_or_default(),
            "protocol": protocol,
        })
    };
    desired.spec.ports.iter().map(mapping).collect()
}

fn access(read_only: bool) -> &'static str {
    if read_only { "ro" } else { "rw" }
}

fn mounts(service: &Service, files: &[PathBuf]) -> Value {
    let volume = |v: &Volume| match v.source()? {
        VolumeSource::Named(_) => None,
        VolumeSource::Bind(source) => Some(json!({
            "type": "bind", "source": source, "destination": v.mount_path,
            "options": ["rbind", access(v.read_only)],
        })),
        VolumeSource::Tmpfs(tmpfs) => {
            let mut options = vec![access(v.read_only).to_owned()];
            options.extend(tmpfs.size.as_ref().map(|s| format!("size={}", s.bytes())));
            Some(json!({"type": "tmpfs", "destination": v.mount_path, "options": options}))
        }
    };
    let file = |(file, source): (&FileContent, &PathBuf)| json!({"type": "bind", "source": source, "destination": file.path, "options": ["bind", "ro"]});
    let volumes = service.volumes.iter().filter_map(volume);
    volumes
        .chain(service.files.iter().zip(files).map(file))
        .collect()
}

fn named_volumes(service: &Service) -> Value {
    let named = |v: &Volume| match v.source() {
        Some(VolumeSource::Named(name)) => {
            Some(json!({"Name": name, "Dest": v.mount_path, "Options": [access(v.read_only)]}))
        }
        _ => None,
    };
    service.volumes.iter().filter_map(named).collect()
}

/// The period of the kernel's CPU quota, in microseconds; its default.
const CPU_PERIOD: u64 = 100_000;

fn limits(resources: &Resources) -> Value {
    let mut limits = Map::new();
    if let Some(memory) = &resources.memory {
        limits.insert("memory".into(), json!({"limit": memory.bytes()}));
    }
    if let Some(cpus) = &resources.cpus {
        let quota = cpus.millis() * CPU_PERIOD / 1000;
        limits.insert("cpu".into(), json!({"quota": quota, "period": CPU_PERIOD}));
    }
    if let Some(pids) = resources.pids {
        limits.insert("pids".into(), json!({"limit": pids}));
    }
    Value::Object(limits)
}
