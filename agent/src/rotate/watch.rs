//! The agent's side: has the key looked at from time to time, by a process of its own.

use std::io::{self, Write as _};
use std::process::Stdio;
use std::time::Duration;

use fleet_agent_core::identity::rotation::again;
use serde::{Deserialize, Serialize};
use tokio::process::Command;
use tokio::time::{sleep, timeout};

use super::files::has_earlier;
use super::{FOR_AGENT, ROTATE};
use crate::clock::wall_seconds;
use crate::config::{Config, Credentials, EnrolmentFile, IdentityFiles};

/// This very program, also after its file was replaced by a newer one.
const PROGRAM: &str = "/proc/self/exe";
/// All calls of one run together; later it hangs.
const LIMIT: Duration = Duration::from_secs(15 * 60);
/// Until the first look, in seconds, where something is to be done; a site that gets its power back
/// does not ask as one.
const SOON: u64 = 10;
/// Where nothing is, so far as the device's own clock can tell.
const LATER: u64 = 3600;

/// What the helper says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Said {
    again_in_seconds: u64,
}

/// The helper's word to the agent.
pub(super) fn tell(again: Duration) -> io::Result<()> {
    let said = Said {
        again_in_seconds: again.as_secs(),
    };
    let text = serde_json::to_string(&said)?;
    writeln!(io::stdout(), "{text}")
}

/// Has the key of an enrolled device replaced in time, for as long as the agent runs. Must be called on
/// the event loop.
pub(crate) fn watch(config: &Config) {
    if let Credentials::Identity(identity) = &config.credentials
        && identity.enrolled_in.is_some()
    {
        let first = fastrand::u64(..=first_look(config));
        tokio::spawn(look_again_and_again(first));
    }
}

/// At most so many seconds until the first look.
fn first_look(config: &Config) -> u64 {
    let files = IdentityFiles::in_state_dir(&config.state_dir);
    let Ok(Some(file)) = EnrolmentFile::load(&files) else {
        return LATER;
    };
    let generation = file.key_generation;
    let begun = has_earlier(&files, generation) || files.key(generation + 1).exists();
    let rotate_at = file.approval.rotate_at.map_or(u64::MAX, |at| at.0 / 1000);
    match rotate_at.saturating_sub(wall_seconds()) {
        _ if begun => SOON,
        left => left.clamp(SOON, LATER),
    }
}

async fn look_again_and_again(first: u64) {
    let (mut failures, mut wait) = (0, first);
    loop {
        sleep(Duration::from_secs(wait)).await;
        wait = match timeout(LIMIT, look()).await {
            Ok(Ok(said)) => {
                failures = 0;
                said.again_in_seconds.max(1)
            }
            // What is wrong is in the helper's own line; dropping what was waited for has killed it.
            failed => {
                failures += 1;
                let error = failed.err().map(|_| "it did not end".to_owned());
                let wait = again(failures, &mut fastrand::f64);
                tracing::warn!(
                    failures,
                    again_in = wait,
                    error,
                    "the device's key was not looked at"
                );
                wait
            }
        };
    }
}

async fn look() -> io::Result<Said> {
    let output = Command::new(PROGRAM)
        .args([ROTATE, FOR_AGENT])
        .arg0("fleet-agent")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .spawn()?
        .wait_with_output()
        .await?;
    if !output.status.success() {
        return Err(io::Error::other(output.status.to_string()));
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}
