//! Following one Deployment until it is there, or gone.

use std::io::IsTerminal as _;
use std::time::Duration;

use fleet_api::Deployment;
use futures::{Stream, StreamExt as _, pin_mut};
use kube::Api;
use kube::runtime::{WatchStreamExt as _, watcher};
use tokio::time::timeout;

use super::DeployError;
use super::progress::{Verdict, bar, counts, judge, last_error};
use crate::cluster::{Cluster, ClusterError};
use crate::output::{OutputError, emit, printable};

/// Characters of the progress bar.
const BAR: u32 = 24;

/// Shows progress until every matched device runs this generation.
pub(super) async fn until_ready(
    cluster: &Cluster,
    api: &Api<Deployment>,
    name: &str,
    generation: i64,
    limit: Duration,
) -> Result<(), DeployError> {
    let mut view = View::new();
    let mut state = "the operator has not taken it up".to_owned();
    let follow = async {
        let changes = changes(cluster, api, name);
        pin_mut!(changes);
        while let Some(change) = changes.next().await {
            let Some(deployment) = change? else {
                return Err(DeployError::Vanished(name.to_owned()));
            };
            state = view.show(&deployment, generation)?;
            match judge(&deployment, generation) {
                Verdict::Waiting => {}
                Verdict::Ready => return Ok(()),
                Verdict::Failed(cause) => {
                    return Err(DeployError::Failed {
                        name: name.to_owned(),
                        cause,
                    });
                }
            }
        }
        Ok(())
    };
    let ended = timeout(limit, follow).await;
    view.end()?;
    ended.unwrap_or_else(|_| {
        Err(DeployError::Timeout {
            name: name.to_owned(),
            seconds: limit.as_secs(),
            state,
        })
    })?;
    Ok(emit(if view.matched {
        format!("{name} runs on every device it matches\n")
    } else {
        format!(
            "{name} is applied, but matches no device; `fleet get devices` shows their labels\n"
        )
    })?)
}

/// Waits until the object is gone: its keys are off the bus then.
pub(super) async fn until_gone(
    cluster: &Cluster,
    api: &Api<Deployment>,
    name: &str,
    limit: Duration,
) -> Result<(), DeployError> {
    let follow = async {
        let changes = changes(cluster, api, name);
        pin_mut!(changes);
        while let Some(change) = changes.next().await {
            if change?.is_none() {
                break;
            }
        }
        Ok(())
    };
    timeout(limit, follow).await.unwrap_or_else(|_| {
        let state = "the operator has not removed its finalizer; does it run?".to_owned();
        Err(DeployError::Timeout {
            name: name.to_owned(),
            seconds: limit.as_secs(),
            state,
        })
    })
}

/// The object at every change, `None` when it is gone. Interruptions are retried; what no retry
/// can heal ends it.
fn changes(
    cluster: &Cluster,
    api: &Api<Deployment>,
    name: &str,
) -> impl Stream<Item = Result<Option<Deployment>, ClusterError>> {
    let cluster = cluster.clone();
    watcher::watch_object(api.clone(), name)
        .default_backoff()
        .filter_map(move |change| {
            let change = match change {
                Ok(object) => Some(Ok(object)),
                Err(error) => cluster.lasting(error).map(Err),
            };
            std::future::ready(change)
        })
}

/// One line that is redrawn on a terminal; on anything else a line for each change.
struct View {
    terminal: bool,
    last: String,
    matched: bool,
}

impl View {
    fn new() -> Self {
        Self {
            terminal: std::io::stdout().is_terminal(),
            last: String::new(),
            matched: false,
        }
    }

    /// Shows the state and returns it for messages.
    fn show(&mut self, deployment: &Deployment, generation: i64) -> Result<String, OutputError> {
        let aggregate = deployment.status.as_ref().map(|s| &s.aggregate);
        let error = aggregate
            .and_then(last_error)
            .map(|e| format!("; {}", printable(&e)));
        let state = counts(deployment, generation) + error.as_deref().unwrap_or("");
        self.matched = aggregate.is_some_and(|a| a.matched_device_count > 0);
        if state == self.last {
            return Ok(state);
        }
        self.last.clone_from(&state);
        let bar = aggregate.map(|aggregate| bar(aggregate, BAR) + " ");
        emit(if self.terminal {
            redraw(&(bar.unwrap_or_default() + &state))
        } else {
            format!("{state}\n")
        })?;
        Ok(state)
    }

    fn end(&self) -> Result<(), OutputError> {
        if self.terminal && !self.last.is_empty() {
            emit("\n")
        } else {
            Ok(())
        }
    }
}

/// Replaces the line at the cursor. A line that wraps could not be replaced, so it is cut.
fn redraw(text: &str) -> String {
    let columns = rustix::termios::tcgetwinsize(std::io::stdout()).map_or(0, |size| size.ws_col);
    // A terminal that does not know its width says 0.
    let columns = if columns == 0 {
        80
    } else {
        usize::from(columns)
    };
    let cut: String = text.chars().take(columns - 1).collect();
    format!("\r\x1b[2K{cut}")
}
