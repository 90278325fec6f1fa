//! From `apply` to an answer over HTTP, against `podman run -d` typed on the device.
//!
//! Both are measured in turn in one run, so that the ratio holds however busy the machine is.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use fleet_bus::{Bus, Event};
use fleet_contracts::kv::Bucket;
use serde_json::{Value, json};

use super::machine;
use super::stats::{median_ms, round};
use crate::platform::{Platform, expect};
use crate::{Error, http, workload};

const DEVICE: &str = "bench-1";
const LABEL: (&str, &str) = ("device-id", DEVICE);
const FLEET_PORT: u16 = 8080;
const BARE_PORT: u16 = 8090;
const NAME: &str = "bench";
const LIMIT: Duration = Duration::from_secs(60);

/// Samples of one way of getting a container to answer.
#[derive(Debug, Default)]
struct Samples {
    create: Vec<Duration>,
    upgrade: Vec<Duration>,
}

/// When each stage of the last `apply` was seen from outside.
#[derive(Debug, Default)]
struct Stages {
    accepted: Vec<Duration>,
    manifest: Vec<Duration>,
    reported: Vec<Duration>,
}

/// The latest change of each bucket that the stages are read from.
#[derive(Debug, Default)]
struct Seen {
    manifest: Option<Instant>,
    running: Option<Instant>,
}

/// Runs `rounds` of both, in turn.
pub async fn run(rounds: usize, say: impl Fn(&str)) -> Result<Value, Error> {
    let platform = Platform::start("bench-loop", &[DEVICE], &say).await?;
    let seen = observe(&platform).await?;
    let (mut fleet, mut bare, mut stages) =
        (Samples::default(), Samples::default(), Stages::default());
    for i in 0..=rounds {
        let (f, s) = fleet_round(&platform, &seen).await?;
        let b = bare_round(&platform).await?;
        say(&format!(
            "{i:3} of {rounds}: apply {:4.0} ms, podman run {:4.0} ms; upgrade {:4.0} ms, podman {:4.0} ms",
            median_ms(&f.create),
            median_ms(&b.create),
            median_ms(&f.upgrade),
            median_ms(&b.upgrade),
        ));
        // The first round warms caches on both sides and does not count.
        if i > 0 {
            fleet.add(f);
            bare.add(b);
            stages.add(s);
        }
    }
    print_stages(&stages, &fleet, &say);
    Ok(report(&fleet, &bare, rounds).await)
}

async fn report(fleet: &Samples, bare: &Samples, rounds: usize) -> Value {
    let (create, run) = (median_ms(&fleet.create), median_ms(&bare.create));
    let (upgrade, replace) = (median_ms(&fleet.upgrade), median_ms(&bare.upgrade));
    json!({
        "apply_to_http_ms": round(create, 1),
        "podman_run_to_http_ms": round(run, 1),
        "ratio": round(create / run, 3),
        "upgrade_to_http_ms": round(upgrade, 1),
        "podman_replace_to_http_ms": round(replace, 1),
        "upgrade_ratio": round(upgrade / replace, 3),
        "rounds": rounds,
        "machine": machine::describe().await,
    })
}

fn print_stages(stages: &Stages, fleet: &Samples, say: &impl Fn(&str)) {
    say("where the time of an apply goes (medians, from its start):");
    let rows = [
        ("the API server has stored it", &stages.accepted),
        ("the signed manifest is on the bus", &stages.manifest),
        ("the container answers", &fleet.create),
        ("the device has reported it running", &stages.reported),
    ];
    for (what, samples) in rows {
        say(&format!("  {:7.1} ms  {what}", median_ms(samples)));
    }
}

impl Samples {
    fn add(&mut self, other: Self) {
        self.create.extend(other.create);
        self.upgrade.extend(other.upgrade);
    }
}

impl Stages {
    fn add(&mut self, other: Self) {
        self.accepted.extend(other.accepted);
        self.manifest.extend(other.manifest);
        self.reported.extend(other.reported);
    }
}

/// Notes when manifests and reports pass by, as any user of the platform could see them.
async fn observe(platform: &Platform) -> Result<Arc<Mutex<Seen>>, Error> {
    let bus = Bus::over(platform.bed.nats()?.operator_client().await?);
    let seen = Arc::new(Mutex::new(Seen::default()));
    for bucket in [Bucket::DesiredState, Bucket::DeviceState] {
        let (mut watch, seen) = (bus.watch(bucket).await?, seen.clone());
        tokio::spawn(async move {
            while let Ok(event) = watch.next().await {
                if let Event::Put(stored) = event {
                    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                    if bucket == Bucket::DesiredState && stored.key.ends_with("._manifest") {
                        seen.manifest = Some(Instant::now());
                    }
                    if stored.value.windows(9).any(|w| w == b"\"Running\"") {
                        seen.running = Some(Instant::now());
                    }
                }
            }
        });
    }
    Ok(seen)
}

async fn fleet_round(platform: &Platform, seen: &Mutex<Seen>) -> Result<(Samples, Stages), Error> {
    let address = platform.address(DEVICE, FLEET_PORT)?;
    *seen.lock().unwrap_or_else(PoisonError::into_inner) = Seen::default();
    let start = Instant::now();
    platform
        .apply(&workload::web(NAME, LABEL, "v1", FLEET_PORT)?)
        .await?;
    let accepted = start.elapsed();
    http::wait_for(address, "v1", LIMIT).await?;
    let create = start.elapsed();
    succeeded(platform).await?;
    let (manifest, reported) = {
        let seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        let since =
            |at: Option<Instant>| at.map(|at| at.duration_since(start)).into_iter().collect();
        (since(seen.manifest), since(seen.running))
    };
    let start = Instant::now();
    platform
        .apply(&workload::web(NAME, LABEL, "v2", FLEET_PORT)?)
        .await?;
    http::wait_for(address, "v2", LIMIT).await?;
    let upgrade = start.elapsed();
    succeeded(platform).await?;
    platform.delete(NAME).await?;
    let empty = || async {
        platform
            .containers(DEVICE)
            .await
            .is_ok_and(|c| c.is_empty())
    };
    expect(LIMIT, "the container is gone".into(), empty).await?;
    let samples = Samples {
        create: vec![create],
        upgrade: vec![upgrade],
    };
    Ok((
        samples,
        Stages {
            accepted: vec![accepted],
            manifest,
            reported,
        },
    ))
}

async fn succeeded(platform: &Platform) -> Result<(), Error> {
    platform
        .wait_deployment(NAME, "has succeeded", |d| {
            let generation = d.metadata.generation;
            d.status
                .as_ref()
                .is_some_and(|s| s.observed_generation == generation && s.aggregate.succeeded == 1)
        })
        .await
}

async fn bare_round(platform: &Platform) -> Result<Samples, Error> {
    let (device, address) = (
        platform.bed.device(DEVICE)?,
        platform.address(DEVICE, BARE_PORT)?,
    );
    let port = format!("{BARE_PORT}:80");
    let run = async |version: &str| -> Result<Duration, Error> {
        let image = workload::image(version);
        let start = Instant::now();
        let args = [
            "run",
            "-d",
            "--replace",
            "--name",
            "bare",
            "--stop-timeout",
            "0",
            "-p",
            &port,
            &image,
        ];
        device.podman_ok(args).await?;
        http::wait_for(address, version, LIMIT).await?;
        Ok(start.elapsed())
    };
    let samples = Samples {
        create: vec![run("v1").await?],
        upgrade: vec![run("v2").await?],
    };
    device.podman_ok(["rm", "--force", "bare"]).await?;
    Ok(samples)
}
