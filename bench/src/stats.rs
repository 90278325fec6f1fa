//! Medians.

use std::time::Duration;

/// The median in milliseconds; 0 without samples.
pub fn median_ms(samples: &[Duration]) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable();
    let middle = sorted.len() / 2;
    let ms = |i: usize| sorted.get(i).map_or(0.0, |d| d.as_secs_f64() * 1000.0);
    if sorted.len() % 2 == 1 {
        ms(middle)
    } else {
        f64::midpoint(ms(middle.saturating_sub(1)), ms(middle))
    }
}

/// The sample below which this part (0 to 1) of all lies, in milliseconds; 0 without samples.
pub fn percentile_ms(samples: &[Duration], part: f64) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable();
    let rank = rank(sorted.len(), part);
    sorted.get(rank).map_or(0.0, |d| d.as_secs_f64() * 1000.0)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "numbers of samples are far below 2^52"
)]
fn rank(number: usize, part: f64) -> usize {
    let above = (number as f64 * part).ceil() as usize;
    above.clamp(1, number.max(1)) - 1
}

/// One decimal, for output.
pub fn round(value: f64, decimals: i32) -> f64 {
    let factor = 10_f64.powi(decimals);
    (value * factor).round() / factor
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        let ms = |values: &[u64]| {
            median_ms(
                &values
                    .iter()
                    .map(|&v| Duration::from_millis(v))
                    .collect::<Vec<_>>(),
            )
        };
        assert!((ms(&[3, 1, 2]) - 2.0).abs() < 1e-9);
        assert!((ms(&[4, 1, 2, 3]) - 2.5).abs() < 1e-9);
        assert!(ms(&[]).abs() < 1e-9);
    }

    #[test]
    fn percentiles() {
        let samples: Vec<_> = (1..=200).map(Duration::from_millis).collect();
        for (part, expected) in [(0.5, 100.0), (0.99, 198.0), (1.0, 200.0), (0.0, 1.0)] {
            let found = percentile_ms(&samples, part);
            assert!((found - expected).abs() < 1e-9, "{part}: {found}");
        }
        assert!(percentile_ms(&[], 0.99).abs() < 1e-9);
    }
}
