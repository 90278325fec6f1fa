use std::path::Path;
use std::time::{Duration, Instant};

use fleet_devices_core::vm::preflight::{Backend, Wanted};
use fleet_devices_core::vm::{
    Accelerator, AdminUser, AuthorizedKey, DiskCache, VmName, VmSpec, boot_budget,
};
use fleet_output::tell;

use super::Failure;
use super::args::{CreateArgs, PowerCycleArgs, WaitArgs};
use crate::cli::image;
use crate::cli::shown::Lines;
use crate::host::Outcome;
use crate::image::ImagePlace;
use crate::key_pair;
use crate::preflight;
use crate::setup::Progress as _;
use crate::vm::{
    BootPhase, BootProgress, Folders, ImageProblem, Intent, Login, VirtualMachineHost, VmError,
    VmWay, hash_password, wait_until_up,
};

/// Others on this machine can read a command line.
const ADMIN_PASSWORD: &str = "FLEET_VM_ADMIN_PASSWORD";
/// What a machine writes until somebody can log in, and some more: 1 GiB.
const ROOM: u64 = 1 << 30;

pub(super) async fn create<H: VirtualMachineHost>(
    host: &H,
    backend: Backend,
    folders: &Folders,
    args: &CreateArgs,
) -> Result<(), Failure> {
    let intent = if args.plan {
        Intent::Plan
    } else {
        Intent::Carry
    };
    require(backend, folders, args).await?;
    let architecture = args.arch.resolved();
    let what = format!("machine {}", args.name);
    let lines = Lines::of(args.name.as_str());
    let image = if args.plan {
        match image::place(&args.image, architecture, &args.verified).await? {
            ImagePlace::Here(path) => path,
            // How large its disk has to be is known when it is here.
            ImagePlace::At(url) => {
                let planned = vec![format!("+ its image, from {url}"), format!("+ {what}")];
                lines.ended(&what, &Outcome::Planned(planned));
                return Ok(());
            }
        }
    } else {
        image::fetched(&args.image, architecture, &args.verified).await?
    };
    let spec = spec(folders, args, &image, intent)?;
    lines.begins(&what);
    let outcome = host.ensure(&spec, intent).await?;
    lines.ended(&what, &outcome);
    if args.plan {
        return Ok(());
    }
    up(host, folders, &args.name, args.wait).await
}

pub(super) async fn power_cycle<H: VirtualMachineHost>(
    host: &H,
    folders: &Folders,
    args: &PowerCycleArgs,
) -> Result<(), Failure> {
    host.power_cycle(&args.name).await?;
    tell(format!("{:<10} the power of {}\n", "cycled", args.name))?;
    up(host, folders, &args.name, args.wait).await
}

/// Refuses before anything is made where something is missing, and warns of what could be better.
async fn require(backend: Backend, folders: &Folders, args: &CreateArgs) -> Result<(), Failure> {
    let wanted = Wanted {
        architecture: args.arch.resolved(),
        backend,
        disk_bytes: ROOM,
    };
    for check in preflight::require(&wanted, &folders.machines()).await? {
        eprintln!("warning    {}: {}", check.name, check.says);
    }
    Ok(())
}

/// Waits, and says how to go on.
async fn up<H: VirtualMachineHost>(
    host: &H,
    folders: &Folders,
    name: &VmName,
    wait: WaitArgs,
) -> Result<(), Failure> {
    let info = host.info(name).await?;
    let identity = folders.identity();
    if wait.no_wait {
        return Ok(());
    }
    // One that is off already has none; the wait says so.
    let accelerator = info.accelerator.unwrap_or(Accelerator::Tcg);
    let within = match wait.timeout {
        Some(seconds) => Duration::from_secs(seconds),
        None => boot_budget(info.architecture, accelerator),
    };
    eprintln!(
        "  ...        {name} starts by {accelerator}, and may take {} s",
        within.as_secs()
    );
    let login = Login { identity, within };
    let way = wait_until_up(host, name, &login, &mut Phases::default()).await?;
    Ok(tell(format!(
        "\n{name} is up. To log in:\n  {}\n\
         To make a device of it, with an agent for {} and how it enrols:\n  {}\n",
        ssh(&way, &login),
        info.architecture,
        setup(&way, &login)
    ))?)
}

