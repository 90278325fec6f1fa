//! podman's events of our containers: one stream for the whole device.

use bytes::Bytes;
use fleet_contracts::DeviceId;
use http_body_util::BodyExt as _;
use hyper::Method;
use hyper::body::Incoming;
use serde_json::json;
use tokio::time::timeout;

use super::client::{Podman, QUICK, escape};
use super::error::PodmanError;
use super::list::labels;

/// What can make a plan necessary. Not `exec` and the like: health checks would wake the planner.
const ACTIONS: [&str; 8] = [
    "start", "died", "stop", "remove", "pause", "unpause", "rename", "create",
];

/// The stream.
#[derive(Debug)]
pub(crate) struct Events(Incoming);

impl Podman {
    /// Opens the stream; what happens from now on is on it.
    pub(crate) async fn events(&self, device: &DeviceId) -> Result<Events, PodmanError> {
        let label = format!("{}={device}", labels::DEVICE);
        let filter = json!({"type": ["container"], "label": [label], "event": ACTIONS}).to_string();
        let path = format!("/events?stream=true&filters={}", escape(&filter));
        let late = |_| PodmanError::Timeout {
            call: "events".into(),
            seconds: QUICK.as_secs(),
        };
        let response = timeout(QUICK, self.open(Method::GET, &path, Bytes::new()))
            .await
            .map_err(late)??;
        Ok(Events(response.into_body()))
    }
}

impl Events {
    /// Waits until something happened; false when the stream ended.
    ///
    /// What happened is not looked at: the next listing tells, and tells it right.
    pub(crate) async fn changed(&mut self) -> bool {
        matches!(self.0.frame().await, Some(Ok(_)))
    }
}
