//! Watching a bucket: what it holds, then every change, and an end where that cannot be had.

use std::collections::BTreeMap;
use std::time::Duration;

use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::consumer::{DeliverPolicy, push};
use async_nats::jetstream::context::GetStreamErrorKind;
use fleet_contracts::kv::Bucket;
use futures::StreamExt as _;
use tokio::sync::watch;

use crate::connect::Bus;
use crate::store::{StoreError, Stored, is_deletion, millis, server_error};

/// How often a watch makes sure that its stream is still the one it began with, and that it hears it.
const CHECK: Duration = Duration::from_secs(3);
/// After so many in a row that find more in the stream, while nothing comes, it hears nothing.
const MISSED: u32 = 4;

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
    /// The connection is lost, or was: there may be more than what was told. Of watches of a whole bucket.
    Interrupted,
    /// All that the stream held when it could be asked again has been told.
    Resumed,
}

impl Bus {
    /// Tells everything the bucket holds, then [`Event::Synced`], then every change.
    pub async fn watch(&self, bucket: Bucket) -> Result<Watch, StoreError> {
        self.watch_keys(bucket, ">").await
    }

    /// What a bucket holds now, by key.
    pub async fn held(&self, bucket: Bucket) -> Result<BTreeMap<String, Stored>, StoreError> {
        self.watch(bucket).await?.held().await
    }

    /// As [`Bus::watch`], for the keys that match `filter` (tokens, `*` and `>`).
    pub async fn watch_keys(&self, bucket: Bucket, filter: &str) -> Result<Watch, StoreError> {
        let failed = |source| server_error("watch", bucket, source);
        let losses = self.losses();
        let stream = self.context().get_stream(bucket.stream()).await;
        let stream = stream.map_err(|e| failed(e.into()))?;
        let info = stream.cached_info();
        let (incarnation, last) = (Incarnation(info.created), info.state.last_sequence);
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
        let mut check = tokio::time::interval(CHECK);
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
            hearing: (filter == ">").then(|| Hearing::since(last)),
            losses,
        })
    }
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
    /// None where others' messages count too, and so nothing follows from a sequence.
    hearing: Option<Hearing>,
    /// Changes when the connection is lost.
    losses: watch::Receiver<u64>,
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

    /// What the bucket holds, by key: all that is told up to [`Event::Synced`]. To be asked first; what comes
    /// then are changes of it.
    pub async fn held(&mut self) -> Result<BTreeMap<String, Stored>, StoreError> {
        let mut held = BTreeMap::new();
        loop {
            match self.next().await? {
                Event::Put(stored) => drop(held.insert(stored.key.clone(), stored)),
                Event::Deleted { key, .. } => drop(held.remove(&key)),
                Event::Synced => return Ok(held),
                Event::Interrupted | Event::Resumed => {}
            }
        }
    }

    /// What comes next. Cancel-safe.
    pub async fn next(&mut self) -> Result<Event, StoreError> {
        if self.sync == Sync::Announce {
            self.sync = Sync::Done;
            if let Some(hearing) = &mut self.hearing {
                hearing.caught_up();
            }
            return Ok(Event::Synced);
        }
        loop {
            if self.hearing.as_mut().is_some_and(Hearing::has_resumed) {
                return Ok(Event::Resumed);
            }
            let message = tokio::select! {
                biased;
                Ok(()) = self.losses.changed(), if self.hearing.is_some() => {
                    if let Some(hearing) = &mut self.hearing {
                        hearing.gap = Some(Gap::Unknown);
                    }
                    return Ok(Event::Interrupted);
                }
                message = self.messages.next() => Some(message),
                _ = self.check.tick() => None,
            };
            match message {
                Some(message) => return self.event(message),
                None => self.look().await?,
            }
        }
    }

    /// An ordered consumer that recovers on a stream made anew would be told of that one as if it were
    /// the old one; the stream's creation time gives it away. And one that recovers while a server is
    /// away may be given to that server, and then waits until it is back: so it is not left to itself
    /// for long. While the servers do not answer nothing is known, and the check comes again.
    async fn look(&mut self) -> Result<(), StoreError> {
        let name = self.bucket.name();
        let stream = match self.bus.context().get_stream(self.bucket.stream()).await {
            Ok(stream) => stream,
            Err(e) if is_missing(&e.kind()) => return Err(StoreError::Recreated(name)),
            Err(_) => return Ok(()),
        };
        let info = stream.cached_info();
        if Incarnation(info.created) != self.incarnation {
            return Err(StoreError::Recreated(name));
        }
        let last = info.state.last_sequence;
        if let Some(hearing) = &mut self.hearing {
            if hearing.is_lost(last) {
                return Err(StoreError::Deaf(name));
            }
            // Not by an answer from before another loss.
            if hearing.gap == Some(Gap::Unknown) && !self.losses.has_changed().unwrap_or(false) {
                hearing.gap = Some(Gap::Until(last));
            }
        }
        Ok(())
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
        if let Some(hearing) = &mut self.hearing {
            hearing.heard = sequence;
        }
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

/// What a watch of a whole stream has heard of it.
#[derive(Debug)]
struct Hearing {
    /// Where the stream ended when the watch began. Its last messages may have been purged.
    begun: u64,
    /// The last message that came.
    heard: u64,
    /// What that was when a check found more in the stream, and how many have since.
    behind: Option<(u64, u32)>,
    /// What may be missing since the connection was lost.
    gap: Option<Gap>,
}

/// What a watch may not have heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gap {
    /// The stream was not looked at since.
    Unknown,
    /// What it held up to here.
    Until(u64),
}

