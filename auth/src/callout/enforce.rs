//! Ends the connections of devices that are shut out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use fleet_bus::connect::reconnect_delay;
use fleet_bus::{ConnectSettings, SystemBus};
use fleet_contracts::DeviceId;
use fleet_service::chain;
use futures::StreamExt as _;
use futures::stream;
use tokio::sync::{SetOnce, watch};

use crate::audit;
use crate::board::ShutOut;
use crate::metrics::Metrics;

/// Devices are looked for again for this long: a login that was let in just before the denial may
/// turn into a connection just after the first look. Longer than a server waits for a verdict.
const AGAIN: Duration = Duration::from_secs(10);
/// The pause between two looks.
const LOOK: Duration = Duration::from_secs(1);
/// Devices that are looked for at the same time.
const AT_ONCE: usize = 16;

/// The way to the system account; empty while there is no connection yet.
pub type System = Arc<SetOnce<SystemBus>>;

/// Ends connections.
#[derive(Debug)]
pub struct Enforcer {
    /// Where connections are found and closed.
    pub system: System,
    /// What happened.
    pub metrics: Arc<Metrics>,
}

impl Enforcer {
    /// Connects, then ends connections whenever somebody is shut out, for ever. Those who are at the
    /// start are looked for, too: nobody may have been here when they were denied.
    pub async fn follow(self, settings: ConnectSettings, mut shut_out: watch::Receiver<ShutOut>) {
        let bus = self.connect(&settings).await;
        let mut seen = BTreeSet::new();
        // Until when each is looked for.
        let mut due: BTreeMap<DeviceId, Instant> = BTreeMap::new();
        loop {
            let now = Instant::now();
            let current = Arc::clone(&shut_out.borrow_and_update());
            due.retain(|device, _| current.contains(device));
            for device in current.difference(&seen) {
                due.insert(device.clone(), now + AGAIN);
            }
            seen = BTreeSet::clone(&current);
            let looked = stream::iter(due.keys().cloned())
                .map(|device| async {
                    let done = self.look_for(&bus, &device).await;
                    (device, done)
                })
                .buffer_unordered(AT_ONCE);
            let outcomes: Vec<_> = looked.collect().await;
            for (device, done) in outcomes {
                // One that was not looked for successfully stays due.
                if done && due.get(&device).is_some_and(|until| *until <= now) {
                    due.remove(&device);
                }
            }
            if due.is_empty() {
                if shut_out.changed().await.is_err() {
                    // Whoever decides is gone: the process ends.
                    return std::future::pending().await;
                }
            } else {
                // A change is taken up at once; without one the next look is after a pause.
                let _ = tokio::time::timeout(LOOK, shut_out.changed()).await;
            }
        }
    }

    async fn connect(&self, settings: &ConnectSettings) -> SystemBus {
        let mut attempt = 0;
        loop {
            match SystemBus::connect(settings).await {
                Ok(bus) => {
                    // Nobody else sets it.
                    let _ = self.system.set(bus.clone());
                    return bus;
                }
                Err(error) => {
                    let error = chain(&error);
                    tracing::warn!(error, "no connection to the system account; trying again");
                }
            }
            attempt += 1;
            tokio::time::sleep(reconnect_delay(attempt)).await;
        }
    }

    /// Whether all was done that can be.
    async fn look_for(&self, bus: &SystemBus, device: &DeviceId) -> bool {
        match bus.close_all(device).await {
            Ok(closed) => {
                for place in closed {
                    self.metrics.closed("Denied");
                    audit::closed(device, &place, "Denied");
                }
                true
            }
            Err(error) => {
                let error = chain(&error);
                tracing::error!(%device, error, "connections of a denied device were not closed");
                false
            }
        }
    }
}
