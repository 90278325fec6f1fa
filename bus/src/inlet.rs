//! A share of a queue group's messages that can be left without losing one.
//!
//! The client library forgets a subscription as soon as it has told the server, and drops what the server
//! sent before it heard that. A server that closes a connection itself, though, first sends all that it
//! had chosen for it, and chooses nothing more. So messages come on a connection of their own, and
//! leaving is asking the server to close it.
//!
//! Answers are best sent on that connection, too: its server knows who waits for them. Another server of
//! the cluster may hear of that a moment later, and drops what nobody waits for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_nats::{Client, Event, Message, Subscriber};
use futures::{FutureExt as _, StreamExt as _};
use tokio_util::sync::CancellationToken;

use crate::connect::{self, ConnectError, ConnectSettings, log_event, reconnect_delay};
use crate::system::{Closed, Place, SystemBus};

/// How long the server may take to close the connection.
const LEAVING: Duration = Duration::from_secs(3);
/// The connection is not to come back while it is left.
const NEVER: Duration = Duration::from_secs(24 * 60 * 60);

/// What the connection's callbacks and its owner share.
#[derive(Debug, Default)]
struct Leaving {
    begun: AtomicBool,
    /// The connection has ended since; all that came on it is in the subscription.
    ended: CancellationToken,
}

/// A connection with one subscription.
#[derive(Debug)]
pub struct Inlet {
    client: Client,
    messages: Subscriber,
    leaving: Arc<Leaving>,
}

/// Why nothing comes in.
#[derive(Debug, thiserror::Error)]
pub enum InletError {
    /// No connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The subscription did not reach the server.
    #[error("failed to subscribe")]
    Subscribe(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Inlet {
    /// Connects and subscribes; when it returns the server knows. Afterwards it reconnects for ever.
    ///
    /// # Errors
    /// When that does not work now.
    pub async fn open(
        settings: &ConnectSettings,
        subject: &'static str,
        group: &str,
    ) -> Result<Self, InletError> {
        let leaving: Arc<Leaving> = Arc::default();
        let (delaying, ending) = (Arc::clone(&leaving), Arc::clone(&leaving));
        let client = connect::dial(settings, move |options| {
            options
                .reconnect_delay_callback(move |attempt| {
                    if delaying.begun.load(Ordering::SeqCst) {
                        NEVER
                    } else {
                        reconnect_delay(attempt)
                    }
                })
                .event_callback(move |event| handle(event, Arc::clone(&ending)))
        })
        .await?;
        let failed = |error: Box<dyn std::error::Error + Send + Sync>| InletError::Subscribe(error);
        let messages = client.queue_subscribe(subject, group.to_owned()).await;
        let messages = messages.map_err(|error| failed(error.into()))?;
        // Flushing would only mean that it was sent.
        connect::settle(&client).await.map_err(failed)?;
        Ok(Self {
            client,
            messages,
            leaving,
        })
    }

    /// The connection, to ask whether it stands.
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// The next message; none if the connection was closed for good.
    pub async fn next(&mut self) -> Option<Message> {
        self.messages.next().await
    }

    /// Leaves the group, and gives what came until then. Without `system`, or if that does not work,
    /// messages that are on their way in this moment are lost.
    pub async fn leave(mut self, system: Option<&SystemBus>) -> Vec<Message> {
        let mut rest = Vec::new();
        let closed = match system {
            Some(system) => self.be_closed(system).await,
            None => false,
        };
        if !closed {
            tracing::info!("leaving without the server's help; a request on its way may be lost");
            if self.messages.drain().await.is_err() {
                return rest;
            }
            let draining = async {
                while let Some(message) = self.messages.next().await {
                    rest.push(message);
                }
            };
            // What came by then is there.
            let _ = tokio::time::timeout(LEAVING, draining).await;
            return rest;
        }
        while let Some(Some(message)) = self.messages.next().now_or_never() {
            rest.push(message);
        }
        rest
    }

    /// Whether the server closed the connection, and all that it sent before is here.
    async fn be_closed(&self, system: &SystemBus) -> bool {
        self.leaving.begun.store(true, Ordering::SeqCst);
        // What was sent and not read yet would be lost.
        let _ = tokio::time::timeout(LEAVING, connect::settle(&self.client)).await;
        let about = self.client.server_info();
        let place = Place {
            server: about.server_id,
            client: about.client_id,
        };
        let asked = tokio::time::timeout(LEAVING, system.close(&place)).await;
        let left = matches!(asked, Ok(Ok(Closed::Now)));
        let ended = tokio::time::timeout(LEAVING, self.leaving.ended.cancelled());
        let left = left && ended.await.is_ok();
        if !left {
            self.leaving.begun.store(false, Ordering::SeqCst);
        }
        left
    }
}

async fn handle(event: Event, leaving: Arc<Leaving>) {
    if leaving.begun.load(Ordering::SeqCst) && matches!(event, Event::Disconnected) {
        leaving.ended.cancel();
    } else {
        log_event(event).await;
    }
}
