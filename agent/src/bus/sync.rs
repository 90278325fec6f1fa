//! Brings a sync the answers of the bus.

use std::time::{Duration, Instant};

use fleet_agent_core::engine::Timing;
use fleet_agent_core::sync::{Answered, Asking, Begun, Fetched, Gathering, Snapshot, SyncError};
use fleet_contracts::kv::DesiredKey;
use futures::{StreamExt as _, stream};

use super::{Bus, BusError};

/// Entries fetched at once.
const PARALLEL: usize = 16;

/// Gets the manifest and the bodies that are missing.
pub(crate) async fn fetch(bus: &Bus, snapshot: Snapshot) -> (Result<Fetched, SyncError>, Timing) {
    let mut timing = Timing::default();
    let began = Instant::now();
    let mut gathering = match manifest(bus, snapshot).await {
        Ok(gathering) => gathering,
        Err(error) => return (Err(error), timing),
    };
    timing.manifest = began.elapsed();
    let gathered = bodies(bus, &mut gathering).await;
    timing.entries = began.elapsed().saturating_sub(timing.manifest);
    let fetched = gathered.map_err(no_answer);
    (fetched.map(|()| gathering.finish()), timing)
}

async fn manifest(bus: &Bus, snapshot: Snapshot) -> Result<Box<Gathering>, SyncError> {
    let mut asking = match Asking::begin(snapshot) {
        Begun::Taken(gathering) => return Ok(gathering),
        Begun::Asking(asking) => asking,
    };
    loop {
        let got = bus.get(&asking.key()).await.map_err(no_answer)?;
        match asking.answer(got)? {
            Answered::Taken(gathering) => return Ok(gathering),
            Answered::Again(again, wait) => {
                asking = again;
                tokio::time::sleep(Duration::from_millis(wait)).await;
            }
        }
    }
}

async fn bodies(bus: &Bus, gathering: &mut Gathering) -> Result<(), BusError> {
    let mut answers = stream::iter(gathering.lacking())
        .map(|key| async move { (bus.get(&DesiredKey::Entry(key.clone())).await, key) })
        .buffer_unordered(PARALLEL);
    while let Some((answer, key)) = answers.next().await {
        gathering.answer(&key, answer?);
    }
    Ok(())
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the shape that map_err wants"
)]
fn no_answer(error: BusError) -> SyncError {
    SyncError::NoAnswer(error.to_string())
}
