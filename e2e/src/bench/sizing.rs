//! What the programs of a platform take for a small fleet: memory and processor time of operator,
//! callout, enrolment service and bus.
//!
//! One device is real and has enrolled, so that each program has done its work once. The others are
//! what the bus and the API server see of devices: an info, a Deployment that matches them, and
//! heartbeats at the period that agents have by default.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use fleet_api::{Deployment, DeploymentSpec, TargetSelector};
use fleet_bus::Bus;
use fleet_contracts::kv::Bucket;
use fleet_contracts::payload::{DeviceInfo, Heartbeat, Inventory, SCHEMA_VERSION, encode};
use fleet_contracts::{DeviceId, Generation, UnixMillis};
use serde_json::{Value, json};

use super::process::{cpu_seconds, pss_mib};
use super::{machine, stats};
use crate::identity::ChainOptions;
use crate::platform::{Login, Place, Platform, Wanted, expect};
use crate::{Error, http, workload};

/// The one that is real.
const DEVICE: &str = "real-1";
/// What agents have by default.
const HEARTBEAT: Duration = Duration::from_secs(30);
/// For a fleet to be taken in.
const PATIENCE: Duration = Duration::from_secs(600);
const MIB: f64 = 1024.0 * 1024.0;
const DEPLOYMENT: &str = "everywhere";

/// Makes fleets of these sizes, one after the other, and watches each for `span`.
pub async fn run(sizes: &[u32], span: Duration, say: impl Fn(&str)) -> Result<Value, Error> {
    let wanted = Wanted {
        name: "bench-sizing",
        devices: &[DEVICE],
        heartbeat: None,
        operator: Place::Process,
        login: Login::Chain(ChainOptions::default()),
    };
    let platform = Box::pin(Platform::start_wanted(wanted, &say)).await?;
    let bus = Bus::over(platform.bed.nats()?.operator_client().await?);
    platform.apply(&everywhere()?).await?;
    let mut reports = serde_json::Map::new();
    for size in sizes {
        say(&format!("{size} devices announce themselves"));
        let devices = devices(*size)?;
        let begun = Instant::now();
        for device in &devices {
            announce(&bus, device).await?;
        }
        all_matched(&platform, i64::from(*size) + 1).await?;
        let took = begun.elapsed().as_secs_f64();
        say(&format!(
            "all of them are matched after {took:.1} s; watching them for {span:?}"
        ));
        let report = watch(&platform, &bus, &devices, span).await?;
        say(&report.to_string());
        reports.insert(size.to_string(), report);
    }
    Ok(json!({
        "devices": reports,
        "heartbeat_seconds": HEARTBEAT.as_secs(),
        "machine": machine::describe().await,
    }))
}

/// For every device there is.
fn everywhere() -> Result<Deployment, Error> {
    let spec = workload::web(DEPLOYMENT, ("no", "device"), "v1", 8080)?.spec;
    let spec = DeploymentSpec {
        target_selector: TargetSelector::default(),
        target_all: true,
        score: spec.score,
    };
    Ok(Deployment::new(DEPLOYMENT, spec))
}

fn devices(count: u32) -> Result<Vec<DeviceId>, Error> {
    let id = |number| format!("simulated-{number}").parse();
    let ids: Result<_, _> = (1..=count).map(id).collect();
    ids.map_err(|error| Error::Unexpected(format!("no id of a device: {error}")))
}

async fn announce(bus: &Bus, device: &DeviceId) -> Result<(), Error> {
    let info = DeviceInfo {
        schema_version: SCHEMA_VERSION,
        device: device.clone(),
        labels: BTreeMap::from([("site".to_owned(), "bench".to_owned())]),
        inventory: Inventory::default(),
        at: UnixMillis(0),
    };
    put(bus, Bucket::DeviceInfo, device, encode(&info)).await
}

