use std::ffi::OsString;
use std::fs;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use fleet_devices_core::vm::qemu::{arguments_of, is_machine_of};
use fleet_devices_core::vm::{HostFacts, VmFolder, VmName};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::super::error::VmError;

/// How long a process that was killed may take to be gone: its memory is given back first.
const GONE_WITHIN: Duration = Duration::from_secs(60);

/// The process of a machine. What is done to it is done by its descriptor, which never means another one.
pub(super) struct Process {
    pid: Pid,
    descriptor: OwnedFd,
    /// What it was started with.
    pub(super) arguments: Vec<String>,
}

impl Process {
    /// The one that runs the machine of this folder; `None` while it is off.
    pub(super) fn of(folder: &VmFolder) -> Result<Option<Self>, VmError> {
        let pidfile: &Path = folder.pidfile.as_ref();
        let text = match fs::read_to_string(pidfile) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(VmError::file("read", pidfile)(error)),
        };
        let pid = text.trim().parse().ok().and_then(Pid::from_raw);
        let Some(pid) = pid else {
            return Ok(None);
        };
        // First the descriptor, then the look: whoever gets the number in between is not looked at.
        let descriptor = match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(descriptor) => descriptor,
            Err(Errno::SRCH) => return Ok(None),
            Err(error) => return Err(VmError::file("open the process of", pidfile)(error.into())),
        };
        let line = format!("/proc/{}/cmdline", pid.as_raw_nonzero());
        // One that is gone by now has none.
        let line = fs::read(line).unwrap_or_default();
        if !is_machine_of(&folder.pidfile, &line) {
            return Ok(None);
        }
        Ok(Some(Self {
            pid,
            descriptor,
            arguments: arguments_of(&line),
        }))
    }

    /// Whether it is gone within this time.
    pub(super) async fn ends_within(&self, within: Duration) -> Result<bool, VmError> {
        let descriptor = self.descriptor.try_clone();
        let descriptor = descriptor.map_err(VmError::file("wait for", Path::new("a process")))?;
        let waited = tokio::task::spawn_blocking(move || {
            let mut watched = [PollFd::new(&descriptor, PollFlags::IN)];
            let within = Timespec::try_from(within).ok();
            poll(&mut watched, within.as_ref())
        });
        let ended = waited.await.unwrap_or(Ok(0));
        // A signal interrupts a wait; what is left of it is not worth another one.
        Ok(ended.is_ok_and(|ended| ended > 0))
    }

    /// Cuts the machine's power.
    pub(super) async fn kill(self, name: &VmName) -> Result<(), VmError> {
        match pidfd_send_signal(&self.descriptor, Signal::KILL) {
            Ok(()) | Err(Errno::SRCH) => {}
            Err(error) => {
                let path = format!("/proc/{}", self.pid.as_raw_nonzero());
                return Err(VmError::file("end", Path::new(&path))(error.into()));
            }
        }
        if self.ends_within(GONE_WITHIN).await? {
            return Ok(());
        }
        Err(VmError::StillThere {
            name: name.to_string(),
            pid: self.pid.as_raw_nonzero().get(),
        })
    }
}

/// Starts QEMU. It looks at all that it is given, starts the guest, and comes back.
pub(super) async fn start(
    name: &VmName,
    facts: &HostFacts,
    arguments: &[String],
) -> Result<(), VmError> {
    let program = facts.emulator.to_string();
    let mut command = tokio::process::Command::new(&program);
    command.args(arguments).env("LC_ALL", "C");
    // It lives long, and what is ours there may be passwords.
    let ours = |name: &OsString| name.as_encoded_bytes().starts_with(b"FLEET_");
    for name in std::env::vars_os().map(|(name, _)| name).filter(ours) {
        command.env_remove(name);
    }
    let output = command.stdin(Stdio::null()).output();
    let output = output.await.map_err(|source| VmError::Start {
        program: program.clone(),
        source,
    })?;
    if output.status.success() {
        return Ok(());
    }
    let told = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    if told.contains("host forwarding rule") {
        let name = name.to_string();
        return Err(VmError::PortTaken { name, told });
    }
    Err(VmError::Failed {
        program,
        what: format!("start {name}"),
        told,
    })
}
