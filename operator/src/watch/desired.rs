use std::collections::HashSet;

use fleet_bus::Stored;
use fleet_contracts::kv::Bucket;
use fleet_contracts::signing::{KEY_HEADER, SIGNATURE_HEADER};
use fleet_operator_core::mirror::{ForeignError, Message};

use super::bucket::{Consumer, Refused};
use crate::state::{Shared, Source};

/// `desired-state`: what we, or a leader before us, wrote.
#[derive(Debug, Default)]
pub struct DesiredWatch;

impl Consumer for DesiredWatch {
    const BUCKET: Bucket = Bucket::DesiredState;
    const SOURCE: Source = Source::Desired;

    fn begin(&mut self, shared: &Shared, _: bool) {
        shared.lock().mirror.clear();
    }

    fn put(&mut self, shared: &Shared, stored: &Stored) -> Result<(), Refused> {
        let header = |name| stored.headers.get(name).map_or("", |value| value.as_str());
        let message = Message {
            key: &stored.key,
            sequence: stored.sequence,
            key_id: header(KEY_HEADER),
            signature: header(SIGNATURE_HEADER),
            body: &stored.value,
        };
        let outcome = shared.lock().mirror.put(message);
        if let (Err(_), Some((device, _))) = (&outcome, stored.key.split_once('.'))
            && let Ok(device) = device.parse()
        {
            // Not ours, under a key of ours: to be replaced.
            shared.mark_desired(device);
        }
        note(shared, outcome)
    }

    fn deleted(&mut self, shared: &Shared, key: &str, sequence: u64) -> Result<(), Refused> {
        let outcome = shared.lock().mirror.deleted(key, sequence);
        note(shared, outcome)
    }

    fn end(&mut self, _: &Shared, _: &HashSet<String>) {}
}

fn note(
    shared: &Shared,
    outcome: Result<Option<fleet_contracts::DeviceId>, ForeignError>,
) -> Result<(), Refused> {
    match outcome {
        Ok(Some(device)) => {
            shared.mark_desired(device);
            Ok(())
        }
        Ok(None) => Ok(()),
        Err(error) => Err(Refused::new(error.reason(), error)),
    }
}
