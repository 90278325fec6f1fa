//! The distribution of many times, in buckets that are narrow beside what they hold.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Each power of two has as many buckets, so that none is wider than 1/32 of its values.
const STEPS: u64 = 32;

/// Times in buckets: any number of them in little memory, and nothing lost beyond 3 %.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<Bucket>", into = "Vec<Bucket>")]
pub struct Histogram {
    /// How many by number of bucket.
    counts: BTreeMap<u64, u64>,
}

/// One bucket as reports hold it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Bucket {
    /// No time in it is longer, in microseconds.
    pub up_to_us: u64,
    /// How many times are in it.
    pub count: u64,
}

impl Histogram {
    /// Takes one time.
    pub fn record(&mut self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        *self.counts.entry(number(micros)).or_default() += 1;
    }

    /// Takes all times of another one.
    pub fn merge(&mut self, other: &Self) {
        for (bucket, count) in &other.counts {
            *self.counts.entry(*bucket).or_default() += count;
        }
    }

    /// How many times it holds.
    pub fn count(&self) -> u64 {
        self.counts.values().sum()
    }

    /// The time that this part (0 to 1) of all does not exceed, in milliseconds; none without times.
    #[expect(
        clippy::cast_precision_loss,
        reason = "numbers of samples are far below 2^52"
    )]
    pub fn percentile_ms(&self, part: f64) -> Option<f64> {
        let wanted = (self.count() as f64 * part).ceil().max(1.0);
        let mut below = 0;
        for bucket in self.buckets() {
            below += bucket.count;
            if below as f64 >= wanted {
                return Some(bucket.up_to_ms());
            }
        }
        None
    }

    /// The longest time in milliseconds; none without times.
    pub fn max_ms(&self) -> Option<f64> {
        self.buckets().last().map(Bucket::up_to_ms)
    }

    /// All buckets that are not empty, the shortest times first.
    pub fn buckets(&self) -> impl DoubleEndedIterator<Item = Bucket> {
        self.counts.iter().map(|(number, count)| Bucket {
            up_to_us: upper(*number),
            count: *count,
        })
    }
}

impl Bucket {
    /// No time in it is longer, in milliseconds.
    #[expect(
        clippy::cast_precision_loss,
        reason = "2^52 microseconds are a century"
    )]
    pub fn up_to_ms(self) -> f64 {
        self.up_to_us as f64 / 1000.0
    }
}

impl From<Vec<Bucket>> for Histogram {
    fn from(buckets: Vec<Bucket>) -> Self {
        let counts = buckets.into_iter().map(|b| (number(b.up_to_us), b.count));
        Self {
            counts: counts.collect(),
        }
    }
}

impl From<Histogram> for Vec<Bucket> {
    fn from(histogram: Histogram) -> Self {
        histogram.buckets().collect()
    }
}

/// The bucket of a value: below two times [`STEPS`] each has its own, above that each power of two is
/// cut into [`STEPS`].
fn number(value: u64) -> u64 {
    let shift = (value / STEPS).max(1).ilog2();
    u64::from(shift) * STEPS + (value >> shift)
}

/// The largest value of a bucket.
fn upper(number: u64) -> u64 {
    let shift = (number / STEPS).saturating_sub(1);
    let first = number - shift * STEPS;
    let next = (u128::from(first) + 1) << shift;
    u64::try_from(next - 1).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_lies_in_its_bucket_and_buckets_are_narrow() {
        let mut values: Vec<u64> = (0..5_000).collect();
        values.extend((12..63).flat_map(|power| {
            let at = 1_u64 << power;
            [at - 1, at, at + 1, at + at / 3]
        }));
        for value in values {
            let bucket = number(value);
            let top = upper(bucket);
            assert!(value <= top, "{value} above {top}");
            assert!(bucket == 0 || value > upper(bucket - 1), "{value}");
            assert!(top - value <= value / 32, "{value} in a bucket to {top}");
        }
    }

    #[test]
    fn percentiles_and_a_round_trip() {
        let mut histogram = Histogram::default();
        for ms in 1..=1000 {
            histogram.record(Duration::from_millis(ms));
        }
        for (part, expected) in [(0.5, 500.0), (0.99, 990.0), (1.0, 1000.0)] {
            let found = histogram.percentile_ms(part).unwrap_or_default();
            assert!(
                found >= expected && found <= expected * 1.04,
                "{part}: {found}"
            );
        }
        assert_eq!(histogram.count(), 1000);
        assert_eq!(Histogram::default().percentile_ms(0.5), None);
        let text = serde_json::to_string(&histogram).unwrap_or_default();
        assert_eq!(serde_json::from_str(&text).ok(), Some(histogram));
    }
}
