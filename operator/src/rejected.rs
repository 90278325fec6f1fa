//! What was refused: logged once, counted always.

use std::collections::HashSet;
use std::error::Error;
use std::sync::{Mutex, PoisonError};

use fleet_service::chain;

use crate::metrics::Metrics;

/// The most refusals remembered; beyond that all are forgotten and may be logged once more.
const REMEMBERED: usize = 10_000;

/// Remembers what was logged already.
#[derive(Debug, Default)]
pub struct Rejected {
    logged: Mutex<HashSet<(&'static str, String, &'static str)>>,
}

impl Rejected {
    /// Counts a refusal, and logs it if this key was not refused for this reason before.
    pub fn note(
        &self,
        metrics: &Metrics,
        source: &'static str,
        key: &str,
        reason: &'static str,
        error: &(dyn Error + 'static),
    ) {
        metrics.rejected(source, reason);
        let shown: String = key.chars().take(200).collect();
        if self.first(source, &shown, reason) {
            let error = chain(error);
            tracing::warn!(
                source,
                key = shown,
                reason,
                error,
                "refused; the previous value stays"
            );
        }
    }

    fn first(&self, source: &'static str, key: &str, reason: &'static str) -> bool {
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        if logged.len() >= REMEMBERED {
            logged.clear();
        }
        logged.insert((source, key.to_owned(), reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_refusal_is_logged_once_and_another_reason_again() {
        let rejected = Rejected::default();
        assert!(rejected.first("device-info", "a", "Malformed"));
        assert!(!rejected.first("device-info", "a", "Malformed"));
        assert!(rejected.first("device-info", "a", "Oversize"));
        assert!(rejected.first("device-info", "b", "Malformed"));
    }
}
