//! The list of denied devices as it was read last, and whoever waits for it to change.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use fleet_contracts::DeviceId;
use tokio::sync::watch;

use super::denials::{self, DenialError};
use super::keeper::Keeper;
use crate::policy::ShutOut;

/// What was read last.
#[derive(Debug)]
pub(super) struct DenialList {
    devices: watch::Sender<ShutOut>,
    /// When it was read last.
    read: Mutex<Option<Instant>>,
    /// Held while it is read: one reading at a time is enough for everybody.
    reading: tokio::sync::Mutex<()>,
}

impl Default for DenialList {
    fn default() -> Self {
        Self {
            devices: watch::Sender::new(ShutOut::default()),
            read: Mutex::default(),
            reading: tokio::sync::Mutex::default(),
        }
    }
}

impl DenialList {
    pub(super) fn subscribe(&self) -> watch::Receiver<ShutOut> {
        self.devices.subscribe()
    }

    /// Whether a device is in it; none if it was not read for longer than `age`.
    pub(super) fn holds(&self, device: &DeviceId, age: Duration) -> Option<bool> {
        let known = self.read_at().is_some_and(|read| read.elapsed() <= age);
        known.then(|| self.devices.borrow().contains(device))
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
        self.devices.send_if_modified(|held| {
            let changed = **held != devices;
            if changed {
                tracing::info!(devices = devices.len(), "the denied devices are others now");
                *held = Arc::new(devices);
            }
            changed
        });
        *self.read.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        Ok(())
    }

    fn read_at(&self) -> Option<Instant> {
        *self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
