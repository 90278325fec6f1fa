use std::hash::Hash;

use fleet_contracts::kv::EntryKey;
use fleet_contracts::{DeploymentRef, DeviceId, UnixMillis};

use crate::index::Dirty;
use crate::queue::{Outcome, Pace, Queue};

/// One queue, and whether its writer has to be woken.
#[derive(Debug)]
pub struct Kind<K> {
    queue: Queue<K>,
    news: bool,
}

impl<K: Ord + Hash + Clone> Kind<K> {
    fn new(spacing: u64) -> Self {
        Self::sharing(spacing, None)
    }

    fn sharing(spacing: u64, share: Option<u32>) -> Self {
        Self {
            queue: Queue::new(Pace {
                spacing,
                share,
                retry: 200,
                retry_max: 5_000,
            }),
            news: false,
        }
    }

    /// Whether something was marked since this was asked last.
    pub const fn take_news(&mut self) -> bool {
        std::mem::replace(&mut self.news, false)
    }

    /// Queues keys.
    pub fn mark(&mut self, keys: impl IntoIterator<Item = K>, now: UnixMillis) {
        for key in keys {
            self.queue.mark(key, now);
            self.news = true;
        }
    }

    /// Takes keys whose turn has come.
    pub fn take(&mut self, now: UnixMillis, limit: usize) -> Vec<K> {
        self.queue.take(now, limit)
    }

    /// Gives a key back.
    pub fn done(&mut self, key: &K, outcome: Outcome, now: UnixMillis) {
        self.queue.done(key, outcome, now);
    }

    /// When the next key is due.
    pub fn next_due(&self) -> Option<UnixMillis> {
        self.queue.next_due()
    }

    /// Whether a key waits or is being written.
    pub fn holds(&self, key: &K) -> bool {
        self.queue.holds(key)
    }

    /// How many wait or are being written.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether nothing waits or is being written.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Those that are still to be written, or written again.
    pub(super) fn waiting(&self) -> impl Iterator<Item = &K> {
        self.queue.waiting()
    }

    fn clear(&mut self) {
        self.queue.clear();
    }

    /// What is being written comes up again.
    pub(super) fn mark_running(&mut self) {
        self.queue.mark_running();
    }

    /// Forgets keys that rest.
    pub fn sweep(&mut self, now: UnixMillis) {
        self.queue.sweep(now);
    }
}

/// A queue for each kind of write.
#[derive(Debug)]
pub struct Queues {
    /// `desired-state` of a device. No spacing: a change must be on its way at once.
    pub desired: Kind<DeviceId>,
    /// Status of a Deployment: at most once a second.
    pub statuses: Kind<DeploymentRef>,
    /// Finalizer of a Deployment.
    pub finalizers: Kind<DeploymentRef>,
    /// `Device` objects.
    pub device_objects: Kind<DeviceId>,
    /// Status of a Device: at most once a second.
    pub device_statuses: Kind<DeviceId>,
    /// Devices whose own keys go.
    pub forgotten: Kind<DeviceId>,
    /// Reports that go.
    pub reports: Kind<EntryKey>,
}

impl Queues {
    /// Least milliseconds between two status patches of one object.
    const STATUS_SPACING: u64 = 1_000;
    /// About how many status patches of Deployments a second, when many keep changing: an API server
    /// spends milliseconds on each, and etcd a write.
    pub const STATUS_SHARE: u32 = 50;

    pub(super) fn new() -> Self {
        Self {
            desired: Kind::new(0),
            statuses: Kind::sharing(Self::STATUS_SPACING, Some(Self::STATUS_SHARE)),
            finalizers: Kind::new(0),
            device_objects: Kind::new(0),
            device_statuses: Kind::new(Self::STATUS_SPACING),
            forgotten: Kind::new(0),
            reports: Kind::new(0),
        }
    }

    pub(super) fn mark(&mut self, dirty: Dirty, now: UnixMillis) {
        self.desired.mark(dirty.desired, now);
        self.statuses.mark(dirty.statuses, now);
        self.device_objects.mark(dirty.device_objects, now);
        self.device_statuses.mark(dirty.device_statuses, now);
        self.forgotten.mark(dirty.forgotten, now);
        self.reports.mark(dirty.reports, now);
    }

    pub(super) fn clear(&mut self) {
        self.desired.clear();
        self.statuses.clear();
        self.finalizers.clear();
        self.device_objects.clear();
        self.device_statuses.clear();
        self.forgotten.clear();
        self.reports.clear();
    }

    /// Forgets keys that rest, in the queues that space their writes.
    pub fn sweep(&mut self, now: UnixMillis) {
        self.statuses.sweep(now);
        self.device_statuses.sweep(now);
        self.desired.sweep(now);
    }

    /// When the next key of any queue is due.
    pub fn next_due(&self) -> Option<UnixMillis> {
        let due = [
            self.desired.next_due(),
            self.statuses.next_due(),
            self.finalizers.next_due(),
            self.device_objects.next_due(),
            self.device_statuses.next_due(),
            self.forgotten.next_due(),
            self.reports.next_due(),
        ];
        due.into_iter().flatten().min()
    }

    /// How many writes wait or are under way, by kind.
    pub fn depths(&self) -> [(&'static str, usize); 7] {
        [
            ("desired", self.desired.len()),
            ("statuses", self.statuses.len()),
            ("finalizers", self.finalizers.len()),
            ("device_objects", self.device_objects.len()),
            ("device_statuses", self.device_statuses.len()),
            ("forgotten", self.forgotten.len()),
            ("reports", self.reports.len()),
        ]
    }
}
