//! An agent that works for hours: its Deployment changes, and its container is killed, again and again.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::agent::{self, Credentials, DEVICE, PORT};
use super::process::{cpu_seconds, open_files, pss_mib, rss_mib, threads};
use super::{machine, stats};
use crate::platform::Platform;
use crate::{Error, http, workload};

const VERSIONS: [&str; 2] = ["v1", "v2"];
/// For a change or a repair on a machine that does other things too.
const PATIENCE: Duration = Duration::from_secs(60);
/// The figures of a soak are means of as many equal parts of it.
const PARTS: u32 = 4;
/// How often a line says how it goes.
const TOLD_EVERY: Duration = Duration::from_secs(300);

/// What the agent takes at one time.
struct Sample {
    at: Duration,
    pss_mib: f64,
    rss_mib: f64,
    threads: f64,
    files: f64,
}

/// Lets something happen to a device every `pause`, for `span`: by turns its Deployment is changed and
/// its container is killed.
pub async fn run(span: Duration, pause: Duration, say: impl Fn(&str)) -> Result<Value, Error> {
    let platform = Box::pin(agent::start(Credentials::Tokens, &say)).await?;
    change(&platform, VERSIONS[0]).await?;
    let pid = agent::agent_process(&platform)?;
    // Now: in hours the folder may be at another commit.
    let machine = machine::describe().await;
    let (cpu_before, start) = (cpu_seconds(pid)?, Instant::now());
    let mut samples = Vec::new();
    let (mut changes, mut repairs, mut told) = (vec![], vec![], Duration::ZERO);
    while start.elapsed() < span {
        let next = Instant::now() + pause;
        if changes.len() == repairs.len() {
            let version = VERSIONS[(changes.len() + 1) % VERSIONS.len()];
            changes.push(change(&platform, version).await?);
        } else {
            let version = VERSIONS[changes.len() % VERSIONS.len()];
            repairs.push(kill_and_wait(&platform, version).await?);
        }
        tokio::time::sleep_until(next.into()).await;
        let sample = sample(pid, start.elapsed())?;
        if sample.at >= told {
            told += TOLD_EVERY;
            say(&format!(
                "{:5.0} of {} s: {} changes, {} repairs, PSS {:.2} MiB, {} threads, {} files",
                sample.at.as_secs_f64(),
                span.as_secs(),
                changes.len(),
                repairs.len(),
                sample.pss_mib,
                sample.threads,
                sample.files,
            ));
        }
        samples.push(sample);
    }
    let cpu = (cpu_seconds(pid)? - cpu_before) / start.elapsed().as_secs_f64();
    let same = agent::agent_process(&platform)? == pid;
    let parts = |figure: fn(&Sample) -> f64| parts(&samples, span, figure);
    Ok(json!({
        "seconds": span.as_secs(),
        "pause_seconds": pause.as_secs(),
        "changes": times(&changes),
        "repairs": times(&repairs),
        "same_process": same,
        "agent_pss_mib": parts(|s| s.pss_mib),
        "agent_rss_mib": parts(|s| s.rss_mib),
        "agent_threads": parts(|s| s.threads),
        "agent_open_files": parts(|s| s.files),
        "agent_cpu_percent": stats::round(cpu * 100.0, 3),
        "machine": machine,
    }))
}

fn times(all: &[Duration]) -> Value {
    let at = |part| stats::round(stats::percentile_ms(all, part), 0);
    json!({"count": all.len(), "p50_ms": at(0.5), "p99_ms": at(0.99), "max_ms": at(1.0)})
}

/// Says how long the new version took to answer.
async fn change(platform: &Platform, version: &str) -> Result<Duration, Error> {
    let web = workload::web("busy", ("device-id", DEVICE), version, PORT)?;
    platform.apply(&web).await?;
    http::wait_for(platform.address(DEVICE, PORT)?, version, PATIENCE).await
}

/// Kills the container by hand, and says how long it took until another process answered in its place.
async fn kill_and_wait(platform: &Platform, version: &str) -> Result<Duration, Error> {
    let device = platform.bed.device(DEVICE)?;
    let killed = device.podman_ok(["ps", "--quiet"]).await?;
    device.podman_ok(["kill", &killed]).await?;
    http::wait_for(platform.address(DEVICE, PORT)?, version, PATIENCE).await
}

fn sample(pid: u32, at: Duration) -> Result<Sample, Error> {
    let number = |n: u64| f64::from(u32::try_from(n).unwrap_or(u32::MAX));
    Ok(Sample {
        at,
        pss_mib: pss_mib(pid)?,
        rss_mib: rss_mib(pid)?,
        threads: number(threads(pid)?),
        files: number(open_files(pid)?),
    })
}

/// The means of equal parts of the whole, in their order.
fn parts(samples: &[Sample], span: Duration, figure: fn(&Sample) -> f64) -> Vec<f64> {
    let part = span / PARTS;
    let of = |number: u32| {
        let until = |at: Duration| number + 1 == PARTS || at < part * (number + 1);
        let here = samples
            .iter()
            .filter(|s| s.at >= part * number && until(s.at));
        let (sum, count) = here.fold((0.0, 0.0), |(sum, n), s| (sum + figure(s), n + 1.0));
        stats::round(sum / f64::max(count, 1.0), 2)
    };
    (0..PARTS).map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sample_counts_in_one_part() {
        let sample = |seconds, files| Sample {
            at: Duration::from_secs(seconds),
            pss_mib: 0.0,
            rss_mib: 0.0,
            threads: 0.0,
            files,
        };
        let samples = [
            sample(1, 1.0),
            sample(9, 3.0),
            sample(10, 5.0),
            sample(29, 7.0),
            sample(39, 9.0),
            sample(43, 11.0),
        ];
        let means = parts(&samples, Duration::from_secs(40), |s| s.files);
        assert_eq!(means, [2.0, 5.0, 7.0, 10.0]);
    }
}
