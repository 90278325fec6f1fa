//! What a process takes, as the kernel counts it.

use std::fs;
use std::path::PathBuf;

use crate::Error;

/// `CLK_TCK`: the kernel's unit of processor time in `/proc`, 100 on every Linux we build for.
const TICKS_PER_SECOND: f64 = 100.0;

/// For `map_err` on files that cannot be read.
pub(super) fn unreadable(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Error {
    let what = what.into();
    move |error| Error::Unexpected(format!("failed to read {what}: {error}"))
}

/// Its proportional share of memory.
pub(super) fn pss_mib(pid: u32) -> Result<f64, Error> {
    let path = PathBuf::from(format!("/proc/{pid}/smaps_rollup"));
    let text = fs::read_to_string(&path).map_err(unreadable(path.display().to_string()))?;
    let pss = text.lines().find_map(|line| line.strip_prefix("Pss:"));
    let kib = pss
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|n| n.parse().ok());
    kib.map(kib_to_mib)
        .ok_or_else(|| Error::Unexpected(format!("{} has no Pss", path.display())))
}

/// Processor time of the process and of children it waited for (proc(5), fields 14-17), in seconds.
pub(super) fn cpu_seconds(pid: u32) -> Result<f64, Error> {
    let path = format!("/proc/{pid}/stat");
    let text = fs::read_to_string(&path).map_err(unreadable(path.as_str()))?;
    let after_name = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    let fields = after_name.split_whitespace().skip(11).take(4);
    let ticks: u32 = fields.filter_map(|field| field.parse::<u32>().ok()).sum();
    Ok(f64::from(ticks) / TICKS_PER_SECOND)
}

/// For amounts as the kernel gives them.
pub(super) fn kib_to_mib(kib: u64) -> f64 {
    f64::from(u32::try_from(kib).unwrap_or(u32::MAX)) / 1024.0
}
