//! A power cut for a rootless device, which has no machine of its own to switch off.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::process::kill_pid;
use crate::procfs;
use crate::wait;

const KILL_TIME: Duration = Duration::from_secs(10);

/// Kills all that podman started on this device - monitors, containers, network helpers - at once,
/// so that none notes the end of another, and forgets what podman keeps in memory.
///
/// `run` is the device's own `XDG_RUNTIME_DIR`: every helper inherits that variable.
pub(super) async fn cut_power(run: &Path) {
    let all_gone = || async {
        let pids = procfs::with_environment("XDG_RUNTIME_DIR", run);
        for pid in &pids {
            kill_pid(*pid);
        }
        pids.is_empty()
    };
    wait::until(KILL_TIME, all_gone).await;
    let Ok(entries) = fs::read_dir(run) else {
        return;
    };
    for entry in entries.flatten() {
        // What cannot be removed is in podman's own namespace, which is gone with its processes.
        let _ = fs::remove_dir_all(entry.path());
    }
}
