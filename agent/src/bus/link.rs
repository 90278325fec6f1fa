//! The connection's state: up once the bus has answered something, and why it is not.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_nats::{Client, ClientError, RequestErrorKind, ServerError};
use bytes::Bytes;
use fleet_agent_core::engine::Input;
use fleet_agent_core::link;
use fleet_contracts::{DeviceId, subject};
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::{Authentication, CredentialSource};
use crate::clock::boottime;

/// What the client calls a refused login while it connects: it passes on no more than this text.
const REFUSED: &str = "authorization violation";
/// How a server ends a session whose token is over.
const EXPIRED: &str = "user authentication expired";
/// Between two questions that stay without an answer.
const AGAIN: Duration = Duration::from_secs(1);

/// Credentials and attempts.
#[derive(Clone)]
pub(super) struct Link {
    credentials: Arc<dyn CredentialSource>,
    state: Arc<Mutex<link::Link>>,
}

impl Link {
    /// Nothing was tried yet.
    pub(super) fn new(credentials: Arc<dyn CredentialSource>) -> Self {
        Self {
            credentials,
            state: Arc::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, link::Link> {
        // A panic ends the agent; the state would be whole regardless.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long to wait before the next attempt.
    pub(super) fn attempt(&self) -> Duration {
        let mut state = self.state();
        let wait_ms = state.attempt(&mut fastrand::f64);
        let attempt = state.attempts();
        drop(state);
        tracing::debug!(attempt, wait_ms, "trying to reach the bus");
        Duration::from_millis(wait_ms)
    }

    /// Answers the server's challenge.
    pub(super) fn authenticate(&self, nonce: Vec<u8>) -> Authentication {
        let (answer, link) = (self.credentials.authenticate(nonce), self.clone());
        Box::pin(async move {
            let answer = answer.await;
            match &answer {
                Ok(_) => link.state().presented(boottime()),
                Err(error) => tracing::warn!(%error, "cannot log in to the bus"),
            }
            answer
        })
    }

    /// Follows what the client says, for as long as the agent runs.
    pub(super) async fn follow(
        self,
        client: Client,
        device: DeviceId,
        mut notices: mpsc::Receiver<async_nats::Event>,
        inputs: mpsc::Sender<Input>,
    ) {
        let mut stage = Stage::Down;
        loop {
            let notice = tokio::select! {
                notice = notices.recv() => notice,
                () = answered(&client, &device), if stage == Stage::Greeted => {
                    stage = Stage::Up;
                    self.up();
                    if inputs.send(Input::Connected).await.is_err() {
                        return;
                    }
                    continue;
                }
            };
            let Some(notice) = notice else { return };
            match notice {
                async_nats::Event::Connected => stage = Stage::Greeted,
                async_nats::Event::Disconnected => {
                    if std::mem::replace(&mut stage, Stage::Down) == Stage::Up
                        && inputs.send(Input::Disconnected).await.is_err()
                    {
                        return;
                    }
                }
                other => self.hear(&other),
            }
        }
    }

    fn up(&self) {
        self.credentials.accepted();
        if let Some(refused) = self.state().answered() {
            let (reason, times) = (refused.why.as_str(), refused.times);
            tracing::info!(reason, times, "the bus lets this device in again");
        }
    }

    fn hear(&self, notice: &async_nats::Event) {
        match notice {
            async_nats::Event::ServerError(ServerError::AuthorizationViolation) => self.refused(),
            async_nats::Event::ClientError(ClientError::Other(what)) if what == REFUSED => {
                self.refused();
            }
            async_nats::Event::ServerError(ServerError::Other(what))
                if what.eq_ignore_ascii_case(EXPIRED) =>
            {
                tracing::info!("the session ends with its token; logging in anew");
            }
            other => tracing::warn!(event = %other, "bus"),
        }
    }

    fn refused(&self) {
        let refused = self.state().refused(boottime());
        if !refused.is_news() {
            return;
        }
        let (reason, times, meaning) = (refused.why.as_str(), refused.times, refused.why.meaning());
        tracing::warn!(
            reason,
            times,
            meaning,
            "the bus does not let this device in"
        );
    }
}

/// How far it is with the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Down,
    /// The server has said something. It says this before it has decided about the login.
    Greeted,
    /// The bus has answered a question.
    Up,
}

/// Ends when the bus has answered anything over this connection.
async fn answered(client: &Client, device: &DeviceId) {
    let subject = subject::get_nothing(device);
    loop {
        match client.request(subject.clone(), Bytes::new()).await {
            Ok(_) => return,
            // The server says that nobody listens: it has taken the question.
            Err(error) if error.kind() == RequestErrorKind::NoResponders => return,
            Err(error) => {
                tracing::debug!(%error, "the bus does not answer yet");
                sleep(AGAIN).await;
            }
        }
    }
}