fn ssh(way: &VmWay, login: &Login) -> String {
    let address = &way.address;
    let known_hosts = format!("UserKnownHostsFile={}", way.known_hosts.display());
    line(&[
        "ssh",
        "-i",
        &login.identity.to_string_lossy(),
        "-o",
        &known_hosts,
        "-p",
        &address.port.to_string(),
        &format!("{}@{}", address.user, address.host),
    ])
}

fn setup(way: &VmWay, login: &Login) -> String {
    let known = line(&[
        "fleet-devices",
        "setup",
        "--host",
        &way.address.to_string(),
        "--identity",
        &login.identity.to_string_lossy(),
        "--known-hosts",
        &way.known_hosts.to_string_lossy(),
    ]);
    format!("{known} --agent FILE --enrol-url URL --enrol-token-file FILE")
}

/// As a shell takes it apart into these words again.
fn line(words: &[&str]) -> String {
    let quoted = words.iter().map(|word| quoted(word));
    quoted.collect::<Vec<_>>().join(" ")
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@=,+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

fn spec(
    folders: &Folders,
    args: &CreateArgs,
    image: &Path,
    intent: Intent,
) -> Result<VmSpec, Failure> {
    let identity = folders.identity();
    let ours = if intent == Intent::Plan && !identity.exists() {
        key_pair::throwaway()?
    } else {
        key_pair::ensure(&identity)?
    };
    let mut keys = vec![parse_key(&identity, &ours)?];
    for path in &args.ssh_keys {
        let text = std::fs::read_to_string(path).map_err(|error| Failure::PublicKey {
            path: path.clone(),
            told: error.to_string(),
        })?;
        keys.push(parse_key(path, &text)?);
    }
    let password = match std::env::var(ADMIN_PASSWORD) {
        Ok(password) => Some(hash_password(&args.name, &password)?),
        Err(_) => None,
    };
    // Another one of the same file, by another way to it, would be another image.
    let image = std::fs::canonicalize(image).map_err(|error| VmError::Image {
        path: image.to_owned(),
        problem: ImageProblem::Unreadable(error.to_string()),
    })?;
    let image = image.to_string_lossy().parse().map_err(VmError::from)?;
    Ok(VmSpec {
        name: args.name.clone(),
        architecture: args.arch.resolved(),
        vcpus: args.cpus,
        memory_mib: args.memory,
        disk_gib: args.disk,
        disk_cache: DiskCache::Writeback,
        image: Some(image),
        ssh_port: args.ssh_port,
        forwards: args.forwards.clone(),
        admin: AdminUser::new(keys, password)?,
    })
}

fn parse_key(path: &Path, text: &str) -> Result<AuthorizedKey, Failure> {
    text.parse().map_err(
        |error: fleet_devices_core::vm::CredentialError| Failure::PublicKey {
            path: path.to_owned(),
            told: error.to_string(),
        },
    )
}

/// Lines for people on standard error, one for each thing that is over.
struct Phases {
    since: Instant,
}

impl Default for Phases {
    fn default() -> Self {
        Self {
            since: Instant::now(),
        }
    }
}

impl BootProgress for Phases {
    fn reached(&mut self, phase: BootPhase, after: Duration) {
        let took = self.since.elapsed().as_secs_f64();
        self.since = Instant::now();
        // With QEMU's own network it is known before the start.
        if phase == BootPhase::Address && took < 1.0 {
            return;
        }
        eprintln!(
            "{:<10} {}  ({took:.1} s; {:.0} s in all)",
            "there",
            phase.describe(),
            after.as_secs_f64()
        );
    }

    fn waits(&mut self, phase: BootPhase, after: Duration, console: Option<&str>) {
        let said = console.map_or_else(String::new, |line| {
            let line: String = line.trim().chars().take(70).collect();
            format!("; its console says: {line}")
        });
        let (phase, after) = (phase.describe(), after.as_secs());
        eprintln!("  ...        {after} s, waits for {phase}{said}");
    }

    fn degraded(&mut self, told: &str) {
        eprintln!("warning    cloud-init is done, but not all went well: {told}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_to_copy_are_taken_apart_as_they_were_put_together() {
        let words = [
            "ssh",
            "-p",
            "2222",
            "/home/jo's files/key",
            "",
            "a@b:1",
            "$x",
        ];
        let shown = line(&words);
        assert_eq!(
            shown,
            r"ssh -p 2222 '/home/jo'\''s files/key' '' a@b:1 '$x'"
        );
    }
}
