//! The identity provider's keys: read now and then, and when an unknown one turns up; served as they
//! are while it is away.

mod fetch;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use fleet_auth_core::KeySet;
use sha2::{Digest as _, Sha256};
use tokio::sync::Mutex;

pub(crate) use fetch::tls;
pub use fetch::{FetchError, Fetcher, Source, SourceError};

use crate::metrics::Metrics;
use fleet_service::chain;

/// The first and the longest wait after a failure.
const RETRY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(15));

/// Which keys these are: the hash of the document they came in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Version([u8; 32]);

impl Version {
    /// Of a document.
    pub fn of(document: &[u8]) -> Self {
        Self(Sha256::digest(document).into())
    }
}

/// Keys that were read.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The keys.
    pub set: Arc<KeySet>,
    /// Which they are.
    pub version: Version,
    /// When they were read last.
    pub read: Instant,
}

/// When keys are read.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// After this time they are read again; until that works they are used as they are.
    pub ttl: Duration,
    /// Unknown keys give cause to one reading in this time at most, or anybody could send the
    /// identity provider as many requests as they like.
    pub min_interval: Duration,
}

/// The keys, and how to read them.
#[derive(Debug)]
pub struct Jwks {
    fetcher: Fetcher,
    pace: Pace,
    metrics: Arc<Metrics>,
    loaded: RwLock<Option<Loaded>>,
    /// Held while they are read, so that there is one reading at a time; when the last one that
    /// an unknown key gave cause to began.
    reading: Mutex<Option<Instant>>,
}

impl Jwks {
    /// Nothing is read yet.
    pub fn new(fetcher: Fetcher, pace: Pace, metrics: Arc<Metrics>) -> Self {
        Self {
            fetcher,
            pace,
            metrics,
            loaded: RwLock::default(),
            reading: Mutex::default(),
        }
    }

    /// The keys that were read last, however long ago that was.
    pub fn current(&self) -> Option<Loaded> {
        let loaded = self.loaded.read().unwrap_or_else(PoisonError::into_inner);
        loaded.clone()
    }

    /// Other keys than these, read anew if need be and if the pace allows.
    pub async fn newer_than(&self, known: Option<Version>) -> Option<Loaded> {
        let mut last = self.reading.lock().await;
        // Whoever waited for another's reading takes what that brought.
        let newer = |loaded: &Loaded| Some(loaded.version) != known;
        if let Some(loaded) = self.current().filter(newer) {
            return Some(loaded);
        }
        if last.is_some_and(|last| last.elapsed() < self.pace.min_interval) {
            return None;
        }
        *last = Some(Instant::now());
        self.read().await;
        self.current().filter(newer)
    }

    /// Reads them again and again.
    pub async fn follow(self: Arc<Self>) {
        let (first, longest) = RETRY;
        let mut retry = first;
        loop {
            let worked = {
                let _alone = self.reading.lock().await;
                self.read().await
            };
            let pause = if worked { self.pace.ttl } else { retry };
            retry = if worked {
                first
            } else {
                (retry * 2).min(longest)
            };
            // Replicas that started together do not ask together for ever.
            tokio::time::sleep(pause.mul_f64(0.9 + fastrand::f64() / 5.0)).await;
        }
    }

    async fn read(&self) -> bool {
        let before = self.current();
        match self.fetcher.fetch().await {
            Ok((set, version)) => {
                self.metrics.read_keys("ok");
                if before.is_none_or(|before| before.version != version) {
                    tracing::info!(keys = ?set, "the identity provider's keys were read");
                }
                let loaded = Loaded {
                    set: Arc::new(set),
                    version,
                    read: Instant::now(),
                };
                *self.loaded.write().unwrap_or_else(PoisonError::into_inner) = Some(loaded);
                true
            }
            Err(error) => {
                self.metrics.read_keys(error.reason());
                let age = before.map(|before| before.read.elapsed().as_secs());
                let reason = error.reason();
                let error = chain(&error);
                tracing::warn!(
                    reason,
                    error,
                    age,
                    "failed to read the identity provider's keys"
                );
                false
            }
        }
    }
}
