//! Statuses and the bus against what devices know to be stored.

use fleet_contracts::kv::{Bucket, EntryKey};
use fleet_contracts::{DeploymentRef, Revision};

use super::super::Scene;
use crate::Error;
use crate::device::Unrest;
use crate::device::unrest::{Book, Said};
use crate::fleet::{Counts, NAMESPACE};
use crate::platform::Platform;

/// How many statuses are not what the recount says, of the fleet's and of the one for everyone.
pub(super) async fn wrong(
    scene: &Scene,
    platform: &Platform,
    unrest: &Unrest,
    (name, revision): (&str, Revision),
) -> Result<usize, Error> {
    let fleet = &scene.fleet;
    let found = platform.counts().await?;
    let differs =
        |name: &str, expected: Counts| found.get(name).copied().flatten() != Some(expected);
    let of_fleet = fleet.workloads.iter().filter(|workload| {
        let pairs = workload.pairs.iter().map(|pair| &fleet.pairs[*pair]);
        let devices = pairs.map(|pair| &fleet.devices[pair.device].id);
        let expected = unrest.recount(devices, &workload.reference, workload.revision);
        differs(workload.reference.name.as_ref(), expected)
    });
    let wrong = of_fleet.count();
    let everyone = format!("{NAMESPACE}.{name}").parse::<DeploymentRef>();
    let everyone = everyone.map_err(|error| Error::Fleet(error.to_string()))?;
    let devices = fleet.devices.iter().map(|device| &device.id);
    let expected = unrest.recount(devices, &everyone, revision);
    Ok(wrong + usize::from(differs(name, expected)))
}

/// How many acknowledged reports the bus does not hold. Nobody may be reporting.
pub(super) async fn lost(platform: &Platform, unrest: &Unrest) -> Result<usize, Error> {
    let stored = stored(platform).await?;
    let acknowledged = unrest.acknowledged();
    let lost = acknowledged
        .iter()
        .filter(|(key, said)| stored.get(*key) != Some(*said));
    Ok(lost.count())
}

/// All reports that the bus holds.
async fn stored(platform: &Platform) -> Result<Book, Error> {
    let held = platform.bus.held(Bucket::DeviceState).await;
    let held = held.map_err(Error::bus("read device-state"))?;
    let said = held.into_iter().filter_map(|(key, stored)| {
        let EntryKey { device, deployment } = key.parse().ok()?;
        Some(((device, deployment), Said::read(&stored.value)?))
    });
    Ok(said.collect())
}
