//! The list of denied devices as it was read last, and whoever waits for it to change.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use fleet_contracts::DeviceId;

use super::denials::{self, DenialError};
use super::keeper::Keeper;
use crate::board::Board;

/// What was read last.
#[derive(Debug, Default)]
pub(super) struct DenialList {
    pub(super) board: Board,
    /// When it was read last.
    read: Mutex<Option<Instant>>,
    /// Held while it is read: one reading at a time is enough for everybody.
    reading: tokio::sync::Mutex<()>,
}

impl DenialList {
    /// Whether a device is in it; none if it was not read for longer than `age`.
    pub(super) fn holds(&self, device: &DeviceId, age: Duration) -> Option<bool> {
        let known = self.read_at().is_some_and(|read| read.elapsed() <= age);
        known.then(|| self.board.holds(device))
    }

    pub(super) async fn read(&self, keeper: &Keeper) -> Result<(), DenialError> {
        let began = Instant::now();
        let _alone = self.reading.lock().await;
        // Whoever waited for another's reading takes what that brought.
        if self.read_at().is_some_and(|read| read > began) {
            return Ok(());
        }
        let session = keeper.session().await?;
        let list = match denials::denials(&session).await {
            Err(error) if error.is_denied() => {
                keeper.forget(&session).await;
                denials::denials(&*keeper.session().await?).await?
            }
            list => list?,
        };
        let devices: BTreeSet<DeviceId> = list.devices.into_keys().collect();
        let number = devices.len();
        if self.board.decided(devices, Instant::now()) {
            tracing::info!(devices = number, "the denied devices are others now");
        }
        *self.read.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        Ok(())
    }

    fn read_at(&self) -> Option<Instant> {
        *self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
