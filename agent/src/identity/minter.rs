//! Has a token at hand whenever the bus asks for one.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fleet_agent_core::identity::{AccessToken, Failed, Schedule};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::Helper;
use crate::bus::{Authentication, CredentialError, CredentialSource};
use crate::clock::boottime;

/// A connect attempt waits so long for a token: less than a server waits for its client, so the
/// attempt ends here and is repeated, and the server has nothing to complain about.
const PATIENCE: Duration = Duration::from_millis(1500);
/// Sleeps are no longer, because they do not count while the device is suspended.
const LONGEST_SLEEP: u64 = 60_000;

/// Mints tokens in the background, ahead of need.
#[derive(Debug)]
pub(crate) struct Minter {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    schedule: Mutex<Schedule>,
    failed: Mutex<Option<Failed>>,
    /// Rises when a token came, or the next attempt was moved.
    news: watch::Sender<u64>,
}

impl Shared {
    fn schedule(&self) -> MutexGuard<'_, Schedule> {
        // A panic ends the agent; the schedule would be whole regardless.
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self) -> MutexGuard<'_, Option<Failed>> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self) {
        self.news.send_modify(|n| *n = n.wrapping_add(1));
    }

    /// The token to present now, noting that it is.
    fn present(&self) -> Option<AccessToken> {
        let now = boottime();
        let mut schedule = self.schedule();
        let token = schedule.usable(now).cloned()?;
        if schedule.presented(now, &mut fastrand::f64) {
            drop(schedule);
            tracing::warn!("the bus does not let this device in; asking for a fresh token");
            self.tell();
        }
        Some(token)
    }
}

impl Minter {
    /// Starts asking.
    pub(crate) fn start(helper: Helper) -> Self {
        let shared = Arc::new(Shared {
            schedule: Mutex::new(Schedule::new(boottime())),
            failed: Mutex::default(),
            news: watch::Sender::new(0),
        });
        tokio::spawn(mint(helper, shared.clone()));
        Self { shared }
    }
}

impl CredentialSource for Minter {
    fn authenticate(&self, _nonce: Vec<u8>) -> Authentication {
        let shared = self.shared.clone();
        Box::pin(async move {
            let mut news = shared.news.subscribe();
            let waiting = async {
                loop {
                    if let Some(token) = shared.present() {
                        return token;
                    }
                    // The sender is in `shared`, which lives as long as this.
                    let _ = news.changed().await;
                }
            };
            let Ok(token) = timeout(PATIENCE, waiting).await else {
                let failed = shared.failed().clone();
                let no_token = |failed| CredentialError::NoToken { failed };
                return Err(failed.map_or(CredentialError::NoTokenYet, no_token));
            };
            let mut auth = async_nats::Auth::new();
            auth.token = Some(token.expose().to_owned());
            Ok(auth)
        })
    }

    fn accepted(&self) {
        self.shared.schedule().accepted();
    }
}

async fn mint(mut helper: Helper, shared: Arc<Shared>) {
    let mut news = shared.news.subscribe();
    loop {
        let due = shared.schedule().due();
        let wait = due.since(boottime()).min(LONGEST_SLEEP);
        if wait > 0 {
            tokio::select! {
                () = sleep(Duration::from_millis(wait)) => {}
                _ = news.changed() => {}
            }
            continue;
        }
        let asked = boottime();
        match helper.mint().await {
            Ok(minted) => {
                let seconds = minted.life / 1000;
                let again = shared.failed().take().is_some();
                if again {
                    tracing::info!(seconds, "the provider issues tokens again");
                } else {
                    tracing::debug!(seconds, "new token");
                }
                shared.schedule().minted(minted, asked, &mut fastrand::f64);
                shared.tell();
            }
            Err(failed) => fail(&shared, failed),
        }
        news.mark_unchanged();
    }
}

fn fail(shared: &Shared, failed: Failed) {
    let now = boottime();
    let mut schedule = shared.schedule();
    schedule.failed(failed.reason, now, &mut fastrand::f64);
    let again_in = schedule.due().since(now) / 1000;
    let still_good = schedule.usable(now).is_some();
    drop(schedule);
    let reason = failed.reason;
    tracing::warn!(%reason, message = failed.message, again_in, still_good, "no new token");
    *shared.failed() = Some(failed);
}
