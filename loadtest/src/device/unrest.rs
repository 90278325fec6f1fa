//! Containers that are stuck for a while, so that devices have something to report; and beside it what the
//! bus has acknowledged of their reports, which is what statuses and the bus itself are held against.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fleet_agent_core::Tick;
use fleet_agent_core::engine::{Input, Item, Parcel};
use fleet_contracts::payload::{DeviceState, Phase};
use fleet_contracts::{DeploymentRef, DeviceId, Revision};

use super::host::Host;
use super::runtime::Runtime;
use crate::fleet::Counts;

/// What a device said of a Deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Said {
    /// About which revision.
    pub revision: Revision,
    /// What became of it.
    pub phase: Phase,
}

impl Said {
    /// What a report says; none if it is none.
    pub fn read(body: &[u8]) -> Option<Self> {
        let state: DeviceState = serde_json::from_slice(body).ok()?;
        Some(Self {
            revision: state.revision,
            phase: state.phase,
        })
    }
}

/// What was said last, by device and Deployment.
pub type Book = BTreeMap<(DeviceId, DeploymentRef), Said>;

/// What all devices have in common.
#[derive(Debug, Clone)]
pub struct Unrest(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Milliseconds between two events on a device.
    period: u64,
    on: AtomicBool,
    acknowledged: Mutex<Book>,
    /// Reports acknowledged so far.
    reports: AtomicU64,
    /// Devices that have something to say that was not acknowledged yet.
    owing: AtomicUsize,
}

impl Unrest {
    /// Something happens so often on each device, once it begins.
    pub fn new(hertz: f64) -> Self {
        let period = Duration::try_from_secs_f64(1.0 / hertz).unwrap_or(Duration::MAX);
        Self(Arc::new(Shared {
            period: u64::try_from(period.as_millis()).unwrap_or(u64::MAX).max(1),
            on: AtomicBool::new(false),
            acknowledged: Mutex::default(),
            reports: AtomicU64::new(0),
            owing: AtomicUsize::new(0),
        }))
    }

    /// Begins, or ends: containers then stay as they are.
    pub fn turn(&self, on: bool) {
        self.0.on.store(on, Ordering::Relaxed);
    }

    /// How many reports the bus has acknowledged so far.
    pub fn reports(&self) -> u64 {
        self.0.reports.load(Ordering::Relaxed)
    }

    /// How many devices have something to say that was not acknowledged yet.
    pub fn owing(&self) -> usize {
        self.0.owing.load(Ordering::Relaxed)
    }

    /// What was acknowledged last of each device and Deployment.
    pub fn acknowledged(&self) -> MutexGuard<'_, Book> {
        let book = &self.0.acknowledged;
        book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the status of a Deployment has to say at a revision: one look at each of these devices.
    pub fn recount<'a>(
        &self,
        devices: impl Iterator<Item = &'a DeviceId>,
        deployment: &DeploymentRef,
        revision: Revision,
    ) -> Counts {
        let (book, mut counts) = (self.acknowledged(), Counts::default());
        for device in devices {
            counts.matched += 1;
            let said = book.get(&(device.clone(), deployment.clone()));
            match said.filter(|said| said.revision == revision) {
                Some(said) if matches!(said.phase, Phase::Running | Phase::Completed) => {
                    counts.succeeded += 1;
                }
                Some(said) if said.phase == Phase::Failed => counts.failed += 1,
                _ => counts.pending += 1,
            }
        }
        counts
    }
}

/// What happens to the containers of one device, and what it says of them.
#[derive(Debug)]
pub(super) struct Disturbed {
    device: DeviceId,
    shared: Arc<Shared>,
    due: Tick,
    next: usize,
    under_way: Vec<(Item, u64, Option<Said>)>,
    owes: bool,
}

impl Disturbed {
    /// When the next thing happens.
    pub(super) const fn due(&self) -> Tick {
        self.due
    }

    /// What happens by now.
    pub(super) fn strike(&mut self, runtime: &mut Runtime, now: Tick) -> Option<Input> {
        if now < self.due {
            return None;
        }
        self.due = now + self.shared.period;
        if !self.shared.on.load(Ordering::Relaxed) {
            return None;
        }
        self.next += 1;
        runtime.turn(self.next).then_some(Input::ContainersChanged)
    }

    /// These are being sent.
    pub(super) fn says(&mut self, parcels: &[Parcel]) {
        let said = parcels.iter().map(|parcel| {
            let said = parcel.body.as_deref().and_then(Said::read);
            (parcel.item.clone(), parcel.version, said)
        });
        self.under_way = said.collect();
    }

    /// Takes note of acknowledgements.
    pub(super) fn hear(&mut self, input: &Input) {
        let Input::Sent { acknowledged, .. } = input else {
            return;
        };
        let shared = &self.shared;
        let book = shared.acknowledged.lock();
        let mut book = book.unwrap_or_else(PoisonError::into_inner);
        for (item, version, said) in self.under_way.drain(..) {
            let Item::State(deployment) = &item else {
                continue;
            };
            if !acknowledged.contains(&(item.clone(), version)) {
                continue;
            }
            shared.reports.fetch_add(1, Ordering::Relaxed);
            let key = (self.device.clone(), deployment.clone());
            match said {
                Some(said) => book.insert(key, said),
                None => book.remove(&key),
            };
        }
    }

    /// Whether the device has something to say that was not acknowledged yet.
    pub(super) fn owes(&mut self, owes: bool) {
        if self.owes != owes {
            self.owes = owes;
            let owing = &self.shared.owing;
            if owes {
                owing.fetch_add(1, Ordering::Relaxed);
            } else {
                owing.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }
}

impl Host {
    /// From now on, something happens to the containers of its devices by itself.
    pub fn disturb(&mut self, unrest: &Unrest) {
        for (unit, id) in self.units.iter_mut().zip(&self.ids) {
            let shared = Arc::clone(&unrest.0);
            unit.disturbed = Some(Disturbed {
                device: id.clone(),
                // Not all at once.
                due: Tick(fastrand::u64(..shared.period)),
                shared,
                next: 0,
                under_way: Vec::new(),
                owes: false,
            });
        }
    }
}
