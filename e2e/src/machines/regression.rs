//! The demo on virtual machines without a person.

use std::time::{Duration, Instant, SystemTime};

use fleet_bus::Bus;
use fleet_contracts::kv::Bucket;

use super::{Machine, Machines, guest};
use crate::platform::expect;
use crate::{Error, http, workload};

/// The label that the machines carry.
const LABEL: (&str, &str) = ("site", "here");
/// The Deployment.
const NAME: &str = "hello";

/// Applies, changes, cuts the power, deletes; asks each machine's container from this machine.
///
/// # Errors
/// With what did not happen.
pub async fn run(machines: &Machines<'_>, progress: impl Fn(&str)) -> Result<Played, Error> {
    progress("apply: every machine answers");
    let applied = apply(machines, "v1").await?;
    progress("new image: the new page");
    let replaced = apply(machines, "v2").await?;
    progress("power cut: back by itself, and the fleet hears of it");
    let cuts = survives_power_cut(machines, &progress).await?;
    progress("delete: nothing runs any more");
    delete(machines).await?;
    Ok(Played {
        applied,
        replaced,
        cuts,
    })
}

/// What it took.
#[derive(Debug, Clone)]
pub struct Played {
    /// From the apply until every machine's container answers.
    pub applied: Duration,
    /// The same with a new image.
    pub replaced: Duration,
    /// For each machine, from the power cut on.
    pub cuts: Vec<Cut>,
}

/// What it took after a machine's power was cut.
#[derive(Debug, Clone, Copy)]
pub struct Cut {
    /// Until its container answers.
    pub answers: Duration,
    /// Until the bus has heard of it.
    pub heard: Duration,
}

async fn apply(machines: &Machines<'_>, version: &str) -> Result<Duration, Error> {
    let platform = machines.platform();
    let begun = Instant::now();
    platform
        .apply(&workload::web(NAME, LABEL, version, super::PORT)?)
        .await?;
    for machine in machines.all() {
        http::wait_for(machine.address, version, machines.patience()).await?;
    }
    let answered = begun.elapsed();
    succeeded_on_all(machines).await?;
    Ok(answered)
}

/// Reports of before the cut do not count: what has to come is a sign of life that the bus received after
/// it, of an agent in another boot.
async fn survives_power_cut(
    machines: &Machines<'_>,
    progress: impl Fn(&str),
) -> Result<Vec<Cut>, Error> {
    let mut cuts = vec![];
    let nats = machines.platform().bed.nats()?;
    let bus = Bus::over(nats.operator_client().await?);
    for machine in machines.all() {
        let before = guest::boot_id(machines, &machine.id).await?;
        let (cut, begun) = (SystemTime::now(), Instant::now());
        machines.power_cycle(&machine.id).await?;
        http::wait_for(machine.address, "v2", machines.patience()).await?;
        let answers = begun.elapsed();
        let is_heard = || async { heard_after(&bus, machine, cut).await };
        let what = format!("{} is heard again after its power was cut", machine.id);
        expect(machines.patience(), what, is_heard).await?;
        let heard = begun.elapsed();
        let after = guest::boot_id(machines, &machine.id).await?;
        if before == after {
            let id = &machine.id;
            return Err(Error::Unexpected(format!("{id} was not started again")));
        }
        progress(&format!(
            "{}: its container answers {:.0} s after the cut, the fleet hears of it after {:.0} s",
            machine.id,
            answers.as_secs_f64(),
            heard.as_secs_f64()
        ));
        cuts.push(Cut { answers, heard });
    }
    succeeded_on_all(machines).await?;
    Ok(cuts)
}

/// Whether the bus has a sign of life of a device that it received after that moment.
async fn heard_after(bus: &Bus, machine: &Machine, moment: SystemTime) -> bool {
    let beats = bus.held(Bucket::DeviceHeartbeat).await;
    let beat = beats.ok().and_then(|mut beats| beats.remove(&machine.id));
    let since = moment.duration_since(SystemTime::UNIX_EPOCH);
    let since = since.map_or(0, |since| since.as_millis());
    beat.is_some_and(|beat| u128::from(beat.received.0) > since)
}

async fn delete(machines: &Machines<'_>) -> Result<(), Error> {
    machines.platform().delete(NAME).await?;
    for machine in machines.all() {
        http::wait_gone(machine.address, machines.patience()).await?;
        let left = guest::containers(machines, &machine.id).await?;
        if !left.is_empty() {
            let id = &machine.id;
            return Err(Error::Unexpected(format!("{id} still runs {left:?}")));
        }
    }
    Ok(())
}

/// The status says that all matched and run the current revision, and it adds up.
async fn succeeded_on_all(machines: &Machines<'_>) -> Result<(), Error> {
    let all = i64::try_from(machines.all().len()).unwrap_or(i64::MAX);
    let wanted = |found: &fleet_api::Deployment| {
        let Some(status) = &found.status else {
            return false;
        };
        let counts = &status.aggregate;
        status.observed_generation == found.metadata.generation
            && (counts.matched_device_count, counts.succeeded) == (all, all)
            && (counts.failed, counts.pending) == (0, 0)
    };
    let platform = machines.platform();
    let what = (NAME, "has succeeded on every machine");
    platform
        .wait_deployment_within(machines.patience(), what, wanted)
        .await
}
