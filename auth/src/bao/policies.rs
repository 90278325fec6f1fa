//! Policies from OpenBao's records. What was read goes on being used for a stated time while
//! OpenBao is away, so that an outage there is none of the fleet.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::{Duration, Instant};

use fleet_auth_core::DevicePolicy;
use fleet_contracts::DeviceId;
use tokio::sync::Mutex;
use vaultrs::error::ClientError;
use vaultrs::kv2;

use super::cache::{Cache, Known};
use super::client::{Answer, BaoError, BaoSettings, Session};
use super::setup::{DEVICES, KV_MOUNT};
use crate::clock;
use crate::metrics::Metrics;
use crate::policy::{PolicyError, PolicySource};
use fleet_service::chain;

/// Readings at the same time; also keeps a device from being read twice at once.
const LANES: usize = 64;
/// After a failure nobody waits for OpenBao for this long: what is known is used, or refused.
const PAUSE: Duration = Duration::from_secs(1);

/// Why a record is not at hand.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// OpenBao cannot be read, and what is known is too old or nothing.
    #[error("OpenBao cannot be read, and {known} known of this device")]
    Away {
        /// What there is.
        known: &'static str,
        /// Why it cannot; none if it failed a moment ago and was not asked again.
        #[source]
        source: Option<BaoError>,
    },
    /// The record is no policy, or of a newer version: a restriction might be overlooked.
    #[error("the record of this device is no policy")]
    Malformed(#[source] serde_json::Error),
}

/// How long records are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Freshness {
    /// Without asking again. This is how long a device that was denied can log in once more.
    pub fresh: Duration,
    /// While OpenBao is away.
    pub max_age: Duration,
    /// Devices whose records are kept.
    pub capacity: usize,
}

/// Policies in OpenBao, at `kv/data/devices/<id>`.
#[derive(Debug)]
pub struct OpenBaoPolicies {
    settings: BaoSettings,
    freshness: Freshness,
    cache: Cache,
    lanes: Vec<Mutex<()>>,
    live: Mutex<Option<Live>>,
    /// Not to be asked before this.
    paused: StdMutex<Option<Instant>>,
    metrics: Arc<Metrics>,
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

impl OpenBaoPolicies {
    /// Asks nobody before the first device logs in.
    pub fn new(settings: BaoSettings, freshness: Freshness, metrics: Arc<Metrics>) -> Self {
        Self {
            settings,
            freshness,
            cache: Cache::new(freshness.capacity),
            lanes: (0..LANES).map(|_| Mutex::default()).collect(),
            live: Mutex::default(),
            paused: StdMutex::default(),
            metrics,
        }
    }

    /// Records that are kept.
    pub fn kept(&self) -> usize {
        self.cache.len()
    }

    async fn policy(&self, device: &DeviceId) -> Result<Option<DevicePolicy>, RecordError> {
        if let Some(known) = self.known(device, self.freshness.fresh) {
            return Ok(known.policy);
        }
        let _lane = self.lane(device).lock().await;
        // Whoever was in the lane before may have read it.
        if let Some(known) = self.known(device, self.freshness.fresh) {
            return Ok(known.policy);
        }
        let error = if self.is_paused() {
            None
        } else {
            match self.read(device).await {
                Ok(policy) => return Ok(policy),
                Err(ReadError::Malformed(source)) => return Err(RecordError::Malformed(source)),
                Err(ReadError::Bao(error)) => Some(error),
            }
        };
        if let Some(known) = self.known(device, self.freshness.max_age) {
            self.metrics.read_policy("stale");
            return Ok(known.policy);
        }
        let too_old = self.cache.get(device, Instant::now()).is_some();
        Err(RecordError::Away {
            known: if too_old { "too little" } else { "nothing" },
            source: error,
        })
    }

    fn known(&self, device: &DeviceId, age: Duration) -> Option<Known> {
        let known = self.cache.get(device, Instant::now());
        known.filter(|known| known.age <= age)
    }

    fn lane(&self, device: &DeviceId) -> &Mutex<()> {
        let mut hasher = DefaultHasher::new();
        device.hash(&mut hasher);
        let lanes = self.lanes.len() as u64;
        let index = usize::try_from(hasher.finish() % lanes).unwrap_or(0);
        &self.lanes[index]
    }

    fn is_paused(&self) -> bool {
        let paused = self.paused.lock().unwrap_or_else(PoisonError::into_inner);
        paused.is_some_and(|until| Instant::now() < until)
    }

    /// Reads, keeps and counts.
    async fn read(&self, device: &DeviceId) -> Result<Option<DevicePolicy>, ReadError> {
        let outcome = self.ask(device).await;
        match &outcome {
            Ok(policy) => {
                self.cache.put(device, policy.clone(), Instant::now());
                self.metrics.read_policy("ok");
                self.metrics.policies_answered_at(clock::now());
            }
            Err(ReadError::Malformed(_)) => self.metrics.read_policy("malformed"),
            Err(ReadError::Bao(error)) => {
                self.metrics.read_policy("failed");
                let error = chain(error);
                tracing::warn!(
                    error,
                    "OpenBao cannot be read; what is known stays in force"
                );
                let mut paused = self.paused.lock().unwrap_or_else(PoisonError::into_inner);
                *paused = Some(Instant::now() + PAUSE);
            }
        }
        outcome
    }

    async fn ask(&self, device: &DeviceId) -> Result<Option<DevicePolicy>, ReadError> {
        let session = self.session().await?;
        match record(&session, device).await {
            // The token may have been revoked, or OpenBao been restored from a backup.
            Err(ReadError::Bao(error)) if is_denied(&error) => {
                self.forget(&session).await;
                record(&*self.session().await?, device).await
            }
            outcome => outcome,
        }
    }

    /// The session, renewed in time, or a new one.
    async fn session(&self) -> Result<Arc<Session>, BaoError> {
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

    async fn forget(&self, session: &Arc<Session>) {
        let mut live = self.live.lock().await;
        // Another device may have logged in again already.
        if live
            .as_ref()
            .is_some_and(|held| Arc::ptr_eq(&held.session, session))
        {
            *live = None;
        }
    }
}

impl PolicySource for Arc<OpenBaoPolicies> {
    async fn of(&self, device: &DeviceId) -> Result<Option<DevicePolicy>, PolicyError> {
        Ok(self.policy(device).await?)
    }
}

#[derive(Debug)]
enum ReadError {
    Bao(BaoError),
    Malformed(serde_json::Error),
}

impl From<BaoError> for ReadError {
    fn from(error: BaoError) -> Self {
        Self::Bao(error)
    }
}

async fn record(session: &Session, device: &DeviceId) -> Result<Option<DevicePolicy>, ReadError> {
    let path = format!("{DEVICES}/{device}");
    let error = match kv2::read(&session.client, KV_MOUNT, &path).await {
        Ok(policy) => return Ok(Some(policy)),
        Err(ClientError::JsonParseError { source }) => return Err(ReadError::Malformed(source)),
        Err(error) => Answer::from(error),
    };
    if error.is_missing() {
        return Ok(None);
    }
    Err(ReadError::Bao(BaoError::Request {
        what: "show",
        path: format!("{KV_MOUNT}/{path}"),
        source: error,
    }))
}

fn is_denied(error: &BaoError) -> bool {
    matches!(error, BaoError::Request { source, .. } if source.is_denied())
}
