//! A disk that is slow for one program. strace (Debian: `strace`) holds each of its system calls that
//! wait for a disk for so long; the program itself knows nothing of it, and goes on at full speed
//! once strace ends.

use std::io;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::journal::Journal;
use crate::process::{ProcessError, Service, Spec};

/// How long strace may take to stop every thread of the program for a moment.
const ATTACHES_WITHIN: Duration = Duration::from_secs(10);
/// What etcd and NATS wait for: the log of the one is synchronized, the files of streams of the
/// other are written at a place.
const CALLS: &str = "fsync,fdatasync,pwrite64";
/// What strace prints of a call that it held.
const HELD: &str = "(DELAYED)";

/// A slow disk; dropping it gives the program its own one back.
#[derive(Debug)]
pub struct SlowDisk {
    strace: Service,
}

impl SlowDisk {
    /// Every call of the program takes so much longer from now on.
    pub(crate) async fn under(
        program: &Service,
        delay: Duration,
        logs: &Path,
        journal: Journal,
    ) -> Result<Self, ProcessError> {
        let name = format!("slow-disk-{}-{:08x}", program.name(), fastrand::u32(..));
        let pid = program.pid().ok_or_else(|| ProcessError::Start {
            name: name.clone(),
            program: "strace".into(),
            source: io::Error::new(io::ErrorKind::NotFound, "the program does not run"),
        })?;
        let inject = format!("{CALLS}:delay_exit={}", delay.as_micros());
        let spec = Spec::new(name, "strace", logs)
            .args(["-f", "-p", &pid.to_string()])
            .args(["-e", &format!("trace={CALLS}")])
            .args(["-e", &format!("inject={inject}")]);
        let strace = Service::new(spec, journal);
        strace.spawn()?;
        let disk = Self { strace };
        let attached = || async { disk.strace.log().contains("attached") };
        disk.strace.wait_ready(ATTACHES_WITHIN, attached).await?;
        Ok(disk)
    }

    /// How many calls have been held so far.
    pub fn held(&self) -> usize {
        self.strace.log().matches(HELD).count()
    }

    /// The program has its own disk back.
    ///
    /// # Errors
    /// When strace does not end.
    pub async fn end(self) -> Result<(), ProcessError> {
        self.strace.terminate().await
    }

    /// Whether strace is installed, and may look at a program.
    pub fn is_possible() -> bool {
        let tried = Command::new("strace")
            .args(["-q", "-e", "trace=none", "true"])
            .output();
        tried.is_ok_and(|tried| tried.status.success())
    }
}
