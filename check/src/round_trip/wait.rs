//! Waiting, and remembering for what: when the time is over, that is what people need to know.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use fleet_service::chain;
use tokio::time::sleep;

use super::TripError;

/// Between two looks. A look is one or two small requests, and the whole check has a dozen waits.
const LOOK: Duration = Duration::from_millis(200);

/// What was last seen to be missing.
#[derive(Debug, Default)]
pub(super) struct Waiting(Mutex<String>);

/// What a look found.
pub(super) enum Look<T> {
    /// What was waited for.
    Done(T),
    /// What is missing, for people.
    Missing(String),
}

impl From<Option<String>> for Look<()> {
    fn from(missing: Option<String>) -> Self {
        missing.map_or(Self::Done(()), Self::Missing)
    }
}

impl Waiting {
    /// Looks again and again until it is so. An API server that is away for a moment is waited for.
    pub(super) async fn until<T>(
        &self,
        mut look: impl AsyncFnMut() -> Result<Look<T>, TripError>,
    ) -> Result<T, TripError> {
        loop {
            let missing = match look().await {
                Ok(Look::Done(found)) => {
                    self.set(String::new());
                    return Ok(found);
                }
                Ok(Look::Missing(missing)) => missing,
                Err(error) if error.is_lasting() => return Err(error),
                Err(error) => chain(&error),
            };
            self.set(missing);
            sleep(LOOK).await;
        }
    }

    /// What was last missing; empty if nothing was waited for.
    pub(super) fn last(&self) -> String {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn set(&self, missing: String) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = missing;
    }
}
