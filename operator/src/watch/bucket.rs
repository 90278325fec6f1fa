use std::collections::HashSet;
use std::sync::Arc;

use fleet_bus::stream::ensure;
use fleet_bus::{Bus, Event, StoreError, Stored, StreamSettings};
use fleet_contracts::kv::Bucket;

use super::backoff::Backoff;
use crate::rejected::{Rejected, chain};
use crate::state::{Shared, Source};

/// What to do with the content of one bucket.
pub trait Consumer: Send {
    /// The bucket.
    const BUCKET: Bucket;
    /// What waits for its first list.
    const SOURCE: Source;

    /// A list begins; `recreated` if the stream is another than before.
    fn begin(&mut self, shared: &Shared, recreated: bool);
    /// A key has a value. An error is a refusal: the reason, and what was wrong.
    fn put(&mut self, shared: &Shared, stored: &Stored) -> Result<(), Refused>;
    /// A key was deleted.
    fn deleted(&mut self, shared: &Shared, key: &str, sequence: u64) -> Result<(), Refused>;
    /// The list has ended; what is known but not in `listed` is no more.
    fn end(&mut self, shared: &Shared, listed: &HashSet<String>);
}

/// Why a message was not taken.
#[derive(Debug)]
pub struct Refused {
    /// The stable reason.
    pub reason: &'static str,
    /// What was wrong.
    pub error: Box<dyn std::error::Error + Send + Sync>,
}

impl Refused {
    /// From an error and its reason.
    pub fn new(
        reason: &'static str,
        error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self {
            reason,
            error: error.into(),
        }
    }
}

/// Follows a bucket for ever.
pub async fn follow<C: Consumer>(
    shared: Arc<Shared>,
    rejected: Arc<Rejected>,
    bus: Bus,
    streams: StreamSettings,
    mut consumer: C,
) {
    let mut backoff = Backoff::default();
    let mut recreated = false;
    loop {
        let ended = async {
            if let Err(error) = ensure(bus.context(), C::BUCKET, &streams).await {
                return Ended::Failed(chain(&error));
            }
            let result = follow_once(&shared, &rejected, &bus, &mut consumer, recreated, || {
                backoff.reset();
            });
            match result.await {
                StoreError::Recreated(_) => Ended::Recreated,
                error => Ended::Failed(chain(&error)),
            }
        };
        let ended = ended.await;
        recreated = matches!(ended, Ended::Recreated);
        match ended {
            Ended::Recreated => {
                tracing::warn!(
                    bucket = C::BUCKET.name(),
                    "stream was lost; beginning again"
                );
            }
            Ended::Failed(error) => {
                tracing::warn!(
                    bucket = C::BUCKET.name(),
                    error,
                    "watch failed; opening it again"
                );
            }
        }
        tokio::time::sleep(backoff.failed()).await;
    }
}

enum Ended {
    Recreated,
    Failed(String),
}

async fn follow_once<C: Consumer>(
    shared: &Shared,
    rejected: &Rejected,
    bus: &Bus,
    consumer: &mut C,
    recreated: bool,
    mut delivered: impl FnMut(),
) -> StoreError {
    let mut watch = match bus.watch(C::BUCKET).await {
        Ok(watch) => watch,
        Err(error) => return error,
    };
    shared.unsynced(C::SOURCE);
    consumer.begin(shared, recreated);
    let mut listed = Some(HashSet::new());
    loop {
        let event = match watch.next().await {
            Ok(event) => event,
            Err(error) => return error,
        };
        shared.metrics.event();
        let (key, outcome) = match &event {
            Event::Synced => {
                if let Some(listed) = listed.take() {
                    consumer.end(shared, &listed);
                }
                shared.synced(C::SOURCE);
                delivered();
                continue;
            }
            Event::Put(stored) => {
                if let Some(listed) = &mut listed {
                    listed.insert(stored.key.clone());
                }
                (&stored.key, consumer.put(shared, stored))
            }
            Event::Deleted { key, sequence } => (key, consumer.deleted(shared, key, *sequence)),
        };
        if let Err(Refused { reason, error }) = outcome {
            rejected.note(&shared.metrics, C::BUCKET.name(), key, reason, &*error);
        }
    }
}
