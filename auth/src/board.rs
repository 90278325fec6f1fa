//! Who is shut out at this moment: those about whom it was decided, and clones that were found a moment
//! ago, before anybody decided about them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use fleet_contracts::DeviceId;
use tokio::sync::watch;

/// Devices that are shut out at this moment.
pub type ShutOut = Arc<BTreeSet<DeviceId>>;

/// How long a clone is held off without a decision. Where decisions can be written, one was written
/// long before; where they cannot, clones that are still there are found again afterwards.
const HELD: Duration = Duration::from_secs(15 * 60);

#[derive(Debug, Default)]
struct Entries {
    decided: BTreeSet<DeviceId>,
    held: BTreeMap<DeviceId, Instant>,
}

/// The devices, and whoever waits for a change.
#[derive(Debug)]
pub struct Board {
    entries: Mutex<Entries>,
    all: watch::Sender<ShutOut>,
}

impl Default for Board {
    fn default() -> Self {
        Self {
            entries: Mutex::default(),
            all: watch::Sender::new(ShutOut::default()),
        }
    }
}

impl Board {
    /// All of them, now and at every change.
    pub fn subscribe(&self) -> watch::Receiver<ShutOut> {
        self.all.subscribe()
    }

    /// Whether a device is among them.
    pub fn holds(&self, device: &DeviceId) -> bool {
        self.all.borrow().contains(device)
    }

    /// This was decided, and nothing else; whether that is new. Who was among them and is not any more
    /// is held off no longer, either.
    pub fn decided(&self, devices: BTreeSet<DeviceId>, now: Instant) -> bool {
        let mut entries = self.lock();
        let before = std::mem::replace(&mut entries.decided, devices);
        let Entries { decided, held } = &mut *entries;
        held.retain(|device, until| {
            let pardoned = before.contains(device) && !decided.contains(device);
            *until > now && !pardoned
        });
        let changed = before != *decided;
        self.publish(&entries);
        changed
    }

    /// A clone was found.
    pub fn hold(&self, device: &DeviceId, now: Instant) {
        let mut entries = self.lock();
        entries.held.insert(device.clone(), now + HELD);
        self.publish(&entries);
    }

    fn publish(&self, entries: &Entries) {
        let all: BTreeSet<_> = entries.decided.iter().chain(entries.held.keys()).collect();
        self.all.send_if_modified(|published| {
            let changed = !published.iter().eq(all.iter().copied());
            if changed {
                *published = Arc::new(all.into_iter().cloned().collect());
            }
            changed
        });
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[allow(clippy::expect_used, reason = "test code")]
mod tests {
    use super::*;

    fn device(name: &str) -> DeviceId {
        name.parse().expect("valid")
    }

    fn set(names: &[&str]) -> BTreeSet<DeviceId> {
        names.iter().map(|name| device(name)).collect()
    }

    #[test]
    fn a_clone_is_held_off_until_it_was_decided_otherwise_or_for_its_time() {
        let (board, now) = (Board::default(), Instant::now());
        assert!(board.decided(set(&["a"]), now));
        board.hold(&device("b"), now);
        assert_eq!(**board.subscribe().borrow(), set(&["a", "b"]));
        // Nothing was decided about it yet.
        assert!(!board.decided(set(&["a"]), now));
        assert!(board.holds(&device("b")));
        // Denied, then pardoned.
        assert!(board.decided(set(&["a", "b"]), now));
        assert!(board.decided(set(&["a"]), now));
        assert!(!board.holds(&device("b")));

        board.hold(&device("c"), now);
        board.decided(set(&["a"]), now + HELD);
        assert!(!board.holds(&device("c")), "its time is over");
    }

    #[test]
    fn only_a_change_wakes_those_who_wait() {
        let (board, now) = (Board::default(), Instant::now());
        let mut all = board.subscribe();
        board.decided(set(&[]), now);
        assert!(!all.has_changed().expect("a board"));
        board.hold(&device("a"), now);
        assert!(all.has_changed().expect("a board"));
        all.mark_unchanged();
        board.decided(set(&["a"]), now);
        assert!(!all.has_changed().expect("a board"));
    }
}
