//! Following podman's events, for as long as the agent runs.

use std::time::Duration;

use fleet_agent_core::backoff::Backoff;
use fleet_agent_core::engine::Input;
use fleet_contracts::DeviceId;
use tokio::sync::mpsc;

use crate::podman::Podman;

/// Between attempts to open the stream.
const REOPEN: Backoff = Backoff {
    base: 200,
    cap: 10_000,
};

/// Says that something changed whenever podman does, and each time the stream was opened anew.
pub(super) async fn watch(podman: Podman, device: DeviceId, events: mpsc::Sender<Input>) {
    let mut attempts = 0;
    loop {
        if let Ok(mut stream) = podman.events(&device).await {
            attempts = 0;
            loop {
                if events.send(Input::ContainersChanged).await.is_err() {
                    return;
                }
                if !stream.changed().await {
                    break;
                }
            }
        }
        attempts += 1;
        // Also without a stream: the listing says what is wrong with podman.
        if events.send(Input::ContainersChanged).await.is_err() {
            return;
        }
        let delay = REOPEN.delay(attempts, &mut fastrand::f64);
        tokio::time::sleep(Duration::from_millis(delay)).await;
    }
}
