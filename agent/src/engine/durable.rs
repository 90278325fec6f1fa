use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::Notify;

use crate::podman::Podman;

/// Has the system write to the disk what podman wrote. podman does not ask for it, so that for half a minute a power
/// cut leaves layers whose files are there and empty, and no container starts from those.
#[derive(Debug)]
pub(super) struct Durable(Arc<Notify>);

impl Durable {
    pub(super) fn start(podman: Podman) -> Self {
        let asked = Arc::new(Notify::new());
        tokio::spawn(keep(podman, asked.clone()));
        Self(asked)
    }

    /// What is written by now is to last. Nobody waits for that; several who ask meanwhile are one.
    pub(super) fn ask(&self) {
        self.0.notify_one();
    }
}

async fn keep(podman: Podman, asked: Arc<Notify>) {
    let mut store = None;
    loop {
        asked.notified().await;
        if store.is_none() {
            store = podman.info().await.ok().map(|info| info.store);
        }
        // podman does not answer: whoever asks next will know.
        let Some(store) = store.clone() else { continue };
        let begun = Instant::now();
        let written = tokio::task::spawn_blocking(move || write(store)).await;
        let milliseconds = begun.elapsed().as_millis();
        match written {
            Ok(Ok(())) => tracing::debug!(milliseconds, "podman's store is on the disk"),
            Ok(Err(error)) => tracing::warn!(%error, "podman's store may not survive a power cut"),
            // The agent stops.
            Err(_) => return,
        }
    }
}

fn write(store: PathBuf) -> std::io::Result<()> {
    let folder = File::open(store)?;
    Ok(rustix::fs::syncfs(folder)?)
}
