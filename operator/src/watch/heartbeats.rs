use std::collections::{HashMap, HashSet};

use fleet_bus::Stored;
use fleet_contracts::DeviceId;
use fleet_contracts::kv::Bucket;
use fleet_contracts::payload::{Heartbeat, Refusal, decode};
use fleet_operator_core::Input;

use super::bucket::{Consumer, Refused};
use super::info::{device_of, own_key};
use crate::clock;
use crate::state::{Shared, Source};

/// `device-heartbeat`: signs of life. They stay in memory.
#[derive(Debug, Default)]
pub struct HeartbeatWatch {
    live: bool,
    /// What each device refuses now, so that a refusal counts once and not with every heartbeat.
    refusals: HashMap<DeviceId, Refusal>,
}

impl Consumer for HeartbeatWatch {
    const BUCKET: Bucket = Bucket::DeviceHeartbeat;
    const SOURCE: Source = Source::Heartbeats;

    fn begin(&mut self, _: &Shared, _: bool) {
        self.live = false;
    }

    fn put(&mut self, shared: &Shared, stored: &Stored) -> Result<(), Refused> {
        let device = device_of(&stored.key)?;
        let heartbeat: Heartbeat =
            decode(Self::BUCKET, &stored.value).map_err(|e| Refused::new(e.reason(), e))?;
        own_key(&device, &heartbeat.device)?;
        self.count(shared, &device, heartbeat.refusal.as_ref());
        // One that comes now was sent now, whatever the clocks say; one from before the watch is
        // as old as the bus says.
        let received = if self.live {
            clock::now()
        } else {
            stored.received
        };
        shared.apply(Input::Heartbeat {
            device,
            received,
            refusal: heartbeat.refusal,
        });
        Ok(())
    }

    /// Heartbeats age out by themselves; silence is noticed by time, not by their going.
    fn deleted(&mut self, _: &Shared, _: &str, _: u64) -> Result<(), Refused> {
        Ok(())
    }

    fn end(&mut self, _: &Shared, _: &HashSet<String>) {
        self.live = true;
    }
}

impl HeartbeatWatch {
    fn count(&mut self, shared: &Shared, device: &DeviceId, refusal: Option<&Refusal>) {
        let Some(refusal) = refusal else {
            self.refusals.remove(device);
            return;
        };
        if self.refusals.get(device) != Some(refusal) {
            let reason = refusal.reason.as_str();
            shared.metrics.refusal(reason);
            tracing::warn!(%device, reason, message = refusal.message, "device refuses its manifest");
            self.refusals.insert(device.clone(), refusal.clone());
        }
    }
}
