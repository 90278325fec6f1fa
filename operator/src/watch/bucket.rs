use std::collections::HashSet;
use std::sync::Arc;

use fleet_bus::stream::ensure;
use fleet_bus::{Bus, Event, Incarnation, StoreError, Stored, StreamSettings};
use fleet_contracts::kv::Bucket;

use super::backoff::Backoff;
use fleet_service::chain;

use crate::rejected::Rejected;
use crate::state::{Shared, Source};

/// What to do with the content of one bucket.
pub trait Consumer: Send {
    /// The bucket.
    const BUCKET: Bucket;
    /// What waits for its first list.
    const SOURCE: Source;

    /// A list begins; `recreated` if the stream is another than the one of the list before.
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
    let mut last = None;
    loop {
        let ended = async {
            if let Err(error) = ensure(bus.context(), C::BUCKET, &streams).await {
                return chain(&error);
            }
            let result = follow_once(&shared, &rejected, &bus, &mut consumer, &mut last, || {
                backoff.reset();
            });
            chain(&result.await)
        };
        let error = ended.await;
        let bucket = C::BUCKET.name();
        tracing::warn!(bucket, error, "watch failed; opening it again");
        tokio::time::sleep(backoff.failed()).await;
    }
}

async fn follow_once<C: Consumer>(
    shared: &Shared,
    rejected: &Rejected,
    bus: &Bus,
    consumer: &mut C,
    last: &mut Option<Incarnation>,
    mut delivered: impl FnMut(),
) -> StoreError {
    let mut watch = match bus.watch(C::BUCKET).await {
        Ok(watch) => watch,
        Err(error) => return error,
    };
    // How the last watch ended does not tell: with a server that hangs and comes back empty it is a
    // timeout, and with two replicas the other one may have made the stream again already.
    let now = watch.incarnation();
    let recreated = last.replace(now).is_some_and(|before| before != now);
    if recreated {
        let bucket = C::BUCKET.name();
        tracing::warn!(bucket, "stream was lost; what came from it is kept");
    }
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
