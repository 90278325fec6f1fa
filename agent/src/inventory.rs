//! What the machine is made of. What cannot be found out is left out.

use std::net::IpAddr;
use std::path::Path;

use fleet_contracts::payload::Inventory;

use crate::podman::PodmanInfo;

/// Reads it. `state_dir` stands in for podman's store while podman does not answer.
pub(crate) fn read(podman: Option<&PodmanInfo>, state_dir: &Path) -> Inventory {
    let system = rustix::system::uname();
    let text = |field: &std::ffi::CStr| field.to_str().ok().map(str::to_owned);
    Inventory {
        architecture: text(system.machine()),
        operating_system: operating_system(),
        kernel_version: text(system.release()),
        cpu_cores: std::thread::available_parallelism()
            .ok()
            .and_then(|n| u32::try_from(n.get()).ok()),
        memory_bytes: memory(),
        disk_bytes: disk(podman.map_or(state_dir, |p| &p.store)),
        podman_version: podman.map(|p| p.version.clone()),
        agent_version: Some(env!("CARGO_PKG_VERSION").into()),
        addresses: addresses(),
    }
}

/// os-release(5).
fn operating_system() -> Option<String> {
    let files = ["/etc/os-release", "/usr/lib/os-release"];
    let text = files.iter().find_map(|f| std::fs::read_to_string(f).ok())?;
    let field = |name: &str| {
        let line = text
            .lines()
            .find_map(|l| l.strip_prefix(name)?.strip_prefix('='))?;
        Some(line.trim_matches(['"', '\'']).to_owned())
    };
    field("PRETTY_NAME").or_else(|| field("NAME"))
}

fn memory() -> Option<i64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|l| l.strip_prefix("MemTotal:"))?;
    let kib: i64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

fn disk(path: &Path) -> Option<i64> {
    let stat = rustix::fs::statvfs(path).ok()?;
    i64::try_from(stat.f_blocks.checked_mul(stat.f_frsize)?).ok()
}

/// Interfaces of container engines, by the names these give them.
const FOREIGN: [&str; 7] = ["podman", "cni", "veth", "docker", "br-", "virbr", "flannel"];

fn addresses() -> Vec<IpAddr> {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default().into_iter();
    let mut found: Vec<_> = interfaces
        .filter(|i| !i.is_loopback() && !FOREIGN.iter().any(|f| i.name.starts_with(f)))
        .map(|i| i.ip())
        .filter(|ip| !matches!(ip, IpAddr::V6(v6) if v6.is_unicast_link_local()))
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}
