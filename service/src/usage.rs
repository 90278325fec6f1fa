//! What this process takes, as the kernel counts it (proc(5)).

use std::fs;

/// `CLK_TCK`: the kernel's unit of processor time in `/proc`, 100 on every Linux we build for.
const TICKS_PER_SECOND: f64 = 100.0;

/// What a process takes; nothing where the kernel does not say.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Usage {
    pub(crate) memory_bytes: Option<u64>,
    pub(crate) cpu_seconds: Option<f64>,
    pub(crate) open_files: Option<u64>,
}

impl Usage {
    /// Of this process.
    pub(crate) fn now() -> Self {
        let text = |file: &str| fs::read_to_string(format!("/proc/self/{file}")).ok();
        let files = fs::read_dir("/proc/self/fd");
        Self {
            memory_bytes: text("status").and_then(|status| memory(&status)),
            cpu_seconds: text("stat").and_then(|stat| processor(&stat)),
            open_files: files.ok().map(|files| files.count() as u64),
        }
    }
}

/// `VmRSS` of `status`, which is in KiB whatever a page is.
fn memory(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1_024)
}

/// User and system time of `stat`, the fields 14 and 15. The name before them may hold anything.
fn processor(stat: &str) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let ticks = rest.split_whitespace().skip(11).take(2);
    let ticks: Option<Vec<u32>> = ticks.map(|field| field.parse().ok()).collect();
    match ticks?.as_slice() {
        [user, system] => Some((f64::from(*user) + f64::from(*system)) / TICKS_PER_SECOND),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_whatever_the_program_is_called() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 1 0 0 0 250 50 9 9 20 0 1 0 3 4 5";
        assert_eq!(processor(stat), Some(3.0));
        assert_eq!(memory("Name:\tx\nVmRSS:\t    2048 kB\n"), Some(2_097_152));
    }

    #[test]
    fn what_is_not_understood_is_not_guessed() {
        assert_eq!((processor("7 (a) S 1"), memory("Name:\tx")), (None, None));
    }
}
