//! Nothing happens but signs of life.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::agents::Agents;
use super::{Scene, verdict};
use crate::Error;
use crate::platform::Platform;

const DAY: f64 = 86_400.0;
/// Seconds between two signs of life of a device.
const PERIOD: u64 = super::agents::HEARTBEAT / 1_000;
/// For what a start leaves behind to settle.
const SETTLE: Duration = Duration::from_secs(10);
const SHOW: Duration = Duration::from_secs(1);

/// Has the fleet run what it runs, and looks at what that costs.
pub(super) async fn play(scene: &Scene, platform: &Platform) -> Result<(), Error> {
    let _sampler = platform.sample(&scene.record)?;
    let mut agents = Agents::running(scene, platform).await?;
    pause(scene, SETTLE, "settling").await;
    let (before, begun) = (Usage::take(scene, &agents), Instant::now());
    // All devices came up at one moment, and so do their signs of life: only whole periods are fair.
    let periods = scene.parameters.seconds.div_ceil(PERIOD).max(1);
    let span = Duration::from_secs(periods * PERIOD);
    pause(scene, span, "idle").await;
    let (after, span) = (Usage::take(scene, &agents), begun.elapsed());
    let per_device = span.as_secs_f64() * of(scene.parameters.devices as u64) / DAY;
    let record = &scene.record;
    let sent = after.sent - before.sent;
    let received = after.received - before.received;
    record.figure("device_day_sent_bytes", sent / per_device);
    record.figure("device_day_received_bytes", received / per_device);
    record.cpu_since(&before.cpu, span);
    record.figure("nats_disk_mib", platform.disk_mib("nats").await?);
    if let Some(taken) = platform.database_mib() {
        record.figure("etcd_database_mib", taken);
    }
    if let Some(error) = agents.failure() {
        return Err(error);
    }
    let stale = platform.metric("fleet_devices_stale").await;
    record.check(
        "no device is stale",
        stale == Some(0.0),
        format!("{stale:?}"),
    );
    verdict::no_errors(scene);
    Ok(())
}

/// What was used by a moment.
struct Usage {
    sent: f64,
    received: f64,
    cpu: BTreeMap<String, f64>,
}

impl Usage {
    fn take(scene: &Scene, agents: &Agents) -> Self {
        let bytes = |which: fn(&fleet_bus::async_nats::Statistics) -> u64| {
            of(agents.traffic.iter().map(|t| which(t)).sum())
        };
        Self {
            sent: bytes(|t| t.out_bytes.load(Ordering::Relaxed)),
            received: bytes(|t| t.in_bytes.load(Ordering::Relaxed)),
            cpu: scene.record.cpu(),
        }
    }
}

async fn pause(scene: &Scene, span: Duration, what: &str) {
    let begun = Instant::now();
    let all = usize::try_from(span.as_secs()).unwrap_or(usize::MAX);
    let mut ticks = tokio::time::interval(SHOW);
    while begun.elapsed() < span {
        ticks.tick().await;
        let done = usize::try_from(begun.elapsed().as_secs()).unwrap_or(all);
        scene.progress.step(done, all, what);
    }
}

#[expect(clippy::cast_precision_loss, reason = "bytes are far below 2^52")]
fn of(count: u64) -> f64 {
    count as f64
}
