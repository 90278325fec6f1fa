//! The rank test of Mann, Whitney and Wilcoxon, exact for any number of ties.
//!
//! It asks nothing of how figures are distributed: only how likely their order would be if both sides
//! were the same.

/// What two sides of figures say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outcome {
    /// How likely it is that the sides differ so much by chance, in either direction.
    pub p: f64,
    /// The least that so many figures could show. Above the level that is asked for, they cannot tell.
    pub least: f64,
}

/// Compares two sides.
pub fn test(one: &[f64], other: &[f64]) -> Outcome {
    let ranks = doubled_ranks(one, other);
    let sum: usize = ranks.iter().take(one.len()).sum();
    let ways = ways(&ranks, one.len());
    let total: f64 = ways.iter().sum();
    let below: f64 = ways.iter().take(sum + 1).sum();
    let above: f64 = ways.iter().skip(sum).sum();
    let p = if total > 0.0 {
        (2.0 * below.min(above) / total).min(1.0)
    } else {
        1.0
    };
    let least = if total > 0.0 {
        (2.0 / total).min(1.0)
    } else {
        1.0
    };
    Outcome { p, least }
}

/// Twice the rank of each figure among all, those of `one` first; equal ones share theirs.
fn doubled_ranks(one: &[f64], other: &[f64]) -> Vec<usize> {
    let all: Vec<f64> = one.iter().chain(other).copied().collect();
    let rank = |value: &f64| {
        let less = all.iter().filter(|v| v.total_cmp(value).is_lt()).count();
        let same = all.iter().filter(|v| v.total_cmp(value).is_eq()).count();
        2 * less + same + 1
    };
    all.iter().map(rank).collect()
}

/// In how many ways so many of the ranks have each sum.
fn ways(ranks: &[usize], count: usize) -> Vec<f64> {
    let most: usize = ranks.iter().sum();
    let mut ways = vec![vec![0.0; most + 1]; count + 1];
    ways[0][0] = 1.0;
    for &rank in ranks {
        for taken in (1..=count).rev() {
            for sum in (rank..=most).rev() {
                let more = ways[taken - 1][sum - rank];
                ways[taken][sum] += more;
            }
        }
    }
    ways.pop().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_about(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-9, "{found}, not {expected}");
    }

    #[test]
    fn tables_of_the_test_say_the_same() {
        // C(8, 4) = 70 orders, two of which are the most extreme.
        let outcome = test(&[1.0, 2.0, 3.0, 4.0], &[5.0, 6.0, 7.0, 8.0]);
        is_about(outcome.p, 2.0 / 70.0);
        is_about(outcome.least, 2.0 / 70.0);
        // U = 2 of 5 and 5: 4 of 252 orders are as extreme on one side.
        let outcome = test(&[1.0, 2.0, 3.0, 4.0, 7.0], &[5.0, 6.0, 8.0, 9.0, 10.0]);
        is_about(outcome.p, 2.0 * 4.0 / 252.0);
    }

    #[test]
    fn equal_sides_and_single_figures_say_nothing() {
        is_about(test(&[1.0, 1.0, 1.0], &[1.0, 1.0, 1.0]).p, 1.0);
        is_about(test(&[1.0], &[9.0]).least, 1.0);
        is_about(test(&[], &[9.0]).p, 1.0);
    }
}
