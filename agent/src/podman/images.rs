//! Images.

use std::time::Duration;

use bytes::Bytes;
use fleet_contracts::score::PullPolicy;
use http_body_util::BodyExt as _;
use hyper::Method;
use serde::Deserialize;
use tokio::time::timeout;

use super::client::{Podman, QUICK, escape};
use super::error::PodmanError;

/// A pull that says nothing for so long has failed; podman reports progress by layer.
const SILENCE: Duration = Duration::from_secs(600);
/// Of what a pull says, only lines are kept, and none longer than this.
const MAX_LINE: usize = 64 * 1024;

#[derive(Deserialize)]
struct Progress {
    #[serde(default)]
    error: String,
}

impl Podman {
    /// Whether the image is in the store.
    pub(crate) async fn has_image(&self, image: &str) -> Result<bool, PodmanError> {
        let path = format!("/images/{}/exists", escape(image));
        match self.call(Method::GET, &path, Bytes::new(), QUICK).await {
            Ok(_) => Ok(true),
            Err(e) if e.is_gone() => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// Whether a pull is needed, or an error if it would be but is forbidden.
    pub(crate) async fn needs_pull(
        &self,
        image: &str,
        policy: PullPolicy,
    ) -> Result<bool, PodmanError> {
        match policy {
            PullPolicy::Always => Ok(true),
            PullPolicy::IfNotPresent => Ok(!self.has_image(image).await?),
            PullPolicy::Never if self.has_image(image).await? => Ok(false),
            PullPolicy::Never => Err(PodmanError::NeverPulled(image.into())),
        }
    }

    /// Pulls an image. podman answers 200 at once; whether it worked is in the stream.
    pub(crate) async fn pull(&self, image: &str) -> Result<(), PodmanError> {
        let path = format!("/images/pull?reference={}", escape(image));
        let late = |_| PodmanError::Timeout {
            call: format!("pull {image}"),
            seconds: SILENCE.as_secs(),
        };
        let failed = |message: String| PodmanError::Pull {
            image: image.into(),
            message,
        };
        let response = timeout(SILENCE, self.open(Method::POST, &path, Bytes::new()))
            .await
            .map_err(late)??;
        let status = response.status();
        let mut body = response.into_body();
        let mut line = Vec::new();
        loop {
            let frame = timeout(SILENCE, body.frame()).await.map_err(late)?;
            let Some(frame) = frame else { break };
            let frame = frame.map_err(|source| PodmanError::Broken {
                call: format!("pull {image}"),
                source,
            })?;
            for &byte in frame.data_ref().map_or(&[][..], |d| &d[..]) {
                if byte == b'\n' {
                    check(&line).map_err(failed)?;
                    line.clear();
                } else if line.len() < MAX_LINE {
                    line.push(byte);
                }
            }
        }
        check(&line).map_err(failed)?;
        if status.is_success() {
            Ok(())
        } else {
            Err(failed(String::from_utf8_lossy(&line).into_owned()))
        }
    }
}

fn check(line: &[u8]) -> Result<(), String> {
    match serde_json::from_slice::<Progress>(line) {
        Ok(progress) if !progress.error.is_empty() => Err(progress.error),
        _ => Ok(()),
    }
}
