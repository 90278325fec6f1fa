//! The identity provider's keys: read now and then, and when an unknown one turns up; served as they
//! are while it is away.

mod fetch;
mod kept;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use fleet_auth_core::KeySet;
use sha2::{Digest as _, Sha256};
use tokio::sync::Mutex;

pub use fetch::{FetchError, Fetcher, Source, SourceError};
pub(crate) use fetch::{issuers_host, tls};
pub use kept::{KeptError, KeptKeys};

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
    /// When this process had them.
    since: Instant,
    /// How old they were then. An instant before the machine started could not be said otherwise.
    aged: Duration,
}

impl Loaded {
    /// How long ago they were read.
    pub fn age(&self) -> Duration {
        self.aged + self.since.elapsed()
    }
}

/// When keys are read.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// After this time they are read again; until that works they are used as they are.
    pub ttl: Duration,
    /// Unknown keys give cause to one reading in this time at most, or anybody could send the
    /// identity provider as many requests as they like.
    pub min_interval: Duration,
    /// Keys that were not read again for this long verify nothing more: the identity provider may have
    /// taken one back long ago.
    pub max_age: Duration,
}

/// The keys, and how to read them.
#[derive(Debug)]
pub struct Jwks {
    fetcher: Fetcher,
    pace: Pace,
    metrics: Arc<Metrics>,
    /// Where they outlive this process.
    kept: Option<KeptKeys>,
    loaded: RwLock<Option<Loaded>>,
    /// Held while they are read, so that there is one reading at a time; when the last one that
    /// an unknown key gave cause to began.
    reading: Mutex<Option<Instant>>,
}

impl Jwks {
    /// Has the keys that an earlier process kept, if there are good ones; reads none yet.
    pub fn new(
        fetcher: Fetcher,
        pace: Pace,
        kept: Option<KeptKeys>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let loaded = kept.as_ref().and_then(|kept| load(kept, pace.max_age));
        Self {
            fetcher,
            pace,
            metrics,
            kept,
            loaded: RwLock::new(loaded),
            reading: Mutex::default(),
        }
    }

    /// Keys to verify with: those that were read last, or a moment ago if those are too old.
    pub async fn usable(&self) -> Option<Loaded> {
        let usable = |loaded: &Loaded| loaded.age() <= self.pace.max_age;
        if let Some(loaded) = self.current().filter(usable) {
            return Some(loaded);
        }
        let mut last = self.reading.lock().await;
        if let Some(loaded) = self.current().filter(usable) {
            return Some(loaded);
        }
        if last.is_some_and(|last| last.elapsed() < self.pace.min_interval) {
            return None;
        }
        *last = Some(Instant::now());
        self.read().await;
        self.current().filter(usable)
    }

    /// The keys that were read last, however long ago that was.
    pub fn current(&self) -> Option<Loaded> {
        let loaded = self.loaded.read().unwrap_or_else(PoisonError::into_inner);
        loaded.clone()
    }

    /// Other keys than these, read anew if need be and if the pace allows.
    pub async fn newer_than(&self, known: Version) -> Option<Loaded> {
        let mut last = self.reading.lock().await;
        // Whoever waited for another's reading takes what that brought.
        let newer = |loaded: &Loaded| loaded.version != known;
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
            Ok((set, document)) => {
                self.metrics.read_keys("ok");
                let version = Version::of(&document);
                self.keep(&document);
                if before.is_none_or(|before| before.version != version) {
                    tracing::info!(keys = ?set, "the identity provider's keys were read");
                }
                let loaded = Loaded {
                    set: Arc::new(set),
                    version,
                    since: Instant::now(),
                    aged: Duration::ZERO,
                };
                *self.loaded.write().unwrap_or_else(PoisonError::into_inner) = Some(loaded);
                true
            }
            Err(error) => {
                self.metrics.read_keys(error.reason());
                let age = before.map(|before| before.age().as_secs());
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

    fn keep(&self, document: &[u8]) {
        let saved = self.kept.as_ref().map(|kept| kept.save(document));
        if let Some(Err(error)) = saved {
            tracing::warn!(
                error = chain(&error),
                "the keys will not outlive this process"
            );
        }
    }
}

/// Keys of an earlier process.
fn load(kept: &KeptKeys, max_age: Duration) -> Option<Loaded> {
    match kept.load(max_age) {
        Ok(Some((set, version, age))) => {
            tracing::info!(keys = ?set, age = age.as_secs(), "keys of an earlier process are used");
            Some(Loaded {
                set: Arc::new(set),
                version,
                since: Instant::now(),
                aged: age,
            })
        }
        Ok(None) => None,
        Err(error) => {
            tracing::warn!(
                error = chain(&error),
                "keys of an earlier process are not used"
            );
            None
        }
    }
}
