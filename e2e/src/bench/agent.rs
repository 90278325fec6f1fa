//! What an idle agent costs: memory, processor time, size on disk.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{machine, stats};
use crate::platform::Platform;
use crate::{Error, http, workload};

/// `CLK_TCK`: the kernel's unit of processor time in `/proc`, 100 on every Linux we build for.
const TICKS_PER_SECOND: f64 = 100.0;
const DEVICE: &str = "bench-1";
const PORT: u16 = 8080;

/// Runs one container under the agent and watches the agent for `span`.
pub async fn run(span: Duration, say: impl Fn(&str)) -> Result<Value, Error> {
    let platform = Platform::start("bench-agent", &[DEVICE], &say).await?;
    platform
        .apply(&workload::web("idle", ("device-id", DEVICE), "v1", PORT)?)
        .await?;
    http::wait_for(
        platform.address(DEVICE, PORT)?,
        "v1",
        Duration::from_secs(60),
    )
    .await?;
    platform
        .wait_deployment("idle", "has succeeded", |d| {
            d.status
                .as_ref()
                .is_some_and(|s| s.aggregate.succeeded == 1)
        })
        .await?;
    let pid = agent_process(&platform)?;
    let (cpu_before, start) = (cpu_ticks(pid)?, Instant::now());
    while start.elapsed() < span {
        let left = span.saturating_sub(start.elapsed());
        tokio::time::sleep(left.min(Duration::from_secs(30))).await;
        say(&format!(
            "{:4.0} of {} s: PSS {:.2} MiB",
            start.elapsed().as_secs_f64(),
            span.as_secs(),
            pss_mib(pid)?
        ));
    }
    let ticks = f64::from(u32::try_from(cpu_ticks(pid)? - cpu_before).unwrap_or(u32::MAX));
    let cpu_percent = ticks / TICKS_PER_SECOND / start.elapsed().as_secs_f64() * 100.0;
    let program =
        fs::read_link(format!("/proc/{pid}/exe")).map_err(unreadable("the agent's program"))?;
    Ok(json!({
        "agent_pss_mib": stats::round(pss_mib(pid)?, 2),
        "agent_cpu_percent": stats::round(cpu_percent, 4),
        "binary_mib": stats::round(size_mib(&program)?, 2),
        "seconds": span.as_secs(),
        "machine": machine::describe().await,
    }))
}

/// The agent's own process: the testbed may have started it through a wrapper.
fn agent_process(platform: &Platform) -> Result<u32, Error> {
    let pid = platform.bed.device(DEVICE)?.agent().pid();
    pid.ok_or_else(|| Error::Unexpected("the agent does not run".into()))
}

fn unreadable(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Error {
    let what = what.into();
    move |error| Error::Unexpected(format!("failed to read {what}: {error}"))
}

fn size_mib(program: &Path) -> Result<f64, Error> {
    let bytes = fs::metadata(program)
        .map_err(unreadable("the agent's program"))?
        .len();
    Ok(kib_to_mib(bytes / 1024))
}

fn pss_mib(pid: u32) -> Result<f64, Error> {
    let path = PathBuf::from(format!("/proc/{pid}/smaps_rollup"));
    let text = fs::read_to_string(&path).map_err(unreadable(path.display().to_string()))?;
    let pss = text.lines().find_map(|line| line.strip_prefix("Pss:"));
    let kib = pss
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|n| n.parse().ok());
    kib.map(kib_to_mib)
        .ok_or_else(|| Error::Unexpected(format!("{} has no Pss", path.display())))
}

fn kib_to_mib(kib: u64) -> f64 {
    f64::from(u32::try_from(kib).unwrap_or(u32::MAX)) / 1024.0
}

/// Processor time of the process and of children it waited for, in ticks (proc(5), fields 14-17).
fn cpu_ticks(pid: u32) -> Result<u64, Error> {
    let path = format!("/proc/{pid}/stat");
    let text = fs::read_to_string(&path).map_err(unreadable(path.as_str()))?;
    let after_name = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    let fields = after_name.split_whitespace().skip(11).take(4);
    Ok(fields.filter_map(|field| field.parse::<u64>().ok()).sum())
}
