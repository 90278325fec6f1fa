//! Signs of life, and what the machine is.

use fleet_contracts::payload::{DeviceInfo, Heartbeat, Inventory, SCHEMA_VERSION, encode};
use fleet_contracts::{Generation, UnixMillis};

use super::outbox::Item;
use super::{Effect, Engine};

impl Engine {
    pub(super) fn inventory_read(&mut self, inventory: Inventory, at: UnixMillis) {
        let info = DeviceInfo {
            schema_version: SCHEMA_VERSION,
            device: self.settings.device.clone(),
            labels: self.settings.labels.clone(),
            inventory,
            at,
        };
        let same = |old: &DeviceInfo| old.labels == info.labels && old.inventory == info.inventory;
        if !self.info.as_ref().is_some_and(same) {
            self.outbox.put(Item::Info, Some(encode(&info).into()));
            self.info = Some(info);
        }
    }

    pub(super) fn send_heartbeat(&mut self, at: UnixMillis) {
        if !self.connected {
            return;
        }
        let content = self.content.as_ref();
        let heartbeat = Heartbeat {
            schema_version: SCHEMA_VERSION,
            device: self.settings.device.clone(),
            at,
            generation: content.map_or(Generation::default(), |c| c.manifest.generation),
            refusal: self.refusal.clone(),
        };
        let body = encode(&heartbeat).into();
        self.effects.push(Effect::Heartbeat(body));
    }
}
