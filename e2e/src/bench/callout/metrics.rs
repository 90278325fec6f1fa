//! What the callout says of itself.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::{Error, http};

/// A page may take longer than one try while everybody logs in.
const TRIES: usize = 20;

/// Verdicts by reason, and how long they took: bucket's upper bound in seconds, verdicts up to it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Metrics {
    verdicts: BTreeMap<String, u64>,
    within: Vec<(f64, u64)>,
}

impl Metrics {
    /// As they are now.
    pub(super) async fn read(address: SocketAddr) -> Result<Self, Error> {
        for _ in 0..TRIES {
            if let Some(page) = http::text(address, "/metrics").await {
                return Ok(Self::parse(&page));
            }
        }
        let message = format!("no metrics at http://{address}/metrics");
        Err(Error::Unexpected(message))
    }

    fn parse(page: &str) -> Self {
        let mut metrics = Self::default();
        for line in page.lines().filter(|line| !line.starts_with('#')) {
            let Some((name, value)) = line.rsplit_once(' ') else {
                continue;
            };
            let Ok(value) = value.parse::<u64>() else {
                continue;
            };
            let label = |prefix| -> Option<&str> { name.strip_prefix(prefix)?.strip_suffix("\"}") };
            if let Some(reason) = label("fleet_auth_verdicts_total{reason=\"") {
                metrics.verdicts.insert(reason.to_owned(), value);
            }
            let bound = label("fleet_auth_verdict_seconds_bucket{le=\"");
            if let Some(bound) = bound.and_then(|bound| bound.parse().ok()) {
                metrics.within.push((bound, value));
            }
        }
        metrics
    }

    /// What happened since `earlier`.
    pub(super) fn since(&self, earlier: &Self) -> Self {
        let before = |reason: &String| earlier.verdicts.get(reason).copied().unwrap_or(0);
        let verdicts = self
            .verdicts
            .iter()
            .map(|(r, n)| (r.clone(), n - before(r)));
        let old = earlier.within.iter().map(|(_, n)| *n);
        let within = self.within.iter().zip(old.chain(std::iter::repeat(0)));
        Self {
            verdicts: verdicts.filter(|(_, n)| *n > 0).collect(),
            within: within.map(|((bound, n), old)| (*bound, n - old)).collect(),
        }
    }

    /// How often somebody was let in.
    pub(super) fn admitted(&self) -> u64 {
        self.verdicts.get("Admitted").copied().unwrap_or(0)
    }

    /// Everything else, by reason.
    pub(super) fn refused(&self) -> BTreeMap<&str, u64> {
        let others = self.verdicts.iter().filter(|(r, _)| *r != "Admitted");
        others.map(|(reason, n)| (reason.as_str(), *n)).collect()
    }

    /// The time in milliseconds within which this part (0 to 1) of the verdicts came: the bound of
    /// the bucket in which it lies, so never less than it was. None without verdicts, or when it lies
    /// beyond all bounds.
    pub(super) fn within_ms(&self, part: f64) -> Option<f64> {
        let total = self.within.last().map_or(0, |(_, n)| *n);
        let wanted = share(total, part);
        let mut bounds = self.within.iter();
        let found = bounds.find(|(_, n)| total > 0 && *n >= wanted);
        found
            .map(|(bound, _)| bound * 1000.0)
            .filter(|ms| ms.is_finite())
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "counts are far below 2^52"
)]
fn share(total: u64, part: f64) -> u64 {
    (total as f64 * part).ceil() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# HELP x\n\
        fleet_auth_verdicts_total{reason=\"Admitted\"} 90\n\
        fleet_auth_verdicts_total{reason=\"RateLimited\"} 10\n\
        fleet_auth_verdict_seconds_bucket{le=\"0.001\"} 50\n\
        fleet_auth_verdict_seconds_bucket{le=\"0.01\"} 99\n\
        fleet_auth_verdict_seconds_bucket{le=\"+Inf\"} 100\n";

    #[test]
    fn verdicts_and_their_times_are_read_from_the_page() {
        let metrics = Metrics::parse(PAGE);
        assert_eq!(metrics.admitted(), 90);
        assert_eq!(metrics.refused(), BTreeMap::from([("RateLimited", 10)]));
        assert_eq!(metrics.within_ms(0.5), Some(1.0));
        assert_eq!(metrics.within_ms(0.99), Some(10.0));
        assert_eq!(metrics.within_ms(1.0), None);
    }

    #[test]
    fn what_was_before_does_not_count() {
        let metrics = Metrics::parse(PAGE);
        let since = metrics.since(&metrics);
        assert_eq!(since.admitted(), 0);
        assert_eq!(
            (since.refused(), since.within_ms(0.5)),
            (BTreeMap::new(), None)
        );
        assert_eq!(metrics.since(&Metrics::default()), metrics);
    }
}
