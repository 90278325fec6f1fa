//! What the demo does inside of a machine.

use std::path::Path;

use fleet_devices_core::VmArchitecture;
use fleet_testbed::Architecture;
use serde::Deserialize;

use super::Machines;
use crate::{Error, workload};

/// Who runs the agent there.
const AGENT: &str = "fleet-agent";
/// The demo's images, beside each other.
const VERSIONS: [&str; 2] = ["v1", "v2"];

/// A machine as `fleet-devices vm list -o json` shows it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    name: String,
    accelerator: Option<String>,
    ssh: Option<String>,
    known_hosts: Option<String>,
}

async fn shown(machines: &Machines<'_>, id: &str) -> Result<Shown, Error> {
    let list = machines.command()?.args(["vm", "list", "-o", "json"]);
    let shown: Vec<Shown> = serde_json::from_str(&list.run().await?)
        .map_err(|error| Error::Unexpected(format!("vm list -o json: {error}")))?;
    let mut shown = shown.into_iter();
    let machine = shown.find(|machine| machine.name == id);
    machine.ok_or_else(|| Error::Unexpected(format!("{id} is not in the list of machines")))
}

/// The way to a machine's SSH: its address, and the file with its host key.
pub(super) async fn way(machines: &Machines<'_>, id: &str) -> Result<(String, String), Error> {
    let machine = shown(machines, id).await?;
    let way = machine.ssh.zip(machine.known_hosts);
    way.ok_or_else(|| Error::Unexpected(format!("{id} has no address")))
}

/// What runs a machine's instructions: `KVM` or `TCG`.
///
/// # Errors
/// When it is off, or not there.
pub async fn accelerator(machines: &Machines<'_>, id: &str) -> Result<String, Error> {
    let found = shown(machines, id).await?.accelerator;
    found.ok_or_else(|| Error::Unexpected(format!("{id} is off")))
}

/// Has the agent's podman know the demo's images. Nothing is pulled: they are in no registry.
pub(super) async fn load_images(machines: &Machines<'_>, id: &str) -> Result<(), Error> {
    let busybox = busybox(machines, id).await?;
    let architecture = match machines.making.architecture {
        VmArchitecture::X86_64 => Architecture::Amd64,
        VmArchitecture::Aarch64 => Architecture::Arm64,
    };
    for version in VERSIONS {
        let archive = machines.home().join(format!("{version}.tar"));
        let web = (architecture, busybox.clone());
        fleet_testbed::write_web_archive(&archive, &workload::image(version), version, web)
            .map_err(|error| Error::Unexpected(error.to_string()))?;
        as_agent(machines, id, &["podman", "load", "--quiet"], Some(&archive)).await?;
    }
    Ok(())
}

/// The static busybox of a machine: it is for the machine's processor.
async fn busybox(machines: &Machines<'_>, id: &str) -> Result<Vec<u8>, Error> {
    let cat = ["vm", "exec", id, "--", "cat", "/bin/busybox"];
    machines.command()?.args(cat).output().await
}

/// The ids of the containers that run there.
pub(super) async fn containers(machines: &Machines<'_>, id: &str) -> Result<Vec<String>, Error> {
    let ids = as_agent(
        machines,
        id,
        &["podman", "ps", "--quiet", "--no-trunc"],
        None,
    )
    .await?;
    Ok(ids.lines().map(str::to_owned).collect())
}

/// Which boot a machine is in.
pub(super) async fn boot_id(machines: &Machines<'_>, id: &str) -> Result<String, Error> {
    let cat = [
        "vm",
        "exec",
        id,
        "--",
        "cat",
        "/proc/sys/kernel/random/boot_id",
    ];
    machines.command()?.args(cat).run().await
}

/// Runs a command as the user who runs the agent, beside that one's services.
async fn as_agent(
    machines: &Machines<'_>,
    id: &str,
    command: &[&str],
    input: Option<&Path>,
) -> Result<String, Error> {
    let number = ["vm", "exec", id, "--", "id", "-u", AGENT];
    let number = machines.command()?.args(number).run().await?;
    let runtime = format!("XDG_RUNTIME_DIR=/run/user/{number}");
    let exec = ["vm", "exec", id, "--root", "--stdin", "--", "runuser"];
    let beside = ["-u", AGENT, "--", "env", "-C", "/", runtime.as_str()];
    let words = exec.iter().chain(&beside).chain(command).copied();
    let command = machines.command()?.args(words);
    let command = match input {
        Some(input) => command.input(input),
        None => command,
    };
    command.run().await
}
