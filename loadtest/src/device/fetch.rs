//! Getting manifests and their bodies, for many devices at once.

use std::cmp::Reverse;

use bytes::Bytes;
use fleet_agent_core::sync::{Answered, Asking, Begun, Gathering, Snapshot};
use fleet_bus::async_nats::Message;
use fleet_contracts::kv::{DesiredKey, EntryKey};
use fleet_contracts::subject;

use super::host::{Host, Purpose};
use super::stored::got;
use super::unit::{Sync, synced, tick};
use crate::Error;

impl Host {
    pub(super) async fn begin_sync(
        &mut self,
        unit: usize,
        snapshot: Snapshot,
    ) -> Result<(), Error> {
        match Asking::begin(snapshot) {
            Begun::Taken(gathering) => self.gather(unit, gathering).await,
            Begun::Asking(asking) => {
                let key = asking.key();
                self.units[unit].sync = Sync::Asking(asking);
                self.get(unit, &key, Purpose::Manifest).await
            }
        }
    }

    pub(super) async fn get(
        &mut self,
        unit: usize,
        key: &DesiredKey,
        purpose: Purpose,
    ) -> Result<(), Error> {
        let message = (subject::get_desired(key).into(), Bytes::new());
        let request = self.request(unit, purpose);
        self.lane.send(unit, request, message).await
    }

    pub(super) async fn manifest(
        &mut self,
        unit: usize,
        message: Option<Message>,
    ) -> Result<(), Error> {
        let Sync::Asking(asking) = std::mem::take(&mut self.units[unit].sync) else {
            return Ok(());
        };
        match got(message).and_then(|got| asking.answer(got)) {
            Err(error) => self.happens(unit, synced(Err(error))).await,
            Ok(Answered::Again(asking, wait)) => {
                self.units[unit].sync = Sync::Asking(asking);
                let at = tick(self.born) + wait;
                self.later.push(Reverse((at, unit)));
                Ok(())
            }
            Ok(Answered::Taken(gathering)) => self.gather(unit, gathering).await,
        }
    }

    async fn gather(&mut self, unit: usize, gathering: Box<Gathering>) -> Result<(), Error> {
        let lacking = gathering.lacking();
        if lacking.is_empty() {
            let input = synced(Ok(gathering.finish()));
            return Box::pin(self.happens(unit, input)).await;
        }
        self.units[unit].sync = Sync::Gathering(gathering, lacking.len());
        for key in lacking {
            let purpose = Purpose::Entry(key.clone());
            self.get(unit, &DesiredKey::Entry(key), purpose).await?;
        }
        Ok(())
    }

    pub(super) async fn entry(
        &mut self,
        unit: usize,
        key: &EntryKey,
        message: Option<Message>,
    ) -> Result<(), Error> {
        let Sync::Gathering(mut gathering, left) = std::mem::take(&mut self.units[unit].sync)
        else {
            return Ok(());
        };
        match got(message) {
            Err(error) => self.happens(unit, synced(Err(error))).await,
            Ok(got) => {
                gathering.answer(key, got);
                if left > 1 {
                    self.units[unit].sync = Sync::Gathering(gathering, left - 1);
                    return Ok(());
                }
                self.happens(unit, synced(Ok(gathering.finish()))).await
            }
        }
    }
}
