//! Reading, writing and watching the buckets from the PLATFORM account.

use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::consumer::{DeliverPolicy, push};
use async_nats::jetstream::context::{GetStreamErrorKind, PublishAckFuture, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::DirectGetErrorKind;
use bytes::Bytes;
use fleet_contracts::UnixMillis;
use fleet_contracts::kv::Bucket;
use futures::StreamExt as _;

use crate::connect::Bus;

/// The header that marks a deleted key.
const KV_OPERATION: &str = "KV-Operation";
/// How often a watch makes sure that its stream is still the one it began with.
const RECREATED_CHECK: Duration = Duration::from_secs(3);

/// A value as the stream holds it.
#[derive(Debug, Clone)]
pub struct Stored {
    /// The key, as text: whoever reads it parses it and refuses foreign ones.
    pub key: String,
    /// Its place in the stream.
    pub sequence: u64,
    /// When the server stored it, by the server's clock.
    pub received: UnixMillis,
    /// Its headers.
    pub headers: HeaderMap,
    /// The value.
    pub value: Bytes,
}

/// Which making of a stream a watch follows. A stream that was lost and made again has another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Incarnation(time::OffsetDateTime);

/// What a watch tells.
#[derive(Debug, Clone)]
pub enum Event {
    /// A key has this value.
    Put(Stored),
    /// A key was deleted; its marker lies at this sequence.
    Deleted {
        /// The key.
        key: String,
        /// The marker's place in the stream.
        sequence: u64,
    },
    /// All that the stream held when the watch began has been told.
    Synced,
}

/// Why a bucket could not be read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The server did not answer, or said no.
    #[error("failed to {operation} {bucket}")]
    Server {
        /// What was tried.
        operation: &'static str,
        /// On which bucket.
        bucket: &'static str,
        /// What came of it.
        #[source]
        source: async_nats::Error,
    },
    /// The stream was deleted or made anew: everything known from it must be forgotten.
    #[error("the stream of {0} was recreated")]
    Recreated(&'static str),
    /// The watch's messages ended.
    #[error("the watch of {0} ended")]
    Ended(&'static str),
}

/// Why a key could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// Somebody else wrote the key since.
    #[error("{key} in {bucket} was written by another since it was last read")]
    Conflict {
        /// The bucket.
        bucket: &'static str,
        /// The key.
        key: String,
    },
    /// The server did not answer, or said no.
    #[error("failed to write {key} in {bucket}")]
    Server {
        /// The bucket.
        bucket: &'static str,
        /// The key.
        key: String,
        /// What came of it.
        #[source]
        source: async_nats::Error,
    },
}

/// A write under way: await it for the acknowledgement. Several may be under way at once.
#[derive(Debug)]
pub struct Pending {
    bucket: Bucket,
    key: String,
    ack: PublishAckFuture,
}

impl Pending {
    /// The sequence under which the value is stored.
    pub async fn acknowledged(self) -> Result<u64, WriteError> {
        let ack = self
            .ack
            .await
            .map_err(|e| write_error(self.bucket, &self.key, e))?;
        Ok(ack.sequence)
    }
}

fn write_error(
    bucket: Bucket,
    key: &str,
    error: async_nats::jetstream::context::PublishError,
) -> WriteError {
    let (bucket, key) = (bucket.name(), key.to_owned());
    if error.kind() == PublishErrorKind::WrongLastSequence {
        WriteError::Conflict { bucket, key }
    } else {
        WriteError::Server {
            bucket,
            key,
            source: error.into(),
        }
    }
}

impl Bus {
    /// Sends a value; the returned [`Pending`] tells when it is stored. With `expected`, it is
    /// stored only if the key's last message lies at that sequence (0: the key has none).
    pub async fn send(
        &self,
        bucket: Bucket,
        key: &str,
        headers: HeaderMap,
        value: Bytes,
        expected: Option<u64>,
    ) -> Result<Pending, WriteError> {
        let mut message = PublishMessage::build().headers(headers).payload(value);
        if let Some(sequence) = expected {
            message = message.expected_last_subject_sequence(sequence);
        }
        let ack = self
            .context()
            .send_publish(bucket.subject(&key), message)
            .await
            .map_err(|e| write_error(bucket, key, e))?;
        Ok(Pending {
            bucket,
            key: key.to_owned(),
            ack,
        })
    }

    /// Stores a value and waits until it is stored.
    pub async fn put(&self, bucket: Bucket, key: &str, value: Bytes) -> Result<u64, WriteError> {
        self.send(bucket, key, HeaderMap::new(), value, None)
            .await?
            .acknowledged()
            .await
    }

    /// Marks a key as deleted; a watch tells of it. `expected` as with [`Bus::send`].
    pub async fn delete(
        &self,
        bucket: Bucket,
        key: &str,
        expected: Option<u64>,
    ) -> Result<u64, WriteError> {
        let mut headers = HeaderMap::new();
        headers.insert(KV_OPERATION, "DEL");
        self.send(bucket, key, headers, Bytes::new(), expected)
            .await?
            .acknowledged()
            .await
    }

    /// Removes a key without a trace, up to and including the given sequence: a value that was
    /// written since stays. No watch tells of it.
    pub async fn purge(&self, bucket: Bucket, key: &str, up_to: u64) -> Result<(), StoreError> {
        let failed = |source| server_error("purge a key of", bucket, source);
        let stream = self.context().get_stream_no_info(bucket.stream()).await;
        let stream = stream.map_err(|e| failed(e.into()))?;
        let purged = stream
            .purge()
            .filter(bucket.subject(&key))
            .sequence(up_to + 1)
            .await;
        purged.map(drop).map_err(|e| failed(e.into()))
    }

    /// The value of a key, if it has one.
    pub async fn get(&self, bucket: Bucket, key: &str) -> Result<Option<Stored>, StoreError> {
        let failed = |source| server_error("read a key of", bucket, source);
        let stream = self.context().get_stream_no_info(bucket.stream()).await;
        let stream = stream.map_err(|e| failed(e.into()))?;
        match stream
            .direct_get_last_for_subject(bucket.subject(&key))
            .await
        {
            Ok(message) if is_deletion(&message.headers) => Ok(None),
            Ok(message) => Ok(Some(Stored {
                key: key.to_owned(),
                sequence: message.sequence,
                received: millis(message.time),
                headers: message.headers,
                value: message.payload,
            })),
            Err(e) if e.kind() == DirectGetErrorKind::NotFound => Ok(None),
            Err(e) => Err(failed(e.into())),
        }
    }

    /// Tells everything the bucket holds, then [`Event::Synced`], then every change.
    pub async fn watch(&self, bucket: Bucket) -> Result<Watch, StoreError> {
        self.watch_keys(bucket, ">").await
    }

    /// As [`Bus::watch`], for the keys that match `filter` (tokens, `*` and `>`).
    pub async fn watch_keys(&self, bucket: Bucket, filter: &str) -> Result<Watch, StoreError> {
        let failed = |source| server_error("watch", bucket, source);
        let stream = self.context().get_stream(bucket.stream()).await;
        let stream = stream.map_err(|e| failed(e.into()))?;
        let incarnation = Incarnation(stream.cached_info().created);
        let consumer = stream
            .create_consumer(push::OrderedConfig {
                deliver_subject: self.client().new_inbox(),
                filter_subject: bucket.subject(&filter),
                deliver_policy: DeliverPolicy::LastPerSubject,
                ..push::OrderedConfig::default()
            })
            .await
            .map_err(|e| failed(e.into()))?;
        let backlog = consumer.cached_info().num_pending;
        let messages = consumer.messages().await.map_err(|e| failed(e.into()))?;
        let mut check = tokio::time::interval(RECREATED_CHECK);
        check.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let prefix = bucket.subject(&"").len();
        let sync = if backlog == 0 {
            Sync::Announce
        } else {
            Sync::Backlog
        };
        Ok(Watch {
            bus: self.clone(),
            bucket,
            incarnation,
            messages,
            check,
            prefix,
            sync,
        })
    }
}

fn server_error(operation: &'static str, bucket: Bucket, source: async_nats::Error) -> StoreError {
    StoreError::Server {
        operation,
        bucket: bucket.name(),
        source,
    }
}

fn millis(at: time::OffsetDateTime) -> UnixMillis {
    UnixMillis(u64::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap_or(0))
}

fn is_deletion(headers: &HeaderMap) -> bool {
    headers
        .get(KV_OPERATION)
        .is_some_and(|op| matches!(op.as_str(), "DEL" | "PURGE"))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sync {
    /// Messages from before the watch are still coming.
    Backlog,
    /// The last of them was told; [`Event::Synced`] is next.
    Announce,
    /// Live.
    Done,
}

/// A running watch. After an error, open a new one: it begins with everything again.
pub struct Watch {
    bus: Bus,
    bucket: Bucket,
    incarnation: Incarnation,
    messages: push::Ordered,
    check: tokio::time::Interval,
    prefix: usize,
    sync: Sync,
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch")
            .field("bucket", &self.bucket)
            .finish_non_exhaustive()
    }
}

impl Watch {
    /// Which making of the stream is followed: if it differs from the last watch's, all that was
    /// known from that one is no longer in the bucket, whatever the last watch ended with.
    pub const fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    /// What comes next. Cancel-safe.
    pub async fn next(&mut self) -> Result<Event, StoreError> {
        if self.sync == Sync::Announce {
            self.sync = Sync::Done;
            return Ok(Event::Synced);
        }
        loop {
            let message = tokio::select! {
                biased;
                message = self.messages.next() => Some(message),
                _ = self.check.tick() => None,
            };
            match message {
                Some(message) => return self.event(message),
                None => still_the_same_stream(&self.bus, self.bucket, self.incarnation).await?,
            }
        }
    }

    fn event(
        &mut self,
        message: Option<Result<async_nats::jetstream::Message, push::OrderedError>>,
    ) -> Result<Event, StoreError> {
        let name = self.bucket.name();
        let message = message
            .ok_or(StoreError::Ended(name))?
            .map_err(|e| server_error("watch", self.bucket, e.into()))?;
        let info = message
            .info()
            .map_err(|e| server_error("watch", self.bucket, e))?;
        let (sequence, received, left) =
            (info.stream_sequence, millis(info.published), info.pending);
        if self.sync == Sync::Backlog && left == 0 {
            self.sync = Sync::Announce;
        }
        let key = message
            .subject
            .get(self.prefix..)
            .unwrap_or_default()
            .to_owned();
        let (message, _) = message.split();
        let headers = message.headers.unwrap_or_default();
        if is_deletion(&headers) {
            return Ok(Event::Deleted { key, sequence });
        }
        Ok(Event::Put(Stored {
            key,
            sequence,
            received,
            headers,
            value: message.payload,
        }))
    }
}

/// An ordered consumer that recovers on a stream made anew waits for a sequence that will not
/// come for long; the stream's creation time gives it away. While the server does not answer
/// nothing is known, and the check comes again.
async fn still_the_same_stream(
    bus: &Bus,
    bucket: Bucket,
    incarnation: Incarnation,
) -> Result<(), StoreError> {
    let recreated = Err(StoreError::Recreated(bucket.name()));
    match bus.context().get_stream(bucket.stream()).await {
        Ok(stream) if Incarnation(stream.cached_info().created) == incarnation => Ok(()),
        Ok(_) => recreated,
        Err(e) if is_missing(&e.kind()) => recreated,
        Err(_) => Ok(()),
    }
}

fn is_missing(kind: &GetStreamErrorKind) -> bool {
    matches!(kind, GetStreamErrorKind::JetStream(e) if e.error_code() == ErrorCode::STREAM_NOT_FOUND)
}
