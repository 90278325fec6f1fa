//! The status invariant, looked at again and again while things fail.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fleet_api::Deployment;
use kube::{Api, Client, ResourceExt as _};
use tokio::task::JoinHandle;

/// Between two looks.
const PERIOD: Duration = Duration::from_millis(100);

/// Looks at every status until it is dropped.
pub(crate) struct Sampler {
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Seen {
    statuses: usize,
    wrong: Vec<String>,
}

impl Sampler {
    pub(crate) fn start(client: Client) -> Self {
        let seen = Arc::<Mutex<Seen>>::default();
        let task = tokio::spawn(look(client, Arc::clone(&seen)));
        Self { seen, task }
    }

    /// How many statuses were looked at; none of them was wrong.
    pub(crate) fn held(&self) -> usize {
        let seen = lock(&self.seen);
        let wrong = &seen.wrong;
        assert!(wrong.is_empty(), "wrong statuses:\n{}", wrong.join("\n"));
        assert!(seen.statuses > 0, "no status was looked at");
        seen.statuses
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn look(client: Client, seen: Arc<Mutex<Seen>>) {
    let deployments: Api<Deployment> = Api::all(client);
    loop {
        // The API server may be what fails.
        if let Ok(list) = deployments.list(&kube::api::ListParams::default()).await {
            let mut seen = lock(&seen);
            seen.statuses += list.items.iter().filter(|d| d.status.is_some()).count();
            seen.wrong.extend(list.iter().filter_map(wrong));
        }
        tokio::time::sleep(PERIOD).await;
    }
}

/// Every device that matched counts once as succeeded, failed or pending.
fn wrong(object: &Deployment) -> Option<String> {
    let counts = &object.status.as_ref()?.aggregate;
    let sum = counts.succeeded + counts.failed + counts.pending;
    let holds = sum == counts.matched_device_count
        && counts.unreachable <= counts.matched_device_count
        && [counts.succeeded, counts.failed, counts.pending]
            .iter()
            .all(|n| *n >= 0);
    (!holds).then(|| format!("{}: {counts:?}", object.name_any()))
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}
