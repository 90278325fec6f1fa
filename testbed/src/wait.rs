//! Waiting on a predicate with a deadline.

use std::time::{Duration, Instant};

/// How often a predicate is asked at first; it then backs off, so that long waits cost little.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// Asks `predicate` until it says yes or `limit` is over; says whether it said yes.
pub async fn until<F: Future<Output = bool>>(limit: Duration, predicate: impl Fn() -> F) -> bool {
    let deadline = Instant::now() + limit;
    let mut pause = FIRST_PAUSE;
    loop {
        if predicate().await {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 3 / 2).min(LONGEST_PAUSE);
    }
}

/// The same without a runtime, for clean-up in destructors.
pub(crate) fn until_blocking(limit: Duration, predicate: impl Fn() -> bool) -> bool {
    let deadline = Instant::now() + limit;
    while !predicate() {
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(FIRST_PAUSE);
    }
    true
}