async fn beat(bus: &Bus, device: &DeviceId) -> Result<(), Error> {
    let heartbeat = Heartbeat {
        schema_version: SCHEMA_VERSION,
        device: device.clone(),
        at: UnixMillis(0),
        generation: Generation::default(),
        refusal: None,
    };
    put(bus, Bucket::DeviceHeartbeat, device, encode(&heartbeat)).await
}

async fn put(bus: &Bus, bucket: Bucket, device: &DeviceId, value: Vec<u8>) -> Result<(), Error> {
    let written = bus.put(bucket, device.as_str(), value.into()).await;
    written.map_err(|error| Error::Unexpected(format!("cannot write for {device}: {error}")))?;
    Ok(())
}

async fn all_matched(platform: &Platform, count: i64) -> Result<(), Error> {
    let matched = || async {
        let found = platform.deployments().get(DEPLOYMENT).await;
        let status = found.ok().and_then(|deployment| deployment.status);
        status.is_some_and(|status| status.aggregate.matched_device_count == count)
    };
    expect(PATIENCE, format!("{count} devices are matched"), matched).await
}

/// Each device sends its heartbeats, spread over the period, while programs are watched.
async fn watch(
    platform: &Platform,
    bus: &Bus,
    devices: &[DeviceId],
    span: Duration,
) -> Result<Value, Error> {
    let before = Usages::read(platform).await?;
    let begun = Instant::now();
    let step = HEARTBEAT / u32::try_from(devices.len()).unwrap_or(u32::MAX).max(1);
    let mut next = devices.iter().cycle();
    let mut pace = tokio::time::interval(step);
    while begun.elapsed() < span {
        pace.tick().await;
        if let Some(device) = next.next() {
            beat(bus, device).await?;
        }
    }
    let after = Usages::read(platform).await?;
    Ok(after.since(&before, begun.elapsed()))
}

/// Memory in MiB and processor time in seconds, by program.
struct Usages(BTreeMap<&'static str, (f64, f64)>);

impl Usages {
    async fn read(platform: &Platform) -> Result<Self, Error> {
        let identity = platform.identity()?;
        let programs = [
            ("operator", platform.operator()?.metrics_addr()),
            ("callout", identity.callout.metrics_addr()),
            ("enrolment", identity.enrolment.metrics_addr()),
        ];
        let mut all = BTreeMap::new();
        for (name, address) in programs {
            all.insert(name, of_itself(address).await?);
        }
        let pid = platform.bed.nats()?.service().pid();
        let pid = pid.ok_or_else(|| Error::Unexpected("the bus does not run".to_owned()))?;
        all.insert("nats", (pss_mib(pid)?, cpu_seconds(pid)?));
        Ok(Self(all))
    }

    fn since(&self, before: &Self, span: Duration) -> Value {
        let entries = self.0.iter().map(|(name, (memory, cpu))| {
            let earlier = before.0.get(name).map_or(0.0, |(_, cpu)| *cpu);
            let percent = (cpu - earlier) / span.as_secs_f64() * 100.0;
            let value = json!({
                "memory_mib": stats::round(*memory, 1),
                "cpu_percent": stats::round(percent, 2),
            });
            ((*name).to_owned(), value)
        });
        Value::Object(entries.collect())
    }
}

/// What a program says it takes.
async fn of_itself(address: SocketAddr) -> Result<(f64, f64), Error> {
    let page = http::text(address, "/metrics").await.unwrap_or_default();
    let figure = |name: &str| -> Option<f64> {
        let line = page
            .lines()
            .find(|line| line.split(' ').next() == Some(name))?;
        line.rsplit_once(' ')?.1.parse().ok()
    };
    let memory = figure("process_resident_memory_bytes");
    let found = memory.zip(figure("process_cpu_seconds_total"));
    let missing = || Error::Unexpected(format!("http://{address}/metrics says not what it takes"));
    let (bytes, seconds) = found.ok_or_else(missing)?;
    Ok((bytes / MIB, seconds))
}
