use std::collections::HashSet;
use std::sync::Arc;

use fleet_bus::Stored;
use fleet_contracts::DeviceId;
use fleet_contracts::kv::Bucket;
use fleet_contracts::payload::{DeviceInfo, decode};
use fleet_operator_core::Input;

use super::bucket::{Consumer, Refused};
use crate::state::{Shared, Source};

/// `device-info`: what devices are.
#[derive(Debug, Default)]
pub struct InfoWatch {
    known: HashSet<String>,
}

impl Consumer for InfoWatch {
    const BUCKET: Bucket = Bucket::DeviceInfo;
    const SOURCE: Source = Source::Info;

    fn begin(&mut self, _: &Shared, recreated: bool) {
        if recreated {
            // What devices said stays true although the stream that held it is gone.
            self.known.clear();
        }
    }

    fn put(&mut self, shared: &Shared, stored: &Stored) -> Result<(), Refused> {
        let device = device_of(&stored.key)?;
        let info: DeviceInfo =
            decode(Self::BUCKET, &stored.value).map_err(|e| Refused::new(e.reason(), e))?;
        own_key(&device, &info.device)?;
        self.known.insert(stored.key.clone());
        shared.describe_again(&device, |known| {
            known.infos.insert(device.clone(), Arc::new(info));
        });
        Ok(())
    }

    fn deleted(&mut self, shared: &Shared, key: &str, _: u64) -> Result<(), Refused> {
        let device = device_of(key)?;
        self.known.remove(key);
        shared.lock().known.infos.remove(&device);
        shared.apply(Input::InfoGone(device));
        Ok(())
    }

    fn end(&mut self, shared: &Shared, listed: &HashSet<String>) {
        let gone: Vec<_> = self.known.difference(listed).cloned().collect();
        for key in gone {
            // Only keys that were parsed before are known.
            let _ = self.deleted(shared, &key, 0);
        }
    }
}

/// The device whose key this is.
pub(super) fn device_of(key: &str) -> Result<DeviceId, Refused> {
    key.parse::<DeviceId>()
        .map_err(|e| Refused::new("ForeignKey", e))
}

/// A payload must name the device under whose key it lies.
pub(super) fn own_key(key: &DeviceId, named: &DeviceId) -> Result<(), Refused> {
    if key == named {
        Ok(())
    } else {
        let text = format!("it names device {named}");
        Err(Refused::new("WrongDevice", text))
    }
}
