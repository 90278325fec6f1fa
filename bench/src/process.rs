//! What a process takes, as the kernel counts it.

use std::fs;
use std::io;

/// `CLK_TCK`: the kernel's unit of processor time in `/proc`, 100 on every Linux we build for.
const TICKS_PER_SECOND: f64 = 100.0;

/// Why it is not known what a process takes.
#[derive(Debug, thiserror::Error)]
pub enum UsageError {
    /// Most often: it has ended.
    #[error("failed to read {path}")]
    Read {
        /// The file of the kernel.
        path: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The kernel says something else than proc(5).
    #[error("{path} has no {field}")]
    NoField {
        /// The file of the kernel.
        path: String,
        /// What was looked for.
        field: &'static str,
    },
}

/// Its proportional share of memory. The kernel looks at every page for it: not for every second of a
/// large process.
pub fn pss_mib(pid: u32) -> Result<f64, UsageError> {
    number(pid, "smaps_rollup", "Pss:").map(kib_to_mib)
}

/// What of its memory is in use, shared pages counted in full.
pub fn rss_mib(pid: u32) -> Result<f64, UsageError> {
    number(pid, "status", "VmRSS:").map(kib_to_mib)
}

/// Its threads.
pub fn threads(pid: u32) -> Result<u64, UsageError> {
    number(pid, "status", "Threads:")
}

/// Its open files and connections.
pub fn open_files(pid: u32) -> Result<u64, UsageError> {
    let path = format!("/proc/{pid}/fd");
    match fs::read_dir(&path) {
        Ok(entries) => Ok(entries.count() as u64),
        Err(source) => Err(UsageError::Read { path, source }),
    }
}

/// The first number after the name of a field.
fn number(pid: u32, file: &str, field: &'static str) -> Result<u64, UsageError> {
    let path = format!("/proc/{pid}/{file}");
    let text = read(&path)?;
    let line = text.lines().find_map(|line| line.strip_prefix(field));
    let number = line
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|n| n.parse().ok());
    number.ok_or(UsageError::NoField { path, field })
}

/// Processor time of the process and of children it waited for (proc(5), fields 14-17), in seconds.
pub fn cpu_seconds(pid: u32) -> Result<f64, UsageError> {
    let text = read(&format!("/proc/{pid}/stat"))?;
    let after_name = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    let fields = after_name.split_whitespace().skip(11).take(4);
    let ticks: u32 = fields.filter_map(|field| field.parse::<u32>().ok()).sum();
    Ok(f64::from(ticks) / TICKS_PER_SECOND)
}

fn read(path: &str) -> Result<String, UsageError> {
    fs::read_to_string(path).map_err(|source| UsageError::Read {
        path: path.to_owned(),
        source,
    })
}

/// For amounts as the kernel gives them.
pub fn kib_to_mib(kib: u64) -> f64 {
    f64::from(u32::try_from(kib).unwrap_or(u32::MAX)) / 1024.0
}
