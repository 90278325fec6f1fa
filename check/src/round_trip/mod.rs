//! The sequence: step after step, each with a line as it happens, and nothing left at the end.

mod error;
mod joining;
mod leaving;
mod running;
mod say;
mod trip;
mod wait;

use std::time::Duration;

use fleet_check_core::Step;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

pub use error::{StartError, TripError};
pub use leaving::Remains;

use crate::args::RoundTripArgs;
use say::Said;
use trip::Trip;

/// How long each kind of thing may take to go after a failure. A pod that is stopped has half a
/// minute for all of it.
const CLEANING: Duration = Duration::from_secs(12);

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    /// The step that failed, if one did.
    pub failed: Option<Step>,
    /// What could not be removed.
    pub remains: Vec<Remains>,
}

impl Outcome {
    /// Whether everything went, and nothing is left.
    pub fn is_good(&self) -> bool {
        self.failed.is_none() && self.remains.is_empty()
    }
}

/// Does all of it, and prints a line for each step. Cancelling `stop` ends it early, and removes what
/// was made.
///
/// # Errors
/// When it cannot begin; then nothing was made.
pub async fn run(args: &RoundTripArgs, stop: &CancellationToken) -> Result<Outcome, StartError> {
    let began = Instant::now();
    let deadline = began + args.limit();
    let mut trip = Trip::start(args).await?;
    say::begin();
    for step in Step::ALL {
        let at = Instant::now();
        let outcome = tokio::select! {
            outcome = timeout_at(deadline, trip.go(step)) => outcome.unwrap_or(Err(TripError::Late)),
            () = stop.cancelled() => Err(TripError::Stopped),
        };
        let Err(error) = outcome else {
            say::done(step, at.elapsed());
            continue;
        };
        say::failed(&Said {
            step,
            took: at.elapsed(),
            error: &error,
            waiting: &trip.waiting.last(),
            agent: &trip.last_words(),
        });
        let remains = trip.leave(CLEANING).await;
        say::over(step, began.elapsed(), &remains);
        let failed = Some(step);
        return Ok(Outcome { failed, remains });
    }
    say::passed(began.elapsed());
    Ok(Outcome {
        failed: None,
        remains: Vec::new(),
    })
}
