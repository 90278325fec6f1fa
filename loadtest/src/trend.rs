//! Whether something rises, and how surely.

/// A straight line's rise, with the standard error of that rise.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trend {
    /// By how much it rises for each unit of the first coordinate.
    pub rise: f64,
    /// By how much that may be wrong, if what deviates from the line does so by chance and each time
    /// anew. Memory of a process does not: the true error is larger.
    pub error: f64,
}

/// The line through these points that fits best by least squares; none with fewer than three points, or
/// with all of them at one place.
pub fn trend(points: &[(f64, f64)]) -> Option<Trend> {
    let count = f64::from(u32::try_from(points.len()).ok()?);
    if points.len() < 3 {
        return None;
    }
    let mean = |which: fn(&(f64, f64)) -> f64| points.iter().map(which).sum::<f64>() / count;
    let (x, y) = (mean(|p| p.0), mean(|p| p.1));
    let spread: f64 = points.iter().map(|p| (p.0 - x).powi(2)).sum();
    if spread < 1e-12 {
        return None;
    }
    let both: f64 = points.iter().map(|p| (p.0 - x) * (p.1 - y)).sum();
    let rise = both / spread;
    let off = |p: &(f64, f64)| (p.1 - y - rise * (p.0 - x)).powi(2);
    let left: f64 = points.iter().map(off).sum();
    let error = (left / (count - 2.0) / spread).sqrt();
    Some(Trend { rise, error })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_found_exactly_and_noise_has_its_error() {
        let line = [(0.0, 1.0), (1.0, 3.0), (2.0, 5.0), (5.0, 11.0)];
        let found = trend(&line).unwrap_or(Trend {
            rise: 0.0,
            error: 1.0,
        });
        assert!(
            (found.rise - 2.0).abs() < 1e-9 && found.error < 1e-9,
            "{found:?}"
        );
        // By hand: 8 of a spread of 10; what is left has squares of 3.6, over 3 of 5 points.
        let noisy = [(1.0, 2.0), (2.0, 1.0), (3.0, 4.0), (4.0, 3.0), (5.0, 5.0)];
        let found = trend(&noisy).unwrap_or(Trend {
            rise: 0.0,
            error: 0.0,
        });
        assert!((found.rise - 0.8).abs() < 1e-9, "{found:?}");
        assert!((found.error - 0.346_410_161_5).abs() < 1e-9, "{found:?}");
        assert_eq!(trend(&line[..2]), None);
        assert_eq!(trend(&[(1.0, 2.0); 5]), None);
    }
}
