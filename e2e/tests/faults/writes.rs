//! How far a fan-out has come.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use fleet_bus::Bus;
use fleet_contracts::kv::Bucket;
use fleet_testbed::wait;
use tokio::task::JoinHandle;

use crate::scene::{PATIENCE, Scene};

/// Counts what is written to `desired-state`.
pub(crate) struct Writes {
    seen: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Writes {
    pub(crate) async fn count(bus: &Bus) -> Self {
        let mut watch = bus.watch(Bucket::DesiredState).await.expect("a watch");
        watch.held().await.expect("read");
        let seen = Arc::<AtomicUsize>::default();
        let counter = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            while watch.next().await.is_ok() {
                counter.fetch_add(1, Ordering::Relaxed);
            }
        });
        Self { seen, task }
    }

    /// Until so many were seen, or all there are.
    pub(crate) async fn reach(&self, scene: &Scene, number: usize) {
        let reached = || async {
            self.seen.load(Ordering::Relaxed) >= number || scene.differences().await.is_empty()
        };
        assert!(wait::until(PATIENCE, reached).await, "{number} writes");
    }
}

impl Drop for Writes {
    fn drop(&mut self) {
        self.task.abort();
    }
}
