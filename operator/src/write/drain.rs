use std::fmt::Display;
use std::hash::Hash;

use fleet_operator_core::queue::Outcome;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use tokio::sync::Notify;
use tokio::time::sleep_until;

use super::{Done, Failure};
use crate::clock;
use crate::state::{Kind, Queues, Shared};
use fleet_service::chain;

/// Writes the keys of one queue for ever, `at_once` of them side by side.
pub(super) async fn drain<K, F, W>(
    shared: &Shared,
    (queue, bell): (fn(&mut Queues) -> &mut Kind<K>, &Notify),
    (kind, at_once): (&'static str, usize),
    write: F,
) where
    K: Ord + Hash + Clone + Display,
    F: Fn(K) -> W,
    W: Future<Output = Result<Done, Failure>>,
{
    let mut active = shared.active();
    let mut running = FuturesUnordered::new();
    loop {
        let (keys, next) = take(shared, queue, at_once - running.len());
        for key in keys {
            let writing = write(key.clone());
            running.push(async move { (key, writing.await) });
        }
        let room = running.len() < at_once;
        tokio::select! {
            Some((key, outcome)) = running.next(), if !running.is_empty() => {
                finish(shared, queue, kind, &key, outcome);
            }
            () = bell.notified() => {}
            () = sleep_until(clock::instant(next.unwrap_or_default())), if room && next.is_some() => {}
            _ = active.changed() => {}
        }
    }
}

fn take<K: Ord + Hash + Clone>(
    shared: &Shared,
    queue: fn(&mut Queues) -> &mut Kind<K>,
    room: usize,
) -> (Vec<K>, Option<fleet_contracts::UnixMillis>) {
    let mut state = shared.lock();
    let now = clock::now();
    if !state.is_active(now) {
        return (vec![], None);
    }
    let queue = queue(&mut state.queues);
    let keys = queue.take(now, room);
    (keys, queue.next_due())
}

fn finish<K: Ord + Hash + Clone + Display>(
    shared: &Shared,
    queue: fn(&mut Queues) -> &mut Kind<K>,
    kind: &'static str,
    key: &K,
    outcome: Result<Done, Failure>,
) {
    let outcome = match outcome {
        Ok(Done::Written) => {
            shared.metrics.wrote(kind, "Written");
            Outcome::Written
        }
        Ok(Done::Unchanged) => Outcome::Unchanged,
        Err(failure) => {
            let reason = failure.reason();
            shared.metrics.wrote(kind, reason);
            let error = chain(&failure);
            tracing::warn!(kind, %key, reason, error, "write failed; trying again");
            Outcome::Failed {
                jitter: fastrand::u16(..1_000),
            }
        }
    };
    queue(&mut shared.lock().queues).done(key, outcome, clock::now());
}
