use fleet_contracts::DeviceId;
use fleet_contracts::kv::{Bucket, EntryKey};

use super::{Done, Failure, Writers};

/// Purges up to here, which is all there is.
const EVERYTHING: u64 = u64::MAX - 1;

impl Writers {
    /// What the bus holds of a device beside `desired-state`. Its heartbeat ages out by itself.
    pub(super) async fn forget_device(&self, device: &DeviceId) -> Result<Done, Failure> {
        // It may have come back since.
        if !self.shared.lock().may_forget(device) {
            return Ok(Done::Unchanged);
        }
        let info = device.as_str();
        self.bus.purge(Bucket::DeviceInfo, info, EVERYTHING).await?;
        let reports = format!("{device}.>");
        self.bus
            .purge(Bucket::DeviceState, &reports, EVERYTHING)
            .await?;
        tracing::info!(%device, "the bus has forgotten the device");
        Ok(Done::Written)
    }

    /// A report nobody asks for.
    pub(super) async fn forget_report(&self, key: &EntryKey) -> Result<Done, Failure> {
        if !self.shared.lock().index.may_forget(key) {
            return Ok(Done::Unchanged);
        }
        let text = key.to_string();
        self.bus
            .purge(Bucket::DeviceState, &text, EVERYTHING)
            .await?;
        Ok(Done::Written)
    }
}
