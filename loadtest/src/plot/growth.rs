//! How a cost grows with the size of the fleet.

/// The exponent `k` of `cost = c * size^k` that fits best, by least squares of the logarithms; none with
/// fewer than two sizes.
pub fn exponent(points: &[(f64, f64)]) -> Option<f64> {
    let positive = points
        .iter()
        .filter(|(size, cost)| *size > 0.0 && *cost > 0.0);
    let logs: Vec<_> = positive
        .map(|(size, cost)| (size.ln(), cost.ln()))
        .collect();
    let count = f64::from(u32::try_from(logs.len()).ok()?);
    let mean = |which: fn(&(f64, f64)) -> f64| logs.iter().map(which).sum::<f64>() / count;
    let (x, y) = (mean(|p| p.0), mean(|p| p.1));
    let above: f64 = logs.iter().map(|p| (p.0 - x) * (p.1 - y)).sum();
    let below: f64 = logs.iter().map(|p| (p.0 - x).powi(2)).sum();
    (below > 1e-12).then(|| above / below)
}

#[cfg(test)]
mod tests {
    use super::exponent;

    #[test]
    fn powers_are_found() {
        for power in [0.0, 0.5, 1.0, 2.0] {
            let cost = |size: f64| (size, 3.0 * size.powf(power));
            let points = [1e3, 1e4, 1e5].map(cost);
            let found = exponent(&points).unwrap_or(f64::NAN);
            assert!((found - power).abs() < 1e-9, "{found}");
        }
        assert_eq!(exponent(&[(1.0, 2.0)]), None);
        assert_eq!(exponent(&[(1.0, 2.0), (1.0, 3.0)]), None);
        assert_eq!(exponent(&[]), None);
    }
}
