//! A power cut for a rootless device, which has no machine of its own to switch off.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::wait;

const KILL_TIME: Duration = Duration::from_secs(10);

/// Kills monitors first, so that none of them notes the end of its container, then containers, and
/// forgets what podman keeps in memory.
pub(super) async fn cut_power(run: &Path, _store: &Path) {
    let pids = || {
        let mut pids = pids_in(run, "conmon.pid");
        pids.extend(pids_in(run, "pidfile"));
        pids
    };
    let gone = || async {
        let alive: Vec<Pid> = pids().into_iter().filter(|pid| is_alive(*pid)).collect();
        for pid in &alive {
            // Gone between look and kill is what is wanted.
            let _ = kill_process(*pid, Signal::KILL);
        }
        alive.is_empty()
    };
    wait::until(KILL_TIME, gone).await;
    // Mounts inside belong to podman's own mount namespace; what cannot be removed is made anew.
    let _ = fs::remove_dir_all(run.join("libpod"));
    let _ = fs::remove_dir_all(run.join("containers"));
}

fn pids_in(run: &Path, file: &str) -> Vec<Pid> {
    let containers = fs::read_dir(run.join("containers").join("overlay-containers"));
    let Ok(containers) = containers else {
        return Vec::new();
    };
    containers
        .flatten()
        .filter_map(|entry| fs::read_to_string(entry.path().join("userdata").join(file)).ok())
        .filter_map(|text| text.trim().parse().ok())
        .filter_map(Pid::from_raw)
        .collect()
}

fn is_alive(pid: Pid) -> bool {
    let pid = u32::try_from(pid.as_raw_nonzero().get());
    pid.is_ok_and(|pid| crate::procfs::start_time(pid).is_some())
}
