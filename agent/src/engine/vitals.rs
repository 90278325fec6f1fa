//! Signs of life, and what the machine is.

use fleet_contracts::Generation;
use fleet_contracts::payload::{DeviceInfo, Heartbeat, SCHEMA_VERSION, encode};

use super::outbox::Item;
use super::{Engine, Event, clock};
use crate::inventory;
use crate::podman::PodmanInfo;

impl Engine {
    pub(super) fn read_inventory(&self) {
        let (podman, events) = (self.podman.clone(), self.events.clone());
        tokio::spawn(async move {
            let info = podman.info().await.ok();
            let _ = events.send(Event::Inventory(info)).await;
        });
    }

    pub(super) fn inventory_read(&mut self, podman: Option<&PodmanInfo>) {
        let info = DeviceInfo {
            schema_version: SCHEMA_VERSION,
            device: self.config.device_id.clone(),
            labels: self.config.labels.clone(),
            inventory: inventory::read(podman, &self.config.state_dir),
            at: clock::wall(),
        };
        let same = |old: &DeviceInfo| old.labels == info.labels && old.inventory == info.inventory;
        if !self.info.as_ref().is_some_and(same) {
            self.outbox.put(Item::Info, Some(encode(&info).into()));
            self.info = Some(info);
        }
    }

    pub(super) async fn send_heartbeat(&self) {
        if !self.connected {
            return;
        }
        let heartbeat = Heartbeat {
            schema_version: SCHEMA_VERSION,
            device: self.config.device_id.clone(),
            at: clock::wall(),
            generation: self
                .content
                .as_ref()
                .map_or(Generation::default(), |c| c.manifest.generation),
            refusal: self.refusal.clone(),
        };
        self.bus.heartbeat(encode(&heartbeat).into()).await;
    }
}
