//! What the API server tells of Deployments, as it tells it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fleet_api::Deployment;
use futures::StreamExt as _;
use kube::api::{ListParams, WatchEvent, WatchParams};
use kube::{Api, ResourceExt as _};

use crate::fleet::Counts;

/// Between two attempts to watch.
const AGAIN: Duration = Duration::from_millis(200);

/// A Deployment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sight {
    /// Of its spec.
    pub(super) generation: i64,
    /// What its status says of that generation; none if it says nothing yet.
    pub(super) counts: Option<Counts>,
}

impl Sight {
    fn of(object: &Deployment) -> Self {
        let generation = object.metadata.generation;
        let status = object.status.as_ref();
        let status = status.filter(|status| status.observed_generation == generation);
        Self {
            generation: generation.unwrap_or_default(),
            counts: status.map(Counts::of),
        }
    }
}

/// All of them, followed for as long as this lives.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    known: Known,
    _task: Arc<Task>,
}

#[derive(Debug, Clone, Default)]
struct Known(Arc<Mutex<BTreeMap<String, Sight>>>);

impl Known {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Sight>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
struct Task(tokio::task::JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Seen {
    pub(super) fn start(api: Api<Deployment>) -> Self {
        let known = Known::default();
        let task = tokio::spawn(follow(api, known.clone()));
        Self {
            known,
            _task: Arc::new(Task(task)),
        }
    }

    /// The Deployment of this name; none if there is none.
    pub(super) fn sight(&self, name: &str) -> Option<Sight> {
        self.known.lock().get(name).copied()
    }
}

async fn follow(api: Api<Deployment>, known: Known) {
    loop {
        if let Ok(listed) = api.list(&ListParams::default()).await {
            let version = listed.metadata.resource_version.clone().unwrap_or_default();
            let all = listed.iter().map(|o| (o.name_any(), Sight::of(o)));
            let all = all.collect();
            *known.lock() = all;
            if let Ok(events) = api.watch(&WatchParams::default(), &version).await {
                let mut events = std::pin::pin!(events);
                while let Some(Ok(event)) = events.next().await
                    && take(&known, event)
                {}
            }
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// Whether the watch goes on.
fn take(known: &Known, event: WatchEvent<Deployment>) -> bool {
    match event {
        WatchEvent::Added(object) | WatchEvent::Modified(object) => {
            known.lock().insert(object.name_any(), Sight::of(&object));
        }
        WatchEvent::Deleted(object) => {
            known.lock().remove(&object.name_any());
        }
        WatchEvent::Bookmark(_) => {}
        WatchEvent::Error(_) => return false,
    }
    true
}
