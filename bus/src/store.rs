//! Reading and writing the buckets from the PLATFORM account.

use async_nats::HeaderMap;
use async_nats::jetstream::context::{PublishAckFuture, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::LastRawMessageErrorKind;
use bytes::Bytes;
use fleet_contracts::UnixMillis;
use fleet_contracts::kv::Bucket;

use crate::connect::Bus;

/// The header that marks a deleted key.
const KV_OPERATION: &str = "KV-Operation";

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
    /// The stream has messages that do not come.
    #[error("the watch of {0} hears nothing, though there is something to hear")]
    Deaf(&'static str),
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

    /// The value of a key, if it has one, with all that was acknowledged before.
    ///
    /// The leader of the stream answers. A direct get, as devices ask, may be answered by a follower, which
    /// hears later than the writer that a write counts: a device is told of the sequence to expect.
    pub async fn get(&self, bucket: Bucket, key: &str) -> Result<Option<Stored>, StoreError> {
        let failed = |source| server_error("read a key of", bucket, source);
        let stream = self.context().get_stream_no_info(bucket.stream()).await;
        let stream = stream.map_err(|e| failed(e.into()))?;
        match stream
            .get_last_raw_message_by_subject(&bucket.subject(&key))
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
            Err(e) if e.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(None),
            Err(e) => Err(failed(e.into())),
        }
    }
}

pub(crate) fn server_error(
    operation: &'static str,
    bucket: Bucket,
    source: async_nats::Error,
) -> StoreError {
    StoreError::Server {
        operation,
        bucket: bucket.name(),
        source,
    }
}

pub(crate) fn millis(at: time::OffsetDateTime) -> UnixMillis {
    UnixMillis(u64::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap_or(0))
}

pub(crate) fn is_deletion(headers: &HeaderMap) -> bool {
    headers
        .get(KV_OPERATION)
        .is_some_and(|op| matches!(op.as_str(), "DEL" | "PURGE"))
}
