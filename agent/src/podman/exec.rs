//! Commands inside containers.

use std::time::Duration;

use bytes::Bytes;
use fleet_agent_core::ContainerId;
use serde::Deserialize;
use serde_json::json;

use super::client::{Podman, QUICK, parse};
use super::error::PodmanError;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Created {
    id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Ended {
    exit_code: i32,
}

impl Podman {
    /// Runs a command and answers with its exit code and what it said last.
    pub(crate) async fn exec(
        &self,
        id: &ContainerId,
        command: &[String],
        limit: Duration,
    ) -> Result<(i32, String), PodmanError> {
        let body = json!({"Cmd": command, "AttachStdout": true, "AttachStderr": true}).to_string();
        let path = format!("/containers/{}/exec", id.0);
        let created: Created = parse(&path, &self.post(&path, body.into(), QUICK).await?)?;
        let path = format!("/exec/{}/start", created.id);
        // The answer is the command's output and ends with it.
        let output = self
            .post(&path, Bytes::from_static(b"{\"Detach\":false}"), limit)
            .await?;
        let ended: Ended = self.get(&format!("/exec/{}/json", created.id)).await?;
        Ok((ended.exit_code, last_line(&output)))
    }
}

/// Output comes in frames with a head of eight bytes; for people the printable part will do.
fn last_line(output: &[u8]) -> String {
    let text: String = String::from_utf8_lossy(output)
        .chars()
        .filter(|c| !c.is_control() || *c == '\n')
        .collect();
    text.trim()
        .lines()
        .next_back()
        .unwrap_or_default()
        .chars()
        .take(200)
        .collect()
}
