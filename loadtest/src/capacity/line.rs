//! A cost as a line over the size of the fleet.

/// What rises by less than this part of itself over all sizes, or falls, does not depend on the size.
const FLAT: f64 = 0.1;

/// So much for an empty fleet, and so much more for each device.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Line {
    /// Without any device.
    pub base: f64,
    /// For each device.
    pub each: f64,
}

impl Line {
    /// The line that fits best, where being off by a tenth is as bad for a small fleet as for a large
    /// one; none with fewer than two sizes.
    pub fn through(points: &[(f64, f64)]) -> Option<Self> {
        let positive = points.iter().filter(|(_, cost)| *cost > 0.0);
        let weighed: Vec<_> = positive.map(|&(n, y)| (n, y, 1.0 / (y * y))).collect();
        let sum = |of: fn(&(f64, f64, f64)) -> f64| weighed.iter().map(of).sum::<f64>();
        let all = sum(|p| p.2);
        let (x, y) = (sum(|p| p.2 * p.0) / all, sum(|p| p.2 * p.1) / all);
        let off = |p: &(f64, f64, f64)| p.2 * (p.0 - x).powi(2);
        let spread: f64 = weighed.iter().map(off).sum();
        let both = |p: &(f64, f64, f64)| p.2 * (p.0 - x) * (p.1 - y);
        let each = weighed.iter().map(both).sum::<f64>() / spread;
        let largest = weighed.iter().map(|p| p.0).max_by(f64::total_cmp)?;
        let each = if each * largest < FLAT * y { 0.0 } else { each };
        let base = y - each * x;
        let two = weighed.iter().any(|p| (p.0 - x).abs() > 0.5);
        (two && each.is_finite() && base.is_finite()).then_some(Self { base, each })
    }

    /// The cost of a fleet.
    pub fn at(self, devices: f64) -> f64 {
        self.base + self.each * devices
    }

    /// The fleet that costs so much; none if no fleet does.
    pub fn reaches(self, cost: f64) -> Option<f64> {
        let devices = (cost - self.base) / self.each;
        (self.each > 0.0 && devices > 0.0).then_some(devices)
    }
}

#[cfg(test)]
mod tests {
    use super::Line;

    #[test]
    fn a_line_is_found_and_read_both_ways() {
        let points = [1e3, 1e4, 1e5].map(|n| (n, 20.0 + 0.01 * n));
        let line = Line::through(&points).unwrap_or(Line {
            base: 0.0,
            each: 0.0,
        });
        assert!((line.base - 20.0).abs() < 1e-6 && (line.each - 0.01).abs() < 1e-9);
        assert!((line.at(1e6) - 10_020.0).abs() < 1e-3, "{line:?}");
        let reached = line.reaches(1_020.0).unwrap_or_default();
        assert!((reached - 1e5).abs() < 1e-3, "{reached}");
        assert_eq!(line.reaches(10.0), None, "it costs more without a device");
    }

    #[test]
    fn a_small_fleet_counts_as_much_as_a_large_one() {
        // By their squares alone the line would go through the largest, and be off by half at the first.
        let points = [(1e3, 10.0), (2e3, 20.0), (1e5, 1_100.0)];
        let line = Line::through(&points).map(|line| line.at(1e3));
        assert!(
            line.is_some_and(|first| (first - 10.0).abs() < 0.5),
            "{line:?}"
        );
    }

    #[test]
    fn what_hardly_rises_is_flat() {
        let points = [(1e3, 30.0), (3e3, 37.0), (1e4, 29.0)];
        let line = Line::through(&points);
        let flat = line.is_some_and(|l| l.each.abs() < 1e-12 && (29.0..37.0).contains(&l.base));
        assert!(flat, "{line:?}");
        assert_eq!(line.and_then(|line| line.reaches(1e6)), None);
    }

    #[test]
    fn one_size_is_no_line() {
        for points in [&[][..], &[(1e3, 2.0)], &[(1e3, 2.0), (1e3, 3.0)]] {
            assert_eq!(Line::through(points), None, "{points:?}");
        }
    }
}
