//! A session that is kept: renewed in time, and opened anew when its token is good no more.

use std::sync::Arc;
use std::time::{Duration, Instant};

use fleet_service::chain;
use tokio::sync::Mutex;

use super::client::{BaoError, BaoSettings, Session};

/// Sessions of one identity, one after the other.
#[derive(Debug)]
pub struct Keeper {
    settings: BaoSettings,
    live: Mutex<Option<Live>>,
}

/// A session and its times.
#[derive(Debug)]
struct Live {
    session: Arc<Session>,
    renew: Instant,
    end: Instant,
}

impl Live {
    fn new(session: Arc<Session>, lease: Duration, now: Instant) -> Self {
        // For ever is not: a year.
        let lease = if lease.is_zero() {
            Duration::from_secs(365 * 24 * 3600)
        } else {
            lease
        };
        Self {
            session,
            renew: now + lease * 2 / 3,
            end: now + lease,
        }
    }
}

impl Keeper {
    /// Asks nobody yet.
    pub fn new(settings: BaoSettings) -> Self {
        Self {
            settings,
            live: Mutex::default(),
        }
    }

    /// The session, renewed in time, or a new one.
    ///
    /// # Errors
    /// When OpenBao refuses or cannot be reached.
    pub async fn session(&self) -> Result<Arc<Session>, BaoError> {
        let mut live = self.live.lock().await;
        let now = Instant::now();
        if let Some(held) = live.as_ref() {
            if now < held.renew {
                return Ok(Arc::clone(&held.session));
            }
            if now < held.end && held.session.renewable {
                match held.session.renew().await {
                    Ok(lease) => {
                        let session = Arc::clone(&held.session);
                        *live = Some(Live::new(Arc::clone(&session), lease, now));
                        return Ok(session);
                    }
                    Err(error) => {
                        let error = chain(&error);
                        tracing::info!(error, "the token was not renewed; logging in again");
                    }
                }
            }
        }
        let session = Arc::new(Session::open(&self.settings).await?);
        *live = Some(Live::new(Arc::clone(&session), session.lease, now));
        Ok(session)
    }

    /// The next one is to be new: the token may have been revoked, or OpenBao been restored from a
    /// backup.
    pub async fn forget(&self, session: &Arc<Session>) {
        let mut live = self.live.lock().await;
        // Somebody else may have logged in again already.
        let held = live.as_ref();
        if held.is_some_and(|held| Arc::ptr_eq(&held.session, session)) {
            *live = None;
        }
    }
}
