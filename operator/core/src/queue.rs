//! Which dirty key to write now: one writer per key, a least distance between two writes of a key,
//! and a jittered back-off after failures.
//!
//! A key may be marked at any time. While it is being written, a mark is kept, and the key comes up
//! again afterwards; however often it was marked, it comes up once.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;

use fleet_contracts::UnixMillis;

/// How a queue paces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Least milliseconds between two writes of one key.
    pub spacing: u64,
    /// About how many writes a second all keys share. When more want to be written again, each
    /// waits longer for its next turn; one that rested is written at once.
    pub share: Option<u32>,
    /// Milliseconds before the first retry; doubled by each further failure.
    pub retry: u64,
    /// The most milliseconds before a retry.
    pub retry_max: u64,
}

/// How a write ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Something was written.
    Written,
    /// There was nothing to write; the key need not wait for its next turn.
    Unchanged,
    /// It failed and shall be tried again. The number, from 0 to 999, spreads retries.
    Failed {
        /// A random number below 1,000.
        jitter: u16,
    },
}

/// The queue of one kind of documents.
#[derive(Debug)]
pub struct Queue<K> {
    pace: Pace,
    due: BTreeSet<(UnixMillis, K)>,
    keys: HashMap<K, State>,
}

#[derive(Debug, Default)]
struct State {
    /// When it is due; `None` while it is being written or rests.
    due: Option<UnixMillis>,
    running: bool,
    /// Marked again while it was being written.
    again: bool,
    failures: u32,
    not_before: UnixMillis,
}

impl<K: Ord + Hash + Clone> Queue<K> {
    /// An empty queue.
    pub fn new(pace: Pace) -> Self {
        Self {
            pace,
            due: BTreeSet::new(),
            keys: HashMap::new(),
        }
    }

    /// Notes that a key has to be written.
    pub fn mark(&mut self, key: K, now: UnixMillis) {
        let state = self.keys.entry(key.clone()).or_default();
        if state.running {
            state.again = true;
        } else if state.due.is_none() {
            let at = now.max(state.not_before);
            state.due = Some(at);
            self.due.insert((at, key));
        }
    }

    /// Takes at most `limit` keys whose turn has come; each must be given back by
    /// [`Queue::done`].
    pub fn take(&mut self, now: UnixMillis, limit: usize) -> Vec<K> {
        let mut taken = Vec::new();
        while taken.len() < limit {
            match self.due.first() {
                Some((at, _)) if *at <= now => {}
                _ => break,
            }
            let Some((_, key)) = self.due.pop_first() else {
                break;
            };
            if let Some(state) = self.keys.get_mut(&key) {
                state.due = None;
                state.running = true;
            }
            taken.push(key);
        }
        taken
    }

    /// Gives a key back.
    pub fn done(&mut self, key: &K, outcome: Outcome, now: UnixMillis) {
        let pace = self.pace;
        let Some(state) = self.keys.get_mut(key) else {
            return;
        };
        state.running = false;
        let mut again = std::mem::take(&mut state.again);
        match outcome {
            Outcome::Written => {
                state.failures = 0;
                let spacing = pace.spacing_among(self.due.len());
                state.not_before = UnixMillis(now.0.saturating_add(spacing));
            }
            Outcome::Unchanged => state.failures = 0,
            Outcome::Failed { jitter } => {
                again = true;
                let wait = pace.back_off(state.failures, jitter);
                state.failures = state.failures.saturating_add(1);
                state.not_before = UnixMillis(now.0.saturating_add(wait));
            }
        }
        if again {
            self.mark(key.clone(), now);
        } else if state.not_before <= now {
            self.keys.remove(key);
        }
    }

    /// When the next key is due.
    pub fn next_due(&self) -> Option<UnixMillis> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Whether a key waits or is being written.
    pub fn holds(&self, key: &K) -> bool {
        let state = self.keys.get(key);
        state.is_some_and(|state| state.running || state.due.is_some())
    }

    /// How many keys wait or are being written.
    pub fn len(&self) -> usize {
        self.due.len() + self.keys.values().filter(|s| s.running).count()
    }

    /// Whether nothing waits or is being written.
    pub fn is_empty(&self) -> bool {
        self.due.is_empty() && self.keys.values().all(|s| !s.running)
    }

    /// Forgets keys that rest and whose spacing is over; without it, every key ever written stays.
    pub fn sweep(&mut self, now: UnixMillis) {
        self.keys
            .retain(|_, s| s.running || s.due.is_some() || s.not_before > now);
    }

    /// What is being written comes up again: it was begun before everything was looked at.
    pub fn mark_running(&mut self) {
        for state in self.keys.values_mut().filter(|state| state.running) {
            state.again = true;
        }
    }

    /// What waits or is being written.
    pub fn waiting(&self) -> impl Iterator<Item = &K> {
        let wanted = self.keys.iter();
        let wanted = wanted.filter(|(_, state)| state.running || state.due.is_some());
        wanted.map(|(key, _)| key)
    }

    /// Drops what waits, when another replica leads.
    pub fn clear(&mut self) {
        self.due.clear();
        self.keys.retain(|_, state| {
            state.due = None;
            state.again = false;
            state.running
        });
    }
}

