//! How often each of many may do something: a bucket of tokens for each.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The most that are remembered; full buckets are forgotten first.
const REMEMBERED: usize = 100_000;

/// How often one of them may.
#[derive(Debug, Clone, Copy)]
pub struct Rate {
    /// At once.
    pub burst: u32,
    /// Each minute after that.
    pub per_minute: u32,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    left: f64,
    at: Instant,
}

/// Counts for each of them.
#[derive(Debug)]
pub struct Limiter<K> {
    rate: Rate,
    buckets: Mutex<HashMap<K, Bucket>>,
}

impl<K: Eq + Hash + Clone> Limiter<K> {
    /// At this rate.
    pub fn new(rate: Rate) -> Self {
        Self {
            rate,
            buckets: Mutex::default(),
        }
    }

    /// Counts one and says whether it may go on.
    pub fn take(&self, who: &K, now: Instant) -> bool {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= REMEMBERED && !buckets.contains_key(who) {
            buckets.retain(|_, bucket| self.filled(*bucket, now) < f64::from(self.rate.burst));
            if buckets.len() >= REMEMBERED {
                // All of them go as fast as they may; begin anew rather than grow.
                buckets.clear();
            }
        }
        let full = Bucket {
            left: f64::from(self.rate.burst),
            at: now,
        };
        let bucket = buckets.entry(who.clone()).or_insert(full);
        bucket.left = self.filled(*bucket, now);
        bucket.at = now;
        let may = bucket.left >= 1.0;
        if may {
            bucket.left -= 1.0;
        }
        may
    }

    /// Whether one may go on, without counting.
    pub fn has(&self, who: &K, now: Instant) -> bool {
        let buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = buckets.get(who);
        bucket.is_none_or(|bucket| self.filled(*bucket, now) >= 1.0)
    }

    fn filled(&self, bucket: Bucket, now: Instant) -> f64 {
        let minute = Duration::from_secs(60).as_secs_f64();
        let passed = now.saturating_duration_since(bucket.at).as_secs_f64();
        let gained = passed / minute * f64::from(self.rate.per_minute);
        (bucket.left + gained).min(f64::from(self.rate.burst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_taken_then_the_rate_and_nobody_shares() {
        let limiter = Limiter::new(Rate {
            burst: 2,
            per_minute: 60,
        });
        let [a, b] = ["a", "b"];
        let start = Instant::now();
        assert!(limiter.take(&a, start) && limiter.take(&a, start));
        assert!(!limiter.take(&a, start));
        assert!(!limiter.has(&a, start) && limiter.has(&b, start));
        assert!(limiter.take(&b, start) && limiter.has(&b, start));
        let later = start + Duration::from_secs(1);
        assert!(limiter.take(&a, later));
        assert!(!limiter.take(&a, later));
    }
}
