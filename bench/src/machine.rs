//! What a figure was measured on.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Enough for every connection of a benchmark, at both its ends.
const OPEN_FILES: u64 = 65_536;

/// Lets this process and those it starts have many files open, as many as it may; says how many.
pub fn raise_open_files() -> u64 {
    let own = getrlimit(Resource::Nofile);
    let current = own.current.unwrap_or(u64::MAX);
    let most = own.maximum.unwrap_or(u64::MAX);
    // Root may raise the hard limit, too; everybody else gets no more than that.
    for (soft, hard) in [(OPEN_FILES, most.max(OPEN_FILES)), (most, most)] {
        let wanted = Rlimit {
            current: Some(soft),
            maximum: Some(hard),
        };
        if soft > current && setrlimit(Resource::Nofile, wanted).is_ok() {
            return soft;
        }
    }
    current
}

/// What a figure was measured on, and of which commit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// The processor's name.
    pub cpu: String,
    /// Logical processors.
    pub cores: usize,
    /// Memory.
    pub memory_mib: u64,
    /// Kernel release.
    pub kernel: String,
    /// The commit of the working directory.
    pub commit: String,
    /// Whether the working directory differs from it.
    pub uncommitted_changes: bool,
    /// Version of podman; empty where there is none.
    pub podman: String,
}

impl Machine {
    /// This one.
    pub async fn read() -> Self {
        let status = output("git", &["status", "--porcelain"]).await;
        Self {
            cpu: cpu_model(),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            memory_mib: memory_mib(),
            kernel: read_line("/proc/sys/kernel/osrelease"),
            commit: output("git", &["rev-parse", "--short=12", "HEAD"]).await,
            uncommitted_changes: !status.is_empty(),
            podman: output("podman", &["version", "--format", "{{.Client.Version}}"]).await,
        }
    }
}

/// The same as JSON.
pub async fn describe() -> Value {
    json!(Machine::read().await)
}

fn read_line(path: &str) -> String {
    std::fs::read_to_string(path)
        .unwrap_or_default()
        .trim()
        .to_owned()
}

fn cpu_model() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find(|line| line.starts_with("model name"));
    model
        .and_then(|line| line.split_once(':'))
        .map_or("unknown", |(_, name)| name.trim())
        .to_owned()
}

fn memory_mib() -> u64 {
    let info = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = info.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib = total
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|n| n.parse::<u64>().ok());
    kib.unwrap_or(0) / 1024
}

async fn output(program: &str, args: &[&str]) -> String {
    let output = tokio::process::Command::new(program)
        .args(args)
        .output()
        .await;
    output
        .map(|o| String::from_utf8_lossy(&o.stdout).trim().to_owned())
        .unwrap_or_default()
}
