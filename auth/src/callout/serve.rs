//! Requests from the bus, many at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fleet_auth_core::callout::{SUBJECT, XKEY_HEADER};
use fleet_bus::Bus;
use fleet_bus::async_nats::{Client, HeaderValue, Message, Subscriber};
use fleet_bus::connect::reconnect_delay;
use futures::StreamExt as _;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::judge::Judge;
use crate::policy::PolicySource;

/// Replicas share requests under this name.
const QUEUE_GROUP: &str = "fleet-auth";
/// How long requests that came before the stop may take.
const DRAIN_TIME: Duration = Duration::from_secs(5);

/// Answers requests, up to a number at the same time.
#[derive(Debug)]
pub struct Desk {
    permits: Arc<Semaphore>,
    concurrency: usize,
    subscribed: AtomicBool,
}

impl Desk {
    /// With this many at the same time, at least one.
    pub fn new(concurrency: usize) -> Self {
        let concurrency = concurrency.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            permits: Arc::new(Semaphore::new(concurrency)),
            concurrency,
            subscribed: AtomicBool::new(false),
        }
    }

    /// Whether requests arrive here, as long as the connection stands.
    pub fn is_subscribed(&self) -> bool {
        self.subscribed.load(Ordering::Relaxed)
    }

    /// How many are worked on.
    pub fn in_flight(&self) -> usize {
        self.concurrency
            .saturating_sub(self.permits.available_permits())
    }

    /// Answers until `stop`; then what came before that.
    pub async fn serve<P: PolicySource>(
        &self,
        bus: Bus,
        judge: Arc<Judge<P>>,
        stop: CancellationToken,
    ) {
        let client = bus.client().clone();
        let Some(mut requests) = self.subscribe(&client, &stop).await else {
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
            self.take(message, &client, &judge, &answering).await;
        }
        self.subscribed.store(false, Ordering::Relaxed);
        let finish = async {
            // What arrived is still answered. A request that the server sends before it has seen the
            // unsubscribing is lost, since the library does not wait for it: its device tries again.
            if requests.drain().await.is_ok() {
                while let Some(message) = requests.next().await {
                    self.take(message, &client, &judge, &answering).await;
                }
            }
            answering.close();
            answering.wait().await;
            client.flush().await
        };
        if !matches!(tokio::time::timeout(DRAIN_TIME, finish).await, Ok(Ok(()))) {
            tracing::warn!("stopped before all requests were answered");
        }
    }

    async fn subscribe(&self, client: &Client, stop: &CancellationToken) -> Option<Subscriber> {
        let mut attempt = 0;
        loop {
            let subscribed = client
                .queue_subscribe(SUBJECT, QUEUE_GROUP.to_owned())
                .await;
            match subscribed {
                // Flushed: the server has it, so that "ready" means that requests come here.
                Ok(requests) if client.flush().await.is_ok() => {
                    self.subscribed.store(true, Ordering::Relaxed);
                    tracing::info!(subject = SUBJECT, "answering requests");
                    return Some(requests);
                }
                _ => tracing::warn!("failed to subscribe; trying again"),
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
        client: &Client,
        judge: &Arc<Judge<P>>,
        answering: &TaskTracker,
    ) {
        // Waiting here leaves requests in the subscription; those that wait too long have expired
        // when they are opened, which costs little. The semaphore is never closed.
        let Ok(permit) = Arc::clone(&self.permits).acquire_owned().await else {
            return;
        };
        let (client, judge) = (client.clone(), Arc::clone(judge));
        answering.spawn(async move {
            let _permit = permit;
            respond(&message, &client, &judge).await;
        });
    }
}

async fn respond<P: PolicySource>(message: &Message, client: &Client, judge: &Judge<P>) {
    let headers = message.headers.as_ref();
    let sender = headers
        .and_then(|headers| headers.get(XKEY_HEADER))
        .map(HeaderValue::as_str);
    let answer = judge.handle(&message.payload, sender).await;
    let (Some(answer), Some(reply)) = (answer, message.reply.clone()) else {
        return;
    };
    if client.publish(reply, answer.into()).await.is_err() {
        tracing::warn!("the connection is closed; an answer is lost");
    }
}
