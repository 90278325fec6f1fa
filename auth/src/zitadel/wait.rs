//! Waits for a Zitadel that is still starting, and says for what.

use std::time::{Duration, Instant};

use fleet_service::chain;

use super::connection::{Connection, IdpError};

/// The first and the longest pause between two questions.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(15));

/// Comes back when it is there, and the one that is meant. What nobody but a person can change ends the
/// waiting at once.
///
/// # Errors
/// What it said last, when `patience` has come to its end.
pub(super) async fn wait(connection: &Connection, patience: Duration) -> Result<(), IdpError> {
    let deadline = Instant::now() + patience;
    let (mut pause, longest) = PAUSES;
    let mut said = String::new();
    loop {
        let error = match connection.greet().await {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        let left = deadline.saturating_duration_since(Instant::now());
        if !error.passes() || left.is_zero() {
            return Err(error);
        }
        let error = chain(&error);
        if error != said {
            tracing::info!(
                error,
                seconds = left.as_secs(),
                "waiting for the identity provider"
            );
            said = error;
        }
        // Nobody else waits with this one; the jitter is for the provider's sake, which starts.
        let jittered = pause.mul_f64(0.5 + fastrand::f64() / 2.0);
        tokio::time::sleep(jittered.min(left)).await;
        pause = (pause * 2).min(longest);
    }
}
