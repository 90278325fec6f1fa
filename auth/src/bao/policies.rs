//! Policies from OpenBao's records. What was read goes on being used for a stated time while
//! OpenBao is away, so that an outage there is none of the fleet.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::{Duration, Instant};

use fleet_auth_core::DevicePolicy;
use fleet_contracts::DeviceId;
use tokio::sync::{Mutex, watch};
use tokio::time::timeout_at;
use vaultrs::error::ClientError;
use vaultrs::kv2;

use super::cache::{Cache, Known};
use super::client::{Answer, BaoError, BaoSettings, Session};
use super::denials::{self, DenialError};
use super::keeper::Keeper;
use super::list::DenialList;
use super::setup::{DEVICES, KV_MOUNT};
use crate::board::ShutOut;
use crate::clock;
use crate::metrics::Metrics;
use crate::policy::{PolicyError, PolicySource};
use fleet_service::chain;

/// Readings at the same time; also keeps a device from being read twice at once.
const LANES: usize = 64;
/// So long a login waits for OpenBao where something is known: one that hangs is to be no worse than one
/// that is away.
const HURRY: Duration = Duration::from_secs(1);
/// And so long where nothing is known: a server of the bus gives up on a login after 5 s, and a refusal
/// with a reason is better than none.
const PATIENCE: Duration = Duration::from_secs(3);
/// After a failure nobody waits for OpenBao for this long: what is known is used, or refused.
const PAUSE: Duration = Duration::from_secs(1);
/// How often the list of denied devices is read.
const LOOK: Duration = Duration::from_secs(1);
/// How old it may be without being read first. Usually it is no older than [`LOOK`].
const LIST_FRESH: Duration = Duration::from_secs(5);
/// Why clones are denied.
const CLONED: &str = "two connections with one identity";

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
    /// Whether the device is denied is not known.
    #[error("the list of denied devices cannot be read, and too little is known of it")]
    List(#[source] Option<DenialError>),
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
    keeper: Keeper,
    freshness: Freshness,
    cache: Cache,
    lanes: Vec<Mutex<()>>,
    list: DenialList,
    /// Not to be asked before this.
    paused: StdMutex<Option<Instant>>,
    metrics: Arc<Metrics>,
}

impl OpenBaoPolicies {
    /// Asks nobody before the first device logs in.
    pub fn new(settings: BaoSettings, freshness: Freshness, metrics: Arc<Metrics>) -> Self {
        Self {
            keeper: Keeper::new(settings),
            freshness,
            cache: Cache::new(freshness.capacity),
            lanes: (0..LANES).map(|_| Mutex::default()).collect(),
            list: DenialList::default(),
            paused: StdMutex::default(),
            metrics,
        }
    }

    /// Records that are kept.
    pub fn kept(&self) -> usize {
        self.cache.len()
    }

    /// Reads the list of denied devices again and again.
    pub async fn follow(self: Arc<Self>) {
        loop {
            // What went wrong was logged.
            let _ = self.read_list().await;
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn policy(&self, device: &DeviceId) -> Result<Option<DevicePolicy>, RecordError> {
        let began = Instant::now();
        if self.is_listed(device, began).await? {
            return Ok(Some(DevicePolicy {
                denied: true,
                ..DevicePolicy::default()
            }));
        }
        if let Some(known) = self.known(device, self.freshness.fresh) {
            return Ok(known.policy);
        }
        let is_known = self.known(device, self.freshness.max_age).is_some();
        let error = match self.in_time(began, is_known, self.fresh(device)).await {
            Some(Ok(policy)) => return Ok(policy),
            Some(Err(ReadError::Malformed(source))) => return Err(RecordError::Malformed(source)),
            Some(Err(ReadError::Bao(error))) => Some(error),
            Some(Err(ReadError::Paused)) | None => None,
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

    /// The record as OpenBao has it.
    async fn fresh(&self, device: &DeviceId) -> Result<Option<DevicePolicy>, ReadError> {
        let _lane = self.lane(device).lock().await;
        // Whoever was in the lane before may have read it.
        if let Some(known) = self.known(device, self.freshness.fresh) {
            return Ok(known.policy);
        }
        if self.is_paused() {
            return Err(ReadError::Paused);
        }
        self.read(device).await
    }

    /// What this comes to for a login that began then, if that is soon enough.
    async fn in_time<T>(
        &self,
        began: Instant,
        is_known: bool,
        reading: impl Future<Output = T>,
    ) -> Option<T> {
        let patience = if is_known { HURRY } else { PATIENCE };
        let read = timeout_at((began + patience).into(), reading).await.ok();
        if read.is_none() {
            tracing::warn!("OpenBao does not answer in time; what is known stays in force");
            self.pause();
        }
        read
    }

    /// Whether the list says that the device is denied. That counts more than a record which was read
    /// before.
    async fn is_listed(&self, device: &DeviceId, began: Instant) -> Result<bool, RecordError> {
        if let Some(listed) = self.list.holds(device, LIST_FRESH) {
            return Ok(listed);
        }
        let is_known = self.list.holds(device, self.freshness.max_age).is_some();
        let source = if self.is_paused() {
            None
        } else {
            let read = self.in_time(began, is_known, self.read_list()).await;
            read.and_then(Result::err)
        };
        let listed = self.list.holds(device, self.freshness.max_age);
        listed.ok_or(RecordError::List(source))
    }

    async fn read_list(&self) -> Result<(), DenialError> {
        let read = self.list.read(&self.keeper).await;
        match &read {
            Ok(()) => self.metrics.read_denials("ok"),
            Err(error) => {
                self.metrics.read_denials("failed");
                self.pause();
                let error = chain(error);
                tracing::warn!(error, "the list of denied devices cannot be read");
            }
        }
        read
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
            // Not asked.
            Err(ReadError::Paused) => {}
            Err(ReadError::Bao(error)) => {
                self.metrics.read_policy("failed");
                let error = chain(error);
                tracing::warn!(
                    error,
                    "OpenBao cannot be read; what is known stays in force"
                );
                self.pause();
            }
        }
        outcome
    }

    fn pause(&self) {
        let mut paused = self.paused.lock().unwrap_or_else(PoisonError::into_inner);
        *paused = Some(Instant::now() + PAUSE);
    }

    async fn ask(&self, device: &DeviceId) -> Result<Option<DevicePolicy>, ReadError> {
        let session = self.keeper.session().await?;
        match record(&session, device).await {
            Err(ReadError::Bao(error)) if is_denied(&error) => {
                self.keeper.forget(&session).await;
                record(&*self.keeper.session().await?, device).await
            }
            outcome => outcome,
        }
    }
}

impl PolicySource for Arc<OpenBaoPolicies> {
    async fn of(&self, device: &DeviceId) -> Result<Option<DevicePolicy>, PolicyError> {
        Ok(self.policy(device).await?)
    }

    fn shut_out(&self) -> watch::Receiver<ShutOut> {
        self.list.board.subscribe()
    }

    fn hold(&self, device: &DeviceId, now: Instant) {
        self.list.board.hold(device, now);
    }

    async fn deny_clone(&self, device: &DeviceId) -> Result<(), PolicyError> {
        let session = self.keeper.session().await.map_err(DenialError::from)?;
        Ok(denials::list(&session, device, CLONED).await?)
    }
}

#[derive(Debug)]
enum ReadError {
    Bao(BaoError),
    Malformed(serde_json::Error),
    /// It failed a moment ago, and is not asked.
    Paused,
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
