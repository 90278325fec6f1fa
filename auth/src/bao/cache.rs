//! Records that were read, with their age, and no more than there is room for.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use fleet_auth_core::DevicePolicy;
use fleet_contracts::DeviceId;

/// A record as it was read; none if there was none.
#[derive(Debug, Clone)]
struct Entry {
    policy: Option<DevicePolicy>,
    read: Instant,
}

/// What is known of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) policy: Option<DevicePolicy>,
    pub(super) age: Duration,
}

/// Records by device.
#[derive(Debug)]
pub(super) struct Cache {
    entries: Mutex<HashMap<DeviceId, Entry>>,
    capacity: usize,
}

impl Cache {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            entries: Mutex::default(),
            capacity: capacity.max(1),
        }
    }

    pub(super) fn get(&self, device: &DeviceId, now: Instant) -> Option<Known> {
        let entries = self.lock();
        let entry = entries.get(device)?;
        Some(Known {
            policy: entry.policy.clone(),
            age: now.saturating_duration_since(entry.read),
        })
    }

    /// Keeps a record that was read at `now`. The oldest make room.
    pub(super) fn put(&self, device: &DeviceId, policy: Option<DevicePolicy>, now: Instant) {
        let mut entries = self.lock();
        if entries.len() >= self.capacity && !entries.contains_key(device) {
            make_room(&mut entries, self.capacity);
        }
        entries.insert(device.clone(), Entry { policy, read: now });
    }

    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<DeviceId, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Many at once, because the search for the oldest looks at all.
fn make_room(entries: &mut HashMap<DeviceId, Entry>, capacity: usize) {
    let mut ages: Vec<Instant> = entries.values().map(|entry| entry.read).collect();
    let going = (capacity / 8).min(ages.len().saturating_sub(1));
    let (_, limit, _) = ages.select_nth_unstable(going);
    let limit = *limit;
    entries.retain(|_, entry| entry.read > limit);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(number: usize) -> DeviceId {
        format!("dev-{number}").parse().expect("valid")
    }

    #[test]
    fn a_record_gets_older_until_it_is_read_again() {
        let (cache, start) = (Cache::new(8), Instant::now());
        assert_eq!(cache.get(&device(1), start), None);
        cache.put(&device(1), None, start);
        let later = start + Duration::from_secs(5);
        let age = cache.get(&device(1), later).map(|known| known.age);
        assert_eq!(age, Some(Duration::from_secs(5)));
        cache.put(&device(1), Some(DevicePolicy::default()), later);
        let known = Known {
            policy: Some(DevicePolicy::default()),
            age: Duration::ZERO,
        };
        assert_eq!(cache.get(&device(1), later), Some(known));
    }

    #[test]
    fn a_full_cache_loses_its_oldest_and_never_grows() {
        let (cache, start) = (Cache::new(16), Instant::now());
        for number in 0..100 {
            let now = start + Duration::from_millis(number as u64);
            cache.put(&device(number), None, now);
            assert!(cache.len() <= 16);
            assert!(cache.get(&device(number), now).is_some());
        }
        assert_eq!(cache.get(&device(0), start), None);
        assert!(cache.get(&device(98), start).is_some());
    }

    #[test]
    fn a_cache_for_one_holds_the_last() {
        let (cache, now) = (Cache::new(1), Instant::now());
        cache.put(&device(1), None, now);
        cache.put(&device(2), None, now);
        assert_eq!(cache.len(), 1);
        assert!(cache.get(&device(2), now).is_some());
    }
}
