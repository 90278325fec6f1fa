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
}
