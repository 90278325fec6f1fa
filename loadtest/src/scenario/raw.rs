//! What the bus can do without us: one publisher that only publishes, one consumer that only counts.

use std::time::{Duration, Instant};

use bytes::Bytes;
use fleet_bus::StreamSettings;
use fleet_bus::async_nats::jetstream::consumer::{DeliverPolicy, push};
use fleet_bus::async_nats::jetstream::stream::Config;
use fleet_bus::stream::definition;
use fleet_contracts::kv::Bucket;
use fleet_contracts::payload::Phase;
use futures::StreamExt as _;

use super::Scene;
use crate::Error;
use crate::platform::Platform;

/// For how long it publishes.
const SPAN: Duration = Duration::from_secs(4);
/// For the last messages to arrive.
const PATIENCE: Duration = Duration::from_secs(30);
const STREAM: &str = "raw-reference";
const PREFIX: &str = "raw";

/// Publishes into a stream defined as that of `device-state`, to as many subjects as there are devices,
/// and counts what one consumer like the operator's is given. Messages per second, from the first sent
/// to the last counted.
pub(super) async fn measure(scene: &Scene, platform: &Platform) -> Result<f64, Error> {
    let context = platform.bus.context();
    let settings = StreamSettings {
        replicas: platform.streams.replicas,
        ..StreamSettings::default()
    };
    let config = Config {
        name: STREAM.to_owned(),
        subjects: vec![format!("{PREFIX}.>")],
        ..definition(Bucket::DeviceState, &settings)
    };
    let made = context.create_stream(config).await;
    let stream = made.map_err(Error::bus("make the stream of the raw reference"))?;
    let client = platform.bed.nats()?.operator_client().await?;
    let consumer = stream.create_consumer(push::OrderedConfig {
        deliver_subject: client.new_inbox(),
        deliver_policy: DeliverPolicy::All,
        ..push::OrderedConfig::default()
    });
    let consumer = consumer.await.map_err(Error::bus("make a consumer"))?;
    let messages = consumer
        .messages()
        .await
        .map_err(Error::bus("make a consumer"))?;
    let counting = tokio::spawn(count(messages));
    let begun = Instant::now();
    let published = publish(scene, platform, begun).await?;
    let (last, at) = match tokio::time::timeout(PATIENCE, counting).await {
        Ok(outcome) => outcome?,
        Err(_) => (0, Instant::now()),
    };
    let deleted = context.delete_stream(STREAM).await;
    deleted.map_err(Error::bus("delete the stream of the raw reference"))?;
    if last < published {
        scene.record.error("raw reference incomplete");
    }
    let count = f64::from(u32::try_from(published).unwrap_or(u32::MAX));
    Ok(count / at.saturating_duration_since(begun).as_secs_f64())
}

/// The subject of the message that ends it.
fn end() -> String {
    format!("{PREFIX}.end")
}

/// Sends until the time is over, then the end; gives how many were stored.
async fn publish(scene: &Scene, platform: &Platform, begun: Instant) -> Result<u64, Error> {
    let context = platform.bus.context();
    let (_, payload) = scene.writer.state(&scene.fleet, 0, Phase::Running);
    let mut acks = futures::stream::FuturesUnordered::new();
    let (mut number, mut stored) = (0_usize, 0_u64);
    while begun.elapsed() < SPAN {
        let subject = format!("{PREFIX}.{}", number % scene.fleet.devices.len());
        let sent = context.publish(subject, payload.clone()).await;
        acks.push(sent.map_err(Error::bus("publish"))?.into_future());
        number += 1;
        while acks.len() >= WINDOW {
            if let Some(ack) = acks.next().await {
                ack.map_err(Error::bus("publish"))?;
                stored += 1;
            }
        }
    }
    while let Some(ack) = acks.next().await {
        ack.map_err(Error::bus("publish"))?;
        stored += 1;
    }
    let last = context.publish(end(), Bytes::new()).await;
    let last = last.map_err(Error::bus("publish"))?.await;
    last.map_err(Error::bus("publish"))?;
    Ok(stored)
}

/// Publishes under way at once.
const WINDOW: usize = 2_048;

/// Counts until the end; gives the stream's sequence before it, and when that was.
async fn count(mut messages: push::Ordered) -> (u64, Instant) {
    let mut last = 0;
    while let Some(Ok(message)) = messages.next().await {
        if message.subject.ends_with(".end") {
            break;
        }
        last = message.info().map_or(last, |info| info.stream_sequence);
    }
    (last, Instant::now())
}
