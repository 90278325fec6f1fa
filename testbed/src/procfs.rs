//! What `/proc` tells about processes.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// When the process started, in clock ticks since boot. With the process id this names a process
/// for good: an id that was given to another process shows another start.
pub(crate) fn start_time(pid: u32) -> Option<u64> {
    let stat = stat(Path::new(&format!("/proc/{pid}")))?;
    // From the state on, which is field 3, the start is field 22 (proc(5)).
    let mut fields = stat.split_whitespace();
    // A zombie has stopped in every sense but its parent's.
    if fields.next()? == "Z" {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

/// Whether that very process still runs.
pub(crate) fn is_alive(pid: u32, start: u64) -> bool {
    start_time(pid) == Some(start)
}

/// The processes that were started with `key=value` in their environment or kept it from whoever
/// started them, and all below them: a container's processes have an environment of their own.
pub(crate) fn with_environment(key: &str, value: &Path) -> Vec<u32> {
    let mut wanted = format!("{key}=").into_bytes();
    wanted.extend_from_slice(value.as_os_str().as_bytes());
    let is_marked = |pid: u32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment
            .split(|byte| *byte == 0)
            .any(|variable| variable == wanted)
    };
    let all = all();
    let mut found: Vec<u32> = all.keys().copied().filter(|pid| is_marked(*pid)).collect();
    let mut next = 0;
    while let Some(&parent) = found.get(next) {
        next += 1;
        let children = all.iter().filter(|(_, above)| **above == parent);
        let new: Vec<u32> = children
            .map(|(pid, _)| *pid)
            .filter(|pid| !found.contains(pid))
            .collect();
        found.extend(new);
    }
    found.retain(|pid| *pid != std::process::id());
    found
}

/// Every process that is not a zombie, with its parent.
fn all() -> BTreeMap<u32, u32> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return BTreeMap::new();
    };
    let pids = entries
        .flatten()
        .filter_map(|entry| parse_pid(&entry.file_name()));
    pids.filter_map(|pid| Some((pid, parent(pid)?))).collect()
}

fn parent(pid: u32) -> Option<u32> {
    let stat = stat(Path::new(&format!("/proc/{pid}")))?;
    let mut fields = stat.split_whitespace();
    if fields.next()? == "Z" {
        return None;
    }
    fields.next()?.parse().ok()
}

/// The first child of a process; of several threads any may be the one that started it.
pub(crate) fn first_child(pid: u32) -> Option<u32> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).ok()?;
    threads.flatten().find_map(|thread| {
        let children = fs::read_to_string(thread.path().join("children")).ok()?;
        children.split_whitespace().next()?.parse().ok()
    })
}

/// Whether all threads of a process are stopped by a signal.
pub(crate) fn is_stopped(pid: u32) -> bool {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return false;
    };
    threads.flatten().all(|thread| {
        // A thread that ended while it was looked for has no state.
        stat(&thread.path()).is_none_or(|stat| stat.trim_start().starts_with('T'))
    })
}

/// What `/proc` says of a process or a thread, from its state on. Before that is the program's name in
/// parentheses, which may itself hold blanks and parentheses.
fn stat(of: &Path) -> Option<String> {
    let stat = fs::read_to_string(of.join("stat")).ok()?;
    Some(stat.rsplit_once(')')?.1.to_owned())
}

fn parse_pid(name: &OsStr) -> Option<u32> {
    name.to_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_alive_and_an_earlier_one_of_its_id_is_not() {
        let pid = std::process::id();
        let start = start_time(pid).unwrap();
        assert!(is_alive(pid, start));
        assert!(!is_alive(pid, start - 1));
        assert_eq!(start_time(u32::MAX), None);
    }
}
