//! The machine under a device: either namespaces of its own, or plain folders on the host.
//!
//! With root a device is a set of namespaces (processes, mounts, network) below one first process.
//! Killing that process is a power cut: the kernel ends everything in it, and takes its mounts,
//! interfaces and packet filter rules along. `/run` and `/dev/shm` are the machine's own and in
//! memory, so they are as empty after a reboot as on a real one; podman's store, in the testbed's
//! folder, stays.
//!
//! Without root, podman runs rootless on the host, with a store of its own and a loopback address
//! of its own for published ports.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::journal::{Entry, Journal, JournalError};
use crate::network::{self, Bridge, NetworkError};
use crate::process::{ProcessError, Service, Signalled, Spec};
use crate::procfs;

/// Making namespaces takes milliseconds; this is for a machine under load.
const BOOT_TIME: Duration = Duration::from_secs(30);

/// Where podman keeps what it downloads until it is complete.
pub(super) const TEMPORARY: &str = "/run/tmp";

/// Numbers of capabilities(7).
const CAP_NET_ADMIN: u32 = 12;
const CAP_SYS_ADMIN: u32 = 21;

/// What the machine's first process does: it mounts what a boot mounts and then only reaps, because
/// conmon and the containers become its children.
const INIT: &str = r"
set -e
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/netns /run/lock /run/tmp
mount -t tmpfs tmpfs /dev/shm
# podman keeps a cache of image layers there, whatever its --root.
if [ -d /var/lib/containers ]; then mount -t tmpfs tmpfs /var/lib/containers; fi
ip link set lo up
sysctl -q -w net.ipv4.ip_forward=1 2>/dev/null || echo 1 > /proc/sys/net/ipv4/ip_forward
";
/// The end of it.
const REAP: &str = r"
echo booted
while :; do sleep 3600 & wait $!; done
";

/// Why a machine did not come up.
#[derive(Debug, thiserror::Error)]
pub enum MachineError {
    /// Its first process did not start.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// It could not be connected.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// It could not be recorded.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A rootless device has no disk of its own.
    #[error("a device has a disk of its own only with root")]
    NoDisk,
    /// The first process has no child to enter.
    #[error("the machine {0} has no first process; its log says why")]
    NoInit(String),
}

/// Where a device's processes run.
#[derive(Debug)]
pub(crate) enum Machine {
    /// Namespaces of its own (root).
    Namespaces(Box<Namespaces>),
    /// The host's namespaces, with an own loopback address (rootless).
    Host { ip: Ipv4Addr },
}

/// What a machine's first process does beyond what every machine needs.
#[derive(Debug, Default)]
pub(crate) struct Boot {
    /// Shell commands; any that fails ends the boot.
    pub(crate) script: &'static str,
    /// Their `$1`, `$2`, ...
    pub(crate) args: Vec<PathBuf>,
}

/// A machine in namespaces of its own.
#[derive(Debug)]
pub(crate) struct Namespaces {
    bridge: Bridge,
    number: u8,
    init: Service,
    journal: Journal,
}

impl Machine {
    /// A machine on `bridge`. Not booted yet.
    pub(crate) fn on_bridge(
        id: &str,
        number: u8,
        bridge: Bridge,
        logs: &Path,
        journal: &Journal,
    ) -> Self {
        Self::with_boot(id, number, bridge, logs, journal, &Boot::default())
    }

    /// The same, and its first process does more.
    pub(crate) fn with_boot(
        id: &str,
        number: u8,
        bridge: Bridge,
        logs: &Path,
        journal: &Journal,
        boot: &Boot,
    ) -> Self {
        let spec = Spec::new(format!("{id}-machine"), "unshare", logs)
            .args([
                "--mount",
                "--net",
                "--pid",
                "--fork",
                "--kill-child",
                "--mount-proc",
            ])
            .args(["sh", "-c", &[INIT, boot.script, REAP].concat(), id])
            .args(&boot.args);
        let init = Service::new(spec, journal.clone());
        Self::Namespaces(Box::new(Namespaces {
            bridge,
            number,
            init,
            journal: journal.clone(),
        }))
    }

    /// The address at which the device's published ports answer.
    pub(crate) fn ip(&self) -> IpAddr {
        IpAddr::V4(match self {
            Self::Namespaces(machine) => machine.bridge.device_ip(machine.number),
            Self::Host { ip } => *ip,
        })
    }

