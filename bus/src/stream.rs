//! The four buckets as streams. They are ordinary KV buckets to every NATS tool, but made by the
//! stream API: a KV API would allow roll-ups, with which one write empties a whole bucket.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_nats::jetstream::context::{CreateStreamError, CreateStreamErrorKind};
use async_nats::jetstream::stream::{Config, DiscardPolicy, Republish, StorageType};
use async_nats::jetstream::{Context, ErrorCode};
use fleet_contracts::kv::Bucket;
use fleet_contracts::subject;

/// What an installation may choose about the streams.
#[derive(Debug, Clone)]
pub struct StreamSettings {
    /// Copies of each stream: 1, or 3 in a cluster.
    pub replicas: usize,
    /// How often devices send a heartbeat.
    pub heartbeat_period: Duration,
    /// The most bytes `desired-state` may hold.
    pub desired_state_bytes: i64,
    /// The most bytes `device-info` may hold.
    pub device_info_bytes: i64,
    /// The most bytes `device-state` may hold.
    pub device_state_bytes: i64,
    /// The most bytes `device-heartbeat` may hold, in memory.
    pub heartbeat_bytes: i64,
}

impl Default for StreamSettings {
    /// Room for 10,000 devices with some 100 deployments each.
    fn default() -> Self {
        Self {
            replicas: 1,
            heartbeat_period: Duration::from_secs(30),
            desired_state_bytes: 2 << 30,
            device_info_bytes: 128 << 20,
            device_state_bytes: 1 << 30,
            heartbeat_bytes: 64 << 20,
        }
    }
}

/// Why a stream is not as it should be.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// It could not be made or repaired.
    #[error("failed to create or update stream {stream}")]
    Ensure {
        /// The stream.
        stream: String,
        /// What the server said.
        #[source]
        source: async_nats::Error,
    },
    /// The server keeps it in another kind of storage, which cannot be changed in place.
    #[error(
        "stream {stream} is kept in {found:?} storage but must be in {wanted:?}; delete the stream \
         (its content is rebuilt) and start again"
    )]
    WrongStorage {
        /// The stream.
        stream: String,
        /// What it is kept in.
        found: StorageType,
        /// What it must be kept in.
        wanted: StorageType,
    },
}

/// What was done to a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ensured {
    /// It was as it should be.
    Unchanged,
    /// It did not exist.
    Created,
    /// Somebody had changed it.
    Repaired,
}

/// The definition of a bucket's stream.
pub fn definition(bucket: Bucket, settings: &StreamSettings) -> Config {
    let max_bytes = match bucket {
        Bucket::DesiredState => settings.desired_state_bytes,
        Bucket::DeviceInfo => settings.device_info_bytes,
        Bucket::DeviceState => settings.device_state_bytes,
        Bucket::DeviceHeartbeat => settings.heartbeat_bytes,
    };
    // Headers count against the limit too.
    let max_message = bucket.max_value_bytes() + 1024;
    let heartbeat = bucket == Bucket::DeviceHeartbeat;
    Config {
        name: bucket.stream(),
        subjects: vec![bucket.subject(&">")],
        max_messages_per_subject: 1,
        discard: DiscardPolicy::New,
        max_bytes,
        max_message_size: i32::try_from(max_message).unwrap_or(i32::MAX),
        max_age: if heartbeat {
            settings.heartbeat_period * 3
        } else {
            Duration::ZERO
        },
        storage: if heartbeat {
            StorageType::Memory
        } else {
            StorageType::File
        },
        // Heartbeats too: an operator that cannot read them does not begin to write.
        num_replicas: settings.replicas,
        // Devices can set Nats-Msg-Id: a short window bounds what a clash of ids can hide.
        duplicate_window: Duration::from_millis(100),
        allow_direct: true,
        // A roll-up header on one device's key would purge everybody's.
        allow_rollup: false,
        deny_delete: true,
        republish: (bucket == Bucket::DesiredState).then(doorbell),
        max_messages: -1,
        max_consumers: -1,
        ..Config::default()
    }
}

/// Only manifest keys ring, and the doorbell brings the manifest: the device verifies it as if it had
/// fetched it, and need not fetch it.
fn doorbell() -> Republish {
    Republish {
        source: Bucket::DesiredState.subject(&"*._manifest"),
        destination: format!("{}.{{{{wildcard(1)}}}}", subject::DOORBELL),
        headers_only: false,
    }
}

/// Makes the stream of a bucket, or repairs what differs from its definition.
pub async fn ensure(
    context: &Context,
    bucket: Bucket,
    settings: &StreamSettings,
) -> Result<Ensured, StreamError> {
    let mut wanted = definition(bucket, settings);
    let stream = wanted.name.clone();
    let failed = |source: async_nats::Error| StreamError::Ensure {
        stream: stream.clone(),
        source,
    };
    let made = Config {
        first_sequence: Some(first_sequence(SystemTime::now())),
        ..wanted.clone()
    };
    let found = match context.get_or_create_stream(made).await {
        // Another replica made it in the same moment.
        Err(error) if is_there(&error) => context
            .get_stream(&stream)
            .await
            .map_err(|e| failed(e.into()))?,
        found => found.map_err(|e| failed(e.into()))?,
    };
    let found = found.cached_info();
    wanted.first_sequence = found.config.first_sequence;
    if found.config.storage != wanted.storage {
        return Err(StreamError::WrongStorage {
            stream,
            found: found.config.storage,
            wanted: wanted.storage,
        });
    }
    if same(&found.config, &wanted) {
        let first = found.config.first_sequence.unwrap_or(1);
        let fresh = found.state.messages == 0 && found.state.last_sequence < first;
        return Ok(if fresh {
            Ensured::Created
        } else {
            Ensured::Unchanged
        });
    }
    context
        .update_stream(wanted)
        .await
        .map_err(|e| failed(e.into()))?;
    Ok(Ensured::Repaired)
}

/// From which sequence on a stream counts that is made now: microseconds of the wall clock.
///
/// A write that is conditional on a sequence of a stream that was lost, and that arrives late, must not
/// meet by chance the same sequence in the stream made after it. No stream takes a message for each
/// microsecond of its life, so its successor begins behind its end.
fn first_sequence(now: SystemTime) -> u64 {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(1).max(1)
}

fn is_there(error: &CreateStreamError) -> bool {
    matches!(error.kind(), CreateStreamErrorKind::JetStream(e) if e.error_code() == ErrorCode::STREAM_NAME_EXIST)
}

/// Makes or repairs all four.
pub async fn ensure_all(context: &Context, settings: &StreamSettings) -> Result<(), StreamError> {
    for bucket in Bucket::ALL {
        let ensured = ensure(context, bucket, settings).await?;
        if ensured != Ensured::Unchanged {
            tracing::info!(stream = bucket.stream(), outcome = ?ensured, "stream ensured");
        }
    }
    Ok(())
}

/// Whether the fields we define agree; the server fills in others.
fn same(found: &Config, wanted: &Config) -> bool {
    let key = |c: &Config| {
        (
            (
                c.subjects.clone(),
                c.max_messages_per_subject,
                c.discard,
                c.max_bytes,
                c.max_message_size,
            ),
            (
                c.max_age,
                c.num_replicas,
                c.duplicate_window,
                c.allow_direct,
                c.allow_rollup,
                c.deny_delete,
            ),
            c.republish
                .as_ref()
                .map(|r| (r.source.clone(), r.destination.clone(), r.headers_only)),
        )
    };
    key(found) == key(wanted)
}
