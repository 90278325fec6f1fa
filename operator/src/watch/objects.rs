use std::collections::HashSet;
use std::fmt::Debug;
use std::hash::Hash;
use std::sync::Arc;

use futures::{StreamExt as _, pin_mut};
use kube::core::DeserializeGuard;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;

use super::backoff::Backoff;
use crate::refusal::watch_reason;
use crate::rejected::chain;
use crate::state::{Shared, Source};

/// What to do with the objects of one kind.
pub(super) trait Objects<K> {
    /// How an object is named.
    type Key: Hash + Eq + Clone;

    /// An object is as given. Answers with its name, if it has a usable one.
    fn applied(&mut self, object: DeserializeGuard<K>) -> Option<Self::Key>;
    /// An object is no more.
    fn gone(&mut self, key: &Self::Key);
    /// The name of an object.
    fn key(&self, object: &DeserializeGuard<K>) -> Option<Self::Key>;
}

/// Follows all objects of a kind for ever.
pub(super) async fn follow<K, O>(
    shared: Arc<Shared>,
    api: Api<DeserializeGuard<K>>,
    source: Source,
    mut objects: O,
) where
    K: Resource<DynamicType = ()> + DeserializeOwned + Clone + Debug + Send + 'static,
    O: Objects<K>,
{
    let events = watcher::watcher(api, watcher::Config::default()).backoff(Backoff::default());
    pin_mut!(events);
    let mut known: HashSet<O::Key> = HashSet::new();
    let mut listed: HashSet<O::Key> = HashSet::new();
    while let Some(event) = events.next().await {
        shared.metrics.event();
        match event {
            Ok(Event::Init) => listed.clear(),
            Ok(Event::InitApply(object)) => listed.extend(objects.applied(object)),
            Ok(Event::InitDone) => {
                for key in known.difference(&listed) {
                    objects.gone(key);
                }
                known.clone_from(&listed);
                shared.synced(source);
            }
            Ok(Event::Apply(object)) => known.extend(objects.applied(object)),
            Ok(Event::Delete(object)) => {
                if let Some(key) = objects.key(&object) {
                    known.remove(&key);
                    objects.gone(&key);
                }
            }
            Err(error) => {
                let reason = watch_reason(&error);
                let error = chain(&error);
                tracing::warn!(
                    source = source.name(),
                    reason,
                    error,
                    "watch failed; opening it again"
                );
            }
        }
    }
}
