//! Requests from the bus, many at a time.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fleet_auth_core::callout::{SUBJECT, XKEY_HEADER};
use fleet_bus::async_nats::connection::State;
use fleet_bus::async_nats::{Client, HeaderValue, Message, Subject};
use fleet_bus::connect::BoxError;
use fleet_bus::connect::reconnect_delay;
use fleet_bus::{Bus, ConnectSettings, Inlet};
use fleet_service::chain;
use tokio::sync::{RwLock, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::enforce::System;
use super::judge::Judge;
use super::presence::announce;
use crate::policy::PolicySource;

/// Replicas share requests under this name.
const QUEUE_GROUP: &str = "fleet-auth";
/// How long a server waits for an answer (`fleet_bus::server`).
const WAITED_FOR: Duration = Duration::from_secs(5);
/// How long leaving, and requests that came before that, may take.
const DRAIN_TIME: Duration = Duration::from_secs(10);

/// Answers requests, up to a number at the same time.
#[derive(Debug)]
pub struct Desk {
    permits: Arc<Semaphore>,
    concurrency: usize,
    /// The connection on which requests come; empty before the first, and once they are to stop. Held
    /// for as long as it takes to send an answer on it.
    incoming: Arc<RwLock<Option<Client>>>,
    /// This replica, among the others.
    replica: u64,
}

impl Desk {
    /// With this many at the same time, at least one.
    pub fn new(concurrency: usize) -> Self {
        let concurrency = concurrency.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            permits: Arc::new(Semaphore::new(concurrency)),
            concurrency,
            incoming: Arc::default(),
            replica: fastrand::u64(..),
        }
    }

    /// Whether requests arrive here.
    pub fn is_subscribed(&self) -> bool {
        let connected = |client: &Client| client.connection_state() == State::Connected;
        // While it is being changed, none do.
        let incoming = self.incoming.try_read();
        incoming.is_ok_and(|incoming| incoming.as_ref().is_some_and(connected))
    }

    /// The number of this replica, different from all others'.
    pub const fn replica(&self) -> u64 {
        self.replica
    }

    /// How many are worked on.
    pub fn in_flight(&self) -> usize {
        self.concurrency
            .saturating_sub(self.permits.available_permits())
    }

    /// Answers until `stop`; then what came before that. Requests come on a connection of their own, on
    /// which they are answered, and which is closed first; the last answers go by `bus`.
    pub async fn serve<P: PolicySource>(
        &self,
        bus: Bus,
        settings: ConnectSettings,
        system: System,
        judge: Arc<Judge<P>>,
        stop: CancellationToken,
    ) {
        let Some(mut requests) = self.subscribe(&settings, &stop).await else {
            return;
        };
        let answering = TaskTracker::new();
        loop {
            let message = tokio::select! {
                message = requests.next() => message,
                () = stop.cancelled() => break,
            };
            let Some(message) = message else {
                tracing::error!("the subscription ended");
                break;
            };
            self.take(message, &bus, &judge, &answering).await;
        }
        let finish = async {
            *self.incoming.write().await = None;
            for message in requests.leave(system.get()).await {
                self.take(message, &bus, &judge, &answering).await;
            }
            answering.close();
            answering.wait().await;
            bus.settle().await
        };
        if !matches!(tokio::time::timeout(DRAIN_TIME, finish).await, Ok(Ok(()))) {
            tracing::warn!("stopped before all requests were answered");
        }
    }

    async fn subscribe(
        &self,
        settings: &ConnectSettings,
        stop: &CancellationToken,
    ) -> Option<Inlet> {
        let mut attempt = 0;
        loop {
            match Inlet::open(settings, SUBJECT, QUEUE_GROUP).await {
                Ok(requests) => {
                    *self.incoming.write().await = Some(requests.client().clone());
                    tracing::info!(subject = SUBJECT, "answering requests");
                    return Some(requests);
                }
                Err(error) => {
                    tracing::warn!(error = chain(&error), "no requests come in; trying again");
                }
            }
            attempt += 1;
            tokio::select! {
                () = tokio::time::sleep(reconnect_delay(attempt)) => {}
                () = stop.cancelled() => return None,
            }
        }
    }

    async fn take<P: PolicySource>(
        &self,
        message: Message,
        bus: &Bus,
        judge: &Arc<Judge<P>>,
        answering: &TaskTracker,
    ) {
        // Waiting here leaves requests in the subscription; those that wait too long have expired
        // when they are opened, which costs little. The semaphore is never closed.
        let Ok(permit) = Arc::clone(&self.permits).acquire_owned().await else {
            return;
        };
        let way = Way {
            asked_on: Arc::clone(&self.incoming),
            bus: bus.clone(),
        };
        let (judge, replica) = (Arc::clone(judge), self.replica);
        answering.spawn(async move {
            let _permit = permit;
            respond(&message, &way, replica, &judge).await;
        });
    }
}

/// How answers reach those who asked.
struct Way {
    asked_on: Arc<RwLock<Option<Client>>>,
    bus: Bus,
}

impl Way {
    async fn send(&self, reply: Subject, answer: Bytes) -> Result<(), BoxError> {
        if let Some(client) = self.asked_on.read().await.as_ref() {
            return Ok(client.publish(reply, answer).await?);
        }
        let delivered = tokio::time::timeout(WAITED_FOR, self.bus.deliver(reply, answer));
        delivered.await.unwrap_or(Ok(()))
    }
}

async fn respond<P: PolicySource>(message: &Message, way: &Way, replica: u64, judge: &Judge<P>) {
    let headers = message.headers.as_ref();
    let sender = headers
        .and_then(|headers| headers.get(XKEY_HEADER))
        .map(HeaderValue::as_str);
    let answer = judge.handle(&message.payload, sender).await;
    let (Some(answer), Some(reply)) = (answer, message.reply.clone()) else {
        return;
    };
    if way.send(reply, answer.sealed.into()).await.is_err() {
        tracing::warn!("the connection is closed; an answer is lost");
    }
    if let Some(admission) = answer.admitted {
        announce(&way.bus, replica, admission).await;
    }
}
