use std::time::{Duration, Instant};

use fleet_devices_core::host::{AgentLife, AgentState, Ensured as _, File, Started, Unit};

use super::run::Progress;
use crate::host::{HostError, Linux, Transport};

/// Between two looks at the agent.
const PAUSE: Duration = Duration::from_millis(500);
/// One that fails so often at once is not looked at further.
const FAILURES: usize = 3;
/// For one that had a connection a moment ago.
const BACK_WITHIN: Duration = Duration::from_secs(60);

/// Why an agent is not up.
#[derive(Debug, thiserror::Error)]
pub enum UpError {
    /// It ends by itself, again and again.
    #[error("the agent of {host} does not stay: {told}")]
    Fails {
        /// The host.
        host: String,
        /// The end of its journal.
        told: String,
    },
    /// It runs, and the bus has not let it in.
    #[error(
        "the agent of {host} runs, but had no connection to the bus within {seconds} s: {told}"
    )]
    NotConnected {
        /// The host.
        host: String,
        /// How long was waited.
        seconds: u64,
        /// The end of its journal.
        told: String,
    },
    /// It was not started.
    #[error(transparent)]
    Start(#[from] HostError),
    /// The one before was put back, and runs.
    #[error("what was there before was put back on {host} ({files}) and runs, for: {why}")]
    PutBack {
        /// The host.
        host: String,
        /// What was put back.
        files: String,
        /// Why.
        why: Box<UpError>,
    },
    /// The one before was to be put back, and does not run either.
    #[error(
        "what was there before was put back on {host}, and does not run either: {source}; it was put back for: {why}"
    )]
    PutBackFails {
        /// The host.
        host: String,
        /// Why it was to be put back.
        why: Box<UpError>,
        /// Why it does not run.
        source: Box<UpError>,
    },
}

impl UpError {
    /// The stable reason.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Fails { .. } => "AgentFails",
            Self::NotConnected { .. } => "AgentNotConnected",
            Self::Start(error) => error.reason(),
            Self::PutBack { .. } => "AgentPutBack",
            Self::PutBackFails { .. } => "PutBackFailed",
        }
    }
}

/// How the agent was before anything was changed.
#[derive(Debug)]
pub(super) struct Before {
    state: AgentState,
    started: Started,
}

impl Before {
    pub(super) async fn look<T: Transport>(
        host: &Linux<T>,
        unit: &Unit,
    ) -> Result<Self, HostError> {
        let answer = host.run("the agent", &Started::look()).await?;
        Ok(Self {
            state: life(host, unit).await?.state,
            started: Started::of(&answer),
        })
    }

    /// Whether what was there may be better than this. One without a connection is no worse than the one before,
    /// if that had none either.
    fn was_better(&self, error: &UpError) -> bool {
        match self.state {
            AgentState::Connected => true,
            AgentState::Running => !matches!(error, UpError::NotConnected { .. }),
            AgentState::Failing | AgentState::Stopped => false,
        }
    }
}

async fn life<T: Transport>(host: &Linux<T>, unit: &Unit) -> Result<AgentLife, HostError> {
    let [shown, journal] = AgentLife::looks(unit);
    let shown = host.run(&unit.name, &shown).await?;
    let journal = host.run(&unit.name, &journal).await?;
    AgentLife::of(&shown, &journal).map_err(|source| HostError::Ensure {
        host: host.name(),
        source,
    })
}

/// Waits until the agent has its connection. Where it does not come up, and what was there before was better, that is
/// put back.
pub(super) async fn settle<T: Transport>(
    host: &Linux<T>,
    unit: &Unit,
    files: &[File],
    before: &Before,
    limit: Duration,
    progress: &dyn Progress,
) -> Result<(), UpError> {
    match until_connected(host, unit, limit, progress).await {
        Ok(()) => Ok(()),
        Err(error) => Err(put_back(host, unit, files, before, error, progress).await),
    }
}

async fn until_connected<T: Transport>(
    host: &Linux<T>,
    unit: &Unit,
    limit: Duration,
    progress: &dyn Progress,
) -> Result<(), UpError> {
    let deadline = Instant::now() + limit;
    let mut failed = Vec::new();
    progress.begins("the agent's connection to the bus");
    loop {
        let life = life(host, unit).await?;
        match life.state {
            AgentState::Connected => return Ok(()),
            AgentState::Failing if !failed.contains(&life.invocation) => {
                failed.push(life.invocation);
            }
            _ => {}
        }
        let (host_name, late) = (host.name(), Instant::now() >= deadline);
        if failed.len() >= FAILURES || (late && !failed.is_empty()) {
            let told = journal(host, unit).await;
            return Err(UpError::Fails {
                host: host_name,
                told,
            });
        }
        if late {
            return Err(UpError::NotConnected {
                host: host_name,
                seconds: limit.as_secs(),
                told: journal(host, unit).await,
            });
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn journal<T: Transport>(host: &Linux<T>, unit: &Unit) -> String {
    let Some(look) = unit.explains() else {
        return String::new();
    };
    let said = host.run(&unit.name, &look).await;
    said.map_or_else(|_| String::new(), |said| said.text().trim().to_owned())
}

/// Puts back what the agent was last up with, as far as it is others now and was kept, and starts it with that;
/// answers with what is to be said.
pub(super) async fn put_back<T: Transport>(
    host: &Linux<T>,
    unit: &Unit,
    files: &[File],
    before: &Before,
    why: UpError,
    progress: &dyn Progress,
) -> UpError {
    if host.plans() || !before.was_better(&why) {
        return why;
    }
    let (why, host_name) = (Box::new(why), host.name());
    match restore(host, unit, files, before, progress).await {
        Ok(back) if back.is_empty() => *why,
        Ok(back) => UpError::PutBack {
            host: host_name,
            files: back.join(", "),
            why,
        },
        Err(source) => UpError::PutBackFails {
            host: host_name,
            why,
            source: Box::new(source),
        },
    }
}

async fn restore<T: Transport>(
    host: &Linux<T>,
    unit: &Unit,
    files: &[File],
    before: &Before,
    progress: &dyn Progress,
) -> Result<Vec<String>, UpError> {
    let mut done = Vec::new();
    for (look, back) in before.started.put_back(files) {
        if host.run(&unit.name, &look).await?.status == 0 {
            host.run(&unit.name, &back).await?;
            done.extend(back.arguments.last().cloned());
        }
    }
    if done.is_empty() {
        return Ok(done);
    }
    for command in unit.restart() {
        host.run(&unit.name, &command).await?;
    }
    if before.state == AgentState::Connected {
        until_connected(host, unit, BACK_WITHIN, progress).await?;
    }
    Ok(done)
}
