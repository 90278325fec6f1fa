use std::collections::HashSet;
use std::sync::Arc;

use fleet_bus::stream::ensure;
use fleet_bus::{Bus, Event, Incarnation, StoreError, Stored, StreamSettings};
use fleet_contracts::signing::{KEY_HEADER, SIGNATURE_HEADER};
use fleet_operator_core::follow::{self, Follower, Refused};
use fleet_operator_core::mirror::Message;
use fleet_operator_core::replica::Taken;

use super::backoff::Backoff;
use fleet_service::chain;

use crate::clock;
use crate::rejected::Rejected;
use crate::state::Shared;

/// Follows a bucket for ever.
pub async fn follow<F: Follower>(
    shared: Arc<Shared>,
    rejected: Arc<Rejected>,
    bus: Bus,
    streams: StreamSettings,
) {
    let mut follower = F::default();
    let mut backoff = Backoff::default();
    let mut last = None;
    loop {
        let ended = async {
            if let Err(error) = ensure(bus.context(), F::BUCKET, &streams).await {
                return chain(&error);
            }
            let result = follow_once(&shared, &rejected, &bus, &mut follower, &mut last, || {
                backoff.reset();
            });
            chain(&result.await)
        };
        let error = ended.await;
        shared.broke(F::SOURCE);
        let bucket = F::BUCKET.name();
        tracing::warn!(bucket, error, "watch failed; opening it again");
        tokio::time::sleep(backoff.failed()).await;
    }
}

async fn follow_once<F: Follower>(
    shared: &Shared,
    rejected: &Rejected,
    bus: &Bus,
    follower: &mut F,
    last: &mut Option<Incarnation>,
    mut delivered: impl FnMut(),
) -> StoreError {
    let mut watch = match bus.watch(F::BUCKET).await {
        Ok(watch) => watch,
        Err(error) => return error,
    };
    // How the last watch ended does not tell: with a server that hangs and comes back empty it is a
    // timeout, and with two replicas the other one may have made the stream again already.
    let now = watch.incarnation();
    let recreated = last.replace(now).is_some_and(|before| before != now);
    if recreated {
        let bucket = F::BUCKET.name();
        tracing::warn!(bucket, "stream was lost; what came from it is kept");
    }
    shared.unsynced(F::SOURCE);
    follower.begin(&mut shared.lock(), recreated);
    let mut listed = Some(HashSet::new());
    loop {
        let event = match watch.next().await {
            Ok(event) => event,
            Err(error) => return error,
        };
        match &event {
            Event::Synced => {
                if let Some(listed) = listed.take() {
                    let taken = follower.end(&mut shared.lock(), &listed, clock::now());
                    shared.took(&taken);
                }
                shared.synced(F::SOURCE);
                delivered();
                continue;
            }
            Event::Interrupted => shared.broke(F::SOURCE),
            Event::Resumed => shared.resumed(F::SOURCE),
            Event::Put(_) | Event::Deleted { .. } => shared.metrics.event(),
        }
        if let (Event::Put(stored), Some(listed)) = (&event, &mut listed) {
            listed.insert(stored.key.clone());
        }
        match take(shared, follower, &event) {
            Ok(taken) => shared.took(&taken),
            Err(error) => {
                let (bucket, reason) = (F::BUCKET.name(), error.reason());
                rejected.note(&shared.metrics, bucket, key(&event), reason, &error);
            }
        }
    }
}

/// What is read is read before the lock is taken.
fn take<F: Follower>(shared: &Shared, follower: &mut F, event: &Event) -> Result<Taken, Refused> {
    match event {
        Event::Synced | Event::Interrupted | Event::Resumed => Ok(Taken::default()),
        Event::Put(stored) => {
            let said = follower.read(value(stored))?;
            follower.put(&mut shared.lock(), said, clock::now())
        }
        Event::Deleted { key, sequence } => {
            follower.deleted(&mut shared.lock(), key, *sequence, clock::now())
        }
    }
}

fn key(event: &Event) -> &str {
    match event {
        Event::Synced | Event::Interrupted | Event::Resumed => "",
        Event::Put(stored) => &stored.key,
        Event::Deleted { key, .. } => key,
    }
}

fn value(stored: &Stored) -> follow::Stored<'_> {
    let header = |name| stored.headers.get(name).map_or("", |value| value.as_str());
    follow::Stored {
        message: Message {
            key: &stored.key,
            sequence: stored.sequence,
            key_id: header(KEY_HEADER),
            signature: header(SIGNATURE_HEADER),
            body: &stored.value,
        },
        received: stored.received,
    }
}
