use std::fmt::Debug;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use fleet_operator_core::replica::Roll;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;

use super::backoff::Backoff;
use super::changes::Changes;
use crate::refusal::watch_reason;
use crate::state::{Shared, Source};
use fleet_service::chain;

/// HTTP's "too many requests".
const BUSY: u16 = 429;

/// What to do with the objects of one kind.
pub(super) trait Objects {
    /// An object, of which any can be read.
    type Object: Resource<DynamicType = ()> + DeserializeOwned + Clone + Debug + Send + 'static;
    /// How an object is named.
    type Key: Hash + Ord + Clone;

    /// An object is as given. Answers with its name, if it has a usable one.
    fn applied(&mut self, object: Self::Object) -> Option<Self::Key>;
    /// An object is no more.
    fn gone(&mut self, key: &Self::Key);
    /// The name of an object.
    fn key(&self, object: &Self::Object) -> Option<Self::Key>;
}

/// Follows all objects of a kind for ever.
pub(super) async fn follow<O: Objects>(
    shared: Arc<Shared>,
    api: Api<O::Object>,
    source: Source,
    mut objects: O,
) {
    let mut changes = Changes::of(api);
    let mut backoff = Backoff::default();
    let mut roll = Roll::default();
    let mut outdated = shared.outdated();
    loop {
        if changes.begins() {
            shared.lists(source);
        }
        let event = tokio::select! {
            biased;
            // Shared lives as long as this.
            _ = outdated.changed() => {
                if shared.is_outdated(source) {
                    changes.again();
                }
                continue;
            }
            event = changes.next() => event,
        };
        shared.metrics.event();
        let delay = delay_after(&mut backoff, &event);
        match event {
            Ok(event) => {
                if take_in(event, &mut roll, &mut objects) {
                    shared.synced(source);
                }
            }
            Err(error) => {
                tracing::warn!(
                    source = source.name(),
                    reason = watch_reason(&error),
                    error = chain(&error),
                    "watch failed; opening it again"
                );
                if was_away(&error) {
                    shared.broke(source);
                    changes.again();
                }
            }
        }
        if let Some(delay) = delay {
            tokio::time::sleep(delay).await;
        }
    }
}

/// Answers whether a list has ended.
fn take_in<O: Objects>(event: Event<O::Object>, roll: &mut Roll<O::Key>, objects: &mut O) -> bool {
    match event {
        Event::Init => roll.begin(),
        Event::InitApply(object) => {
            if let Some(key) = objects.applied(object) {
                roll.listed(key);
            }
        }
        Event::InitDone => {
            for key in roll.end() {
                objects.gone(&key);
            }
            return true;
        }
        Event::Apply(object) => {
            if let Some(key) = objects.applied(object) {
                roll.put(key);
            }
        }
        Event::Delete(object) => {
            if let Some(key) = objects.key(&object) {
                roll.deleted(&key);
                objects.gone(&key);
            }
        }
    }
    false
}

/// Whether the server was away, so that it may have come back with an older past: restored from a
/// backup, its resource versions are lower than ours. A watch that goes on from a version that is yet to
/// come is told nothing, neither changes nor that anything is wrong; so all is listed again. A server
/// that only has too much to do is not given more.
fn was_away(error: &watcher::Error) -> bool {
    match error {
        watcher::Error::WatchStartFailed(kube::Error::Api(status)) => status.code != BUSY,
        watcher::Error::WatchStartFailed(_) => true,
        _ => false,
    }
}

/// How long to wait before the watch is asked for more. Only a whole list or a change begins the
/// back-off anew. kube's own adapter takes anything but an error for a success, also the `Init` that
/// comes before every attempt: it would ask a server that fails ten times a second for ever.
fn delay_after<K>(
    backoff: &mut Backoff,
    event: &Result<Event<K>, watcher::Error>,
) -> Option<Duration> {
    match event {
        Ok(Event::Init | Event::InitApply(_)) => None,
        Ok(Event::InitDone | Event::Apply(_) | Event::Delete(_)) => {
            backoff.reset();
            None
        }
        Err(_) => Some(backoff.failed()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::core::Status;

    /// What kube's watcher tells of an attempt to list that fails.
    fn failed_list(backoff: &mut Backoff) -> Duration {
        assert_eq!(delay_after::<()>(backoff, &Ok(Event::Init)), None);
        let failed = Err(watcher::Error::NoResourceVersion);
        delay_after::<()>(backoff, &failed).unwrap_or_default()
    }

    #[test]
    fn attempts_at_a_list_that_fails_become_rare_until_one_succeeds() {
        let mut backoff = Backoff::default();
        let delays: Vec<_> = (0..10).map(|_| failed_list(&mut backoff)).collect();
        assert!(delays[0] <= Duration::from_millis(100), "{delays:?}");
        assert!(delays[9] >= Duration::from_millis(2_500), "{delays:?}");
        assert_eq!(delay_after::<()>(&mut backoff, &Ok(Event::InitDone)), None);
        assert!(failed_list(&mut backoff) <= Duration::from_millis(100));
    }

    #[test]
    fn a_server_that_was_away_is_listed_anew_and_one_that_is_busy_is_not() {
        let answered = |code| {
            let status = Status {
                code,
                ..Status::default()
            };
            watcher::Error::WatchStartFailed(kube::Error::Api(status.boxed()))
        };
        assert!(was_away(&answered(503)));
        assert!(!was_away(&answered(429)));
        let unreachable = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        let unreachable = kube::Error::Service(unreachable.into());
        assert!(was_away(&watcher::Error::WatchStartFailed(unreachable)));
        assert!(!was_away(&watcher::Error::NoResourceVersion));
    }
}