    /// Boots it.
    pub(crate) async fn boot(&self) -> Result<(), MachineError> {
        let Self::Namespaces(machine) = self else {
            return Ok(());
        };
        let boots = || machine.init.log().matches("booted\n").count();
        let before = boots();
        machine.init.spawn()?;
        machine
            .init
            .wait_ready(BOOT_TIME, || async { boots() > before })
            .await?;
        let (bridge, number, journal) = (
            machine.bridge.clone(),
            machine.number,
            machine.journal.clone(),
        );
        let init = machine.init_pid()?;
        // Once it is gone, so is all of the machine; the clean-up waits for those it knows.
        if let Some(start) = procfs::start_time(init) {
            let name = machine.init.name().replace("-machine", "-init");
            let pid = init;
            journal.write(&Entry::Process { name, pid, start })?;
        }
        bridge.attach(number, init, &journal)?;
        Ok(())
    }

    /// Cuts the power.
    pub(crate) async fn cut_power(&self) -> Result<(), MachineError> {
        let Self::Namespaces(machine) = self else {
            return Ok(());
        };
        let init = machine.init_pid().ok();
        machine.init.kill().await?;
        if let Some(init) = init {
            let gone = || async { !Path::new(&format!("/proc/{init}")).exists() };
            crate::wait::until(BOOT_TIME, gone).await;
        }
        Ok(())
    }

    /// The command line that runs `spec` in this machine. With all namespaces it becomes part of
    /// the machine; its process id on the host is that of a child of the recorded process.
    pub(crate) fn inside(&self, spec: Spec, part: Part) -> Result<Spec, MachineError> {
        let Self::Namespaces(machine) = self else {
            return Ok(spec);
        };
        let init = machine.init_pid()?;
        let mut namespaces = vec![format!("--net=/proc/{init}/ns/net").into()];
        if part == Part::Whole {
            namespaces.push(format!("--mount=/proc/{init}/ns/mnt").into());
            namespaces.push(format!("--pid=/proc/{init}/ns/pid").into());
        }
        namespaces.extend(["--".into(), spec.program.clone().into_os_string()]);
        namespaces.extend(spec.args.iter().cloned());
        let signalled = match part {
            Part::Whole => Signalled::Child,
            Part::Network => Signalled::Itself,
        };
        Ok(Spec {
            program: "nsenter".into(),
            args: namespaces,
            signalled,
            ..spec
        })
    }

    /// Fills the disk that pulled images pass through, or frees it again.
    pub(crate) fn set_disk(&self, disk: Disk) -> Result<(), MachineError> {
        let Self::Namespaces(machine) = self else {
            return Err(MachineError::NoDisk);
        };
        let mounts = format!("--mount=/proc/{}/ns/mnt", machine.init_pid()?);
        let command: &[&str] = match disk {
            // One page, over the folder that is there.
            Disk::Full => &["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", TEMPORARY],
            Disk::Free => &["umount", TEMPORARY],
        };
        network::run("nsenter", &[&[mounts.as_str(), "--"], command].concat())?;
        Ok(())
    }

    /// Runs a command that changes the machine's network.
    pub(crate) fn in_network(&self, command: &[&str]) -> Result<(), MachineError> {
        let Self::Namespaces(machine) = self else {
            return Ok(());
        };
        let namespace = format!("--net=/proc/{}/ns/net", machine.init_pid()?);
        network::run("nsenter", &[&[namespace.as_str(), "--"], command].concat())?;
        Ok(())
    }

    /// The network, if it is the machine's own.
    pub(crate) fn cable(&self) -> Option<(&Bridge, u8)> {
        match self {
            Self::Namespaces(machine) => Some((&machine.bridge, machine.number)),
            Self::Host { .. } => None,
        }
    }
}

/// Whether there is room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Disk {
    Free,
    Full,
}

/// How much of the machine a process enters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// All namespaces: the process dies with the machine.
    Whole,
    /// The network only, so that the process has its recorded id and sees the host's `/proc`.
    Network,
}

impl Namespaces {
    fn init_pid(&self) -> Result<u32, MachineError> {
        let no_init = || MachineError::NoInit(self.init.name());
        self.init
            .pid()
            .and_then(procfs::first_child)
            .ok_or_else(no_init)
    }
}

/// A loopback address for a rootless device.
pub(crate) fn loopback(bed: [u8; 2], number: u8) -> Ipv4Addr {
    let [high, low] = bed;
    // The upper half of 127/8, away from what distributions put there (127.0.x.y).
    Ipv4Addr::new(127, high | 0x80, low, number.saturating_add(10))
}

/// Whether this process may make namespaces and interfaces: it is root, with the capabilities for
/// both, and not in a user namespace that only looks like it.
pub(crate) fn may_make_machines() -> bool {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let is_whole = map.split_whitespace().eq(["0", "0", "4294967295"]);
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let effective = effective.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok());
    let needed = (1 << CAP_NET_ADMIN) | (1 << CAP_SYS_ADMIN);
    is_whole && effective.is_some_and(|bits| bits & needed == needed)
}
