//! `fleet-agent rotate`: replaces the key of an enrolled device while the old one is good.
//!
//! The steps are those of [`fleet_contracts::enrolment::rotation`]. Each is harmless to repeat, and which
//! one is next follows from the files and from what the service answers, so this can be killed between
//! any two and run again.
//!
//! The agent runs it as a process of its own ([`watch`]), since a key, TLS and tokens take more memory
//! than the rest of an idle agent.

mod files;
mod renamed;
mod steps;
mod watch;

use std::path::{Path, PathBuf};
use std::time::Duration;

use fleet_agent_core::identity::Failed;
use fleet_agent_core::identity::rotation::Due;
use fleet_contracts::enrolment::{DenialReason, EnrolmentRefusal};
use rustix::process::{Signal, set_parent_process_death_signal};

pub(crate) use renamed::renamed;
pub(crate) use watch::watch;

use crate::config::{ConfigError, EnrolledError, IdentityFiles, Written};
use crate::enrol::EnrolError;
use crate::identity::key::KeyError;
use steps::Rotation;

/// How people and the agent have the device's key replaced.
pub(crate) const ROTATE: &str = "rotate";
/// What the agent adds, to be told when to look again.
pub(crate) const FOR_AGENT: &str = "--for-agent";

/// Why the key was not replaced. Running the command again is always safe; the key there is goes on
/// until its time is over.
#[derive(Debug, thiserror::Error)]
pub enum RotateError {
    /// The configuration there is cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// What enrolment wrote cannot be used.
    #[error(transparent)]
    Enrolled(#[from] EnrolledError),
    /// There is nothing to replace.
    #[error("this device is not enrolled; its key is whoever configured it's to replace")]
    NotEnrolled,
    /// It is not known where to ask.
    #[error(
        "this device was enrolled by an older agent, which did not keep the service's address: \
         enrol it again before its key ends"
    )]
    NoService,
    /// Another process is at it.
    #[error("the key is being replaced by another process")]
    Busy,
    /// A file cannot be used.
    #[error("cannot {operation} {path}: {source}")]
    File {
        /// What was tried.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A key cannot be made or used.
    #[error("{0}")]
    Key(String),
    /// The service cannot be asked.
    #[error(transparent)]
    Ask(#[from] EnrolError),
    /// The service refused.
    #[error("the enrolment service refused ({reason}){}", with(.message))]
    Refused {
        /// Why, for programs.
        reason: EnrolmentRefusal,
        /// What the service said.
        message: String,
    },
    /// The device is not part of the fleet any more.
    #[error("this device may not log in any more ({reason}){}: enrol it again", with(.message))]
    Denied {
        /// Why, for programs.
        reason: DenialReason,
        /// What was said.
        message: String,
    },
    /// The service did not come to an end in time.
    #[error("the enrolment service needs too long: {0}")]
    Late(String),
    /// The new key does not work, so the old one stays.
    #[error("no token with the new key ({reason}): {failed}", reason = .failed.reason)]
    NoToken {
        /// Why not.
        failed: Failed,
    },
    /// The agent is not there to be told.
    #[error("the agent cannot be told when to look again")]
    Agent(#[source] std::io::Error),
}

impl From<KeyError> for RotateError {
    fn from(error: KeyError) -> Self {
        Self::Key(error.to_string())
    }
}

/// When to replace the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// If its time has come.
    Due,
    /// In any case.
    Now,
}

/// Replaces the key if it is to be replaced, and goes on with what was begun; when to look again.
pub async fn run(when: When, config_path: &Path) -> Result<Duration, RotateError> {
    let state_dir = Written::load(config_path)?.state_dir();
    let files = IdentityFiles::in_state_dir(&state_dir);
    if !files.enrolment().exists() {
        return Err(RotateError::NotEnrolled);
    }
    let _lock = files::lock(&files)?;
    let mut rotation = Rotation::begin(files)?;
    // What was begun comes first: a key that is in use, and the service does not know it.
    if rotation.is_unsaid() {
        rotation.say().await?;
    }
    rotation.look().await?;
    if when == When::Now || rotation.is_begun() || rotation.due() == Due::Now {
        rotation.replace().await?;
    }
    let again = match rotation.due() {
        Due::Later(seconds) => seconds,
        Due::Now => 1,
    };
    tracing::info!(seconds = again, "looking at the device's key again");
    Ok(Duration::from_secs(again))
}

/// The same as the agent's helper: says on standard output when to look again, and ends with the agent.
pub async fn run_for_agent(config_path: &Path) -> Result<(), RotateError> {
    set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|e| RotateError::Agent(e.into()))?;
    let again = run(When::Due, config_path).await?;
    watch::tell(again).map_err(RotateError::Agent)
}

fn with(message: &str) -> String {
    if message.is_empty() {
        String::new()
    } else {
        format!(" ({message})")
    }
}