impl Pace {
    /// The distance between two writes of a key while so many others wait.
    fn spacing_among(&self, waiting: usize) -> u64 {
        let waiting = u64::try_from(waiting).unwrap_or(u64::MAX);
        let turns = |share| waiting.saturating_mul(1_000) / u64::from(share).max(1);
        self.spacing.max(self.share.map_or(0, turns))
    }

    /// Half of the doubled delay is certain, half is up to `jitter`.
    fn back_off(&self, failures: u32, jitter: u16) -> u64 {
        let full = self
            .retry
            .saturating_mul(1_u64.checked_shl(failures.min(20)).unwrap_or(u64::MAX))
            .min(self.retry_max);
        full / 2 + full / 2 * u64::from(jitter.min(999)) / 1_000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace = Pace {
        spacing: 1_000,
        share: None,
        retry: 100,
        retry_max: 10_000,
    };

    fn at(ms: u64) -> UnixMillis {
        UnixMillis(ms)
    }

    #[test]
    fn the_first_write_is_immediate_and_the_next_keeps_its_distance() {
        let mut queue = Queue::new(PACE);
        queue.mark("a", at(0));
        assert_eq!(queue.take(at(0), 10), ["a"]);
        queue.done(&"a", Outcome::Written, at(5));
        queue.mark("a", at(10));
        queue.mark("a", at(20));
        assert_eq!(queue.take(at(1_004), 10), [""; 0]);
        assert_eq!(queue.next_due(), Some(at(1_005)));
        assert_eq!(queue.take(at(1_005), 10), ["a"]);
    }

    #[test]
    fn a_key_is_never_written_twice_at_once_and_a_mark_meanwhile_is_kept() {
        let mut queue = Queue::new(Pace { spacing: 0, ..PACE });
        queue.mark("a", at(0));
        assert_eq!(queue.take(at(0), 10), ["a"]);
        queue.mark("a", at(1));
        assert_eq!(queue.take(at(1), 10), [""; 0]);
        queue.done(&"a", Outcome::Written, at(2));
        assert_eq!(queue.take(at(2), 10), ["a"]);
        queue.done(&"a", Outcome::Unchanged, at(3));
        assert!(queue.is_empty() && queue.keys.is_empty());
    }

    #[test]
    fn failures_back_off_to_a_bound_and_success_forgets_them() {
        let mut queue = Queue::new(PACE);
        queue.mark("a", at(0));
        let mut now = at(0);
        let mut waits = vec![];
        for _ in 0..10 {
            assert_eq!(queue.take(now, 1), ["a"]);
            queue.done(&"a", Outcome::Failed { jitter: 0 }, now);
            let next = queue.next_due().expect("a retry");
            waits.push(next.millis_since(now));
            now = next;
        }
        assert_eq!(waits[..4], [50, 100, 200, 400]);
        assert_eq!(waits.last(), Some(&5_000));
        assert_eq!(queue.take(now, 1), ["a"]);
        queue.done(&"a", Outcome::Written, now);
        assert!(queue.is_empty());
    }

    #[test]
    fn keys_that_change_all_the_time_share_a_rate_and_one_that_rested_does_not_wait() {
        let share = Some(100);
        let mut queue = Queue::new(Pace { share, ..PACE });
        let mut written = vec![0; 1_001];
        for now in (0..100_000).step_by(10) {
            for key in 0..1_000 {
                queue.mark(key, at(now));
            }
            if now == 50_000 {
                queue.mark(1_000, at(now));
            }
            for key in queue.take(at(now), 50) {
                written[key] += 1;
                queue.done(&key, Outcome::Written, at(now));
            }
            if now == 50_000 {
                assert_eq!(written[1_000], 1, "it does not wait for the others");
            }
        }
        // A hundred seconds at a hundred a second, and the first turn of each.
        let each = 9..=13;
        assert!(
            written[..1_000].iter().all(|n| each.contains(n)),
            "{written:?}"
        );
    }

    #[test]
    fn few_keys_keep_the_least_distance() {
        let share = Some(100);
        let mut queue = Queue::new(Pace { share, ..PACE });
        for now in (0..10_000).step_by(10) {
            for key in 0..50 {
                queue.mark(key, at(now));
            }
            let taken = queue.take(at(now), 100);
            assert_eq!(
                taken.len(),
                if now % 1_000 == 0 { 50 } else { 0 },
                "at {now}"
            );
            for key in &taken {
                queue.done(key, Outcome::Written, at(now));
            }
        }
    }

    #[test]
    fn jitter_spreads_retries_over_half_the_delay() {
        assert_eq!(PACE.back_off(0, 0), 50);
        assert_eq!(PACE.back_off(0, 999), 99);
    }

    #[test]
    fn a_sweep_keeps_what_still_matters() {
        let mut queue = Queue::new(PACE);
        queue.mark("rests", at(0));
        queue.take(at(0), 1);
        queue.done(&"rests", Outcome::Written, at(0));
        queue.mark("waits", at(0));
        queue.sweep(at(500));
        assert_eq!(queue.keys.len(), 2);
        queue.sweep(at(1_000));
        assert_eq!(queue.keys.len(), 1);
    }
}
