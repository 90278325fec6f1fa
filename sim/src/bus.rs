//! The four buckets as a server keeps them: one message for each key, sequences, conditional writes.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use fleet_contracts::kv::Bucket;

/// Heartbeats are kept so long, in milliseconds.
const HEARTBEAT_AGE: u64 = 90_000;

/// Those of a message's headers that are ours.
#[derive(Debug, Clone, Default)]
pub struct Headers {
    /// `Fleet-Key`.
    pub key_id: String,
    /// `Fleet-Signature`.
    pub signature: String,
    /// `Fleet-Entry`, as often as it is there.
    pub brings: Vec<String>,
}

/// A message in a bucket.
#[derive(Debug, Clone)]
pub struct Message {
    /// Its key.
    pub key: String,
    /// Its value; none for a deletion marker.
    pub value: Option<Bytes>,
    /// Its headers.
    pub headers: Headers,
    /// Its place in the stream.
    pub sequence: u64,
    /// When it was taken in.
    pub received: u64,
}

/// Why a write was not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The key's last message is another one than expected.
    Conflict,
    /// The stream is lost.
    NoStream,
}

/// One bucket.
#[derive(Debug)]
pub struct Shelf {
    /// Which making of the stream this is.
    pub incarnation: u64,
    exists: bool,
    last: u64,
    messages: BTreeMap<String, Arc<Message>>,
    /// What the key held before: a replica that lags answers with it.
    older: BTreeMap<String, Option<Arc<Message>>>,
}

/// All of them.
#[derive(Debug)]
pub struct Bus {
    shelves: BTreeMap<Bucket, Shelf>,
    /// Whether conditional writes are conditional: not, in a simulator that is tested itself.
    conditional: bool,
}

impl Bus {
    /// Empty buckets.
    pub fn new(conditional: bool) -> Self {
        let shelf = || Shelf {
            incarnation: 1,
            exists: true,
            last: 0,
            messages: BTreeMap::new(),
            older: BTreeMap::new(),
        };
        Self {
            shelves: Bucket::ALL.map(|bucket| (bucket, shelf())).into(),
            conditional,
        }
    }

    /// A bucket, if it is there.
    pub fn shelf(&self, bucket: Bucket) -> Option<&Shelf> {
        self.shelves.get(&bucket).filter(|shelf| shelf.exists)
    }

    /// Stores a message, if the key's last one is still the expected one (0: none).
    pub fn store(
        &mut self,
        bucket: Bucket,
        mut message: Message,
        expected: Option<u64>,
    ) -> Result<Arc<Message>, Refusal> {
        let conditional = self.conditional;
        let shelf = self.shelves.get_mut(&bucket).filter(|shelf| shelf.exists);
        let shelf = shelf.ok_or(Refusal::NoStream)?;
        let held = shelf.messages.get(&message.key);
        let found = held.map_or(0, |held| held.sequence);
        if conditional && expected.is_some_and(|expected| expected != found) {
            return Err(Refusal::Conflict);
        }
        shelf.last += 1;
        message.sequence = shelf.last;
        let message = Arc::new(message);
        let before = shelf
            .messages
            .insert(message.key.clone(), Arc::clone(&message));
        shelf.older.insert(message.key.clone(), before);
        Ok(message)
    }

    /// Removes keys without a trace, up to and including a sequence.
    pub fn purge(&mut self, bucket: Bucket, key: &str, up_to: u64) -> Result<(), Refusal> {
        let shelf = self.shelves.get_mut(&bucket).filter(|shelf| shelf.exists);
        let shelf = shelf.ok_or(Refusal::NoStream)?;
        let fits = |name: &str| match key.strip_suffix('>') {
            Some(prefix) => name.starts_with(prefix),
            None => name == key,
        };
        shelf
            .messages
            .retain(|name, message| !fits(name) || message.sequence > up_to);
        Ok(())
    }

    /// The store of a bucket is lost; somebody has to make it again.
    pub fn lose(&mut self, bucket: Bucket) {
        if let Some(shelf) = self.shelves.get_mut(&bucket) {
            shelf.exists = false;
            shelf.last = 0;
            shelf.messages.clear();
            shelf.older.clear();
        }
    }

    /// Makes a bucket if it is lost, with sequences from the clock, as the operator does. Answers with
    /// its incarnation.
    pub fn ensure(&mut self, bucket: Bucket, now: u64) -> u64 {
        let Some(shelf) = self.shelves.get_mut(&bucket) else {
            return 0;
        };
        if !shelf.exists {
            shelf.exists = true;
            shelf.last = now * 1_000;
            shelf.incarnation += 1;
        }
        shelf.incarnation
    }
}

impl Shelf {
    /// The last message of a key.
    pub fn get(&self, key: &str) -> Option<&Arc<Message>> {
        self.messages.get(key)
    }

    /// The message before the last one of a key, as a replica that lags has it.
    pub fn lagging(&self, key: &str) -> Option<&Arc<Message>> {
        self.older.get(key).and_then(Option::as_ref)
    }

    /// All messages in the order of the stream.
    pub fn list(&self, bucket: Bucket, now: u64) -> Vec<Arc<Message>> {
        let kept = |message: &&Arc<Message>| {
            bucket != Bucket::DeviceHeartbeat || message.received + HEARTBEAT_AGE > now
        };
        let mut all: Vec<_> = self.messages.values().filter(kept).cloned().collect();
        all.sort_unstable_by_key(|message| message.sequence);
        all
    }

    /// All keys with a value.
    pub fn values(&self) -> impl Iterator<Item = (&str, &Bytes)> {
        let all = self.messages.values();
        all.filter_map(|message| Some((message.key.as_str(), message.value.as_ref()?)))
    }
}
