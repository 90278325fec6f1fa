//! `fleet-agent mint`: the agent's helper, which answers one question about a token and ends.

use std::io::{self, Read as _, Write as _};
use std::sync::Arc;

use fleet_agent_core::identity::{Failed, FailureReason};
use rustix::process::{Signal, set_parent_process_death_signal};

use crate::identity::key::KeyFile;
use crate::identity::{Answer, LONGEST, Provider, Question};
use crate::rotate;

/// Why the helper could not do its part.
#[derive(Debug, thiserror::Error)]
pub enum HelperError {
    /// No question came, or the answer cannot be given.
    #[error("this is for the agent, which asks on standard input and listens on standard output")]
    Pipe(#[source] io::Error),
    /// What came is no question.
    #[error("the question is not understood")]
    Question(#[source] serde_json::Error),
}

/// Answers the one question on standard input.
pub async fn mint() -> Result<(), HelperError> {
    // Not to outlive the agent. It starts this on its main thread, which ends with it.
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(|e| HelperError::Pipe(e.into()))?;
    let mut text = vec![];
    let reading = io::stdin().take(LONGEST).read_to_end(&mut text);
    reading.map_err(HelperError::Pipe)?;
    let question: Question = serde_json::from_slice(&text).map_err(HelperError::Question)?;
    let identity = question.identity.current();
    let key = Arc::new(KeyFile(identity.key_file.clone()));
    let mut provider = Provider::new(identity.clone(), key, question.known);
    let mut outcome = provider.mint().await;
    let is_refused = |failed: &Failed| failed.reason == FailureReason::Refused;
    if outcome.as_ref().is_err_and(is_refused)
        && let Some(renamed) = rotate::renamed(identity).await
    {
        let key = Arc::new(KeyFile(renamed.key_file.clone()));
        provider = Provider::new(renamed, key, provider.into_known());
        outcome = provider.mint().await;
    }
    let answer = Answer {
        outcome,
        known: provider.into_known(),
    };
    let text = serde_json::to_vec(&answer).map_err(|e| HelperError::Pipe(e.into()))?;
    io::stdout().write_all(&text).map_err(HelperError::Pipe)
}