impl Hearing {
    const fn since(begun: u64) -> Self {
        Self {
            begun,
            heard: 0,
            behind: None,
            gap: None,
        }
    }

    /// Whether what was missing has come, for the first time.
    fn has_resumed(&mut self) -> bool {
        let resumed = matches!(self.gap, Some(Gap::Until(last)) if self.heard >= last);
        if resumed {
            self.gap = None;
        }
        resumed
    }

    /// All from before the watch has come.
    fn caught_up(&mut self) {
        self.heard = self.heard.max(self.begun);
    }

    /// A check: the stream ends at `last`. Whether there was more to hear at [`MISSED`] in a row, and
    /// nothing came in between.
    fn is_lost(&mut self, last: u64) -> bool {
        let before = self.behind.filter(|(heard, _)| *heard == self.heard);
        let checks = before.map_or(1, |(_, checks)| checks + 1);
        self.behind = (last > self.heard).then_some((self.heard, checks));
        checks >= MISSED && self.behind.is_some()
    }
}

fn is_missing(kind: &GetStreamErrorKind) -> bool {
    matches!(kind, GetStreamErrorKind::JetStream(e) if e.error_code() == ErrorCode::STREAM_NOT_FOUND)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_lost_in_the_end(hearing: &mut Hearing, last: u64) -> bool {
        (1..MISSED).for_each(|_| assert!(!hearing.is_lost(last), "too early"));
        hearing.is_lost(last)
    }

    #[test]
    fn a_watch_is_lost_that_misses_something_for_long_and_hears_nothing() {
        let mut hearing = Hearing::since(10);
        assert!(is_lost_in_the_end(&mut hearing, 10), "not even the backlog");
        hearing.heard = 8;
        assert!(!hearing.is_lost(10));
        hearing.caught_up();
        let lost = is_lost_in_the_end(&mut hearing, 10);
        assert!(!lost, "what was last is purged, and there is no more");
        for heard in 11..20 {
            assert!(!hearing.is_lost(heard), "it comes late");
            hearing.heard = heard;
        }
        assert!(is_lost_in_the_end(&mut hearing, 20));
    }

    #[test]
    fn a_watch_has_resumed_when_what_the_stream_held_has_come() {
        let mut hearing = Hearing::since(10);
        hearing.caught_up();
        assert!(!hearing.has_resumed(), "nothing was missing");
        hearing.gap = Some(Gap::Unknown);
        hearing.heard = 12;
        assert!(!hearing.has_resumed(), "nobody knows what is missing");
        hearing.gap = Some(Gap::Until(13));
        assert!(!hearing.has_resumed());
        hearing.heard = 13;
        assert!(hearing.has_resumed());
        assert!(!hearing.has_resumed(), "said once");
    }
}
