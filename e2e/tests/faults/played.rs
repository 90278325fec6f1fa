//! Many devices on one connection, without containers: they follow manifests by the agent's own rules
//! and report until they are heard. Behind a standing connection, so that only the server's faults
//! are seen.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use fleet_bus::{Bus, Event};
use fleet_contracts::kv::{Bucket, DesiredKey, EntryKey};
use fleet_contracts::payload::{DeviceInfo, DeviceState, Inventory, Phase, SCHEMA_VERSION, encode};
use fleet_contracts::reason::DeviceReason;
use fleet_contracts::signing::TrustedKey;
use fleet_contracts::{DeviceId, UnixMillis};
use futures::future::join_all;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::book::{Book, Machine, Word, outcome};

/// At most so many reports wait for an acknowledgement at once.
const WINDOW: usize = 128;
/// Before what failed is tried again.
const PAUSE: Duration = Duration::from_millis(50);

/// The played part of a fleet. Dropping it ends it.
pub(crate) struct Played {
    shared: Arc<Shared>,
    tasks: [JoinHandle<()>; 2],
}

struct Shared {
    bus: Bus,
    trusted: TrustedKey,
    book: Mutex<Book>,
    news: Notify,
    clock: AtomicU64,
}

impl Shared {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Played {
    pub(crate) fn start(bus: Bus, trusted: TrustedKey) -> Self {
        let shared = Arc::new(Shared {
            bus,
            trusted,
            book: Mutex::default(),
            news: Notify::new(),
            clock: AtomicU64::new(1),
        });
        let tasks = [
            tokio::spawn(listen(Arc::clone(&shared))),
            tokio::spawn(tell(Arc::clone(&shared))),
        ];
        Self { shared, tasks }
    }

    /// What they did.
    pub(crate) fn book(&self) -> MutexGuard<'_, Book> {
        self.shared.book()
    }

    /// A device is switched on for the first time, or its labels are other ones.
    pub(crate) fn announce(&self, name: &str, labels: &[(&str, &str)]) {
        let device: DeviceId = name.parse().expect("a device id");
        let labels: BTreeMap<_, _> = labels
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        let mut book = self.book();
        match book.devices.get_mut(&device) {
            Some(machine) => machine.labels = labels,
            None => {
                book.devices.insert(device.clone(), Machine::new(labels));
            }
        }
        book.unsaid.insert(Word::Info(device));
        drop(book);
        self.shared.news.notify_one();
    }
}

impl Drop for Played {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// Hears manifests, over every loss of the bus.
async fn listen(shared: Arc<Shared>) {
    loop {
        if let Ok(mut watch) = shared.bus.watch(Bucket::DesiredState).await {
            shared.book().all_say_everything();
            shared.news.notify_one();
            while let Ok(event) = watch.next().await {
                let Event::Put(stored) = event else { continue };
                if let Ok(DesiredKey::Manifest(device)) = stored.key.parse() {
                    shared.book().hear(&device, &shared.trusted, &stored);
                    shared.news.notify_one();
                }
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Says what is to be said until it is acknowledged.
async fn tell(shared: Arc<Shared>) {
    loop {
        let words: Vec<_> = {
            let mut book = shared.book();
            let some: Vec<_> = book.unsaid.iter().take(WINDOW).cloned().collect();
            for word in &some {
                book.unsaid.remove(word);
            }
            some
        };
        if words.is_empty() {
            shared.news.notified().await;
            continue;
        }
        let said = join_all(words.iter().map(|word| say(&shared, word))).await;
        let unheard: Vec<_> = words
            .into_iter()
            .zip(said)
            .filter_map(|(word, said)| said.is_err().then_some(word))
            .collect();
        if !unheard.is_empty() {
            shared.book().unsaid.extend(unheard);
            tokio::time::sleep(PAUSE).await;
        }
    }
}

async fn say(shared: &Shared, word: &Word) -> Result<(), fleet_bus::WriteError> {
    match word {
        Word::Info(device) => {
            let info = DeviceInfo {
                schema_version: SCHEMA_VERSION,
                device: device.clone(),
                labels: shared.book().devices[device].labels.clone(),
                inventory: Inventory::default(),
                at: shared.now(),
            };
            let value = Bytes::from(encode(&info));
            let put = shared.bus.put(Bucket::DeviceInfo, device.as_str(), value);
            put.await.map(drop)
        }
        Word::State(key) => {
            let name = key.to_string();
            match shared.state(key) {
                Some(state) => {
                    let value = Bytes::from(encode(&state));
                    let put = shared.bus.put(Bucket::DeviceState, &name, value);
                    put.await.map(drop)
                }
                None => shared
                    .bus
                    .delete(Bucket::DeviceState, &name, None)
                    .await
                    .map(drop),
            }
        }
    }
}

impl Shared {
    fn now(&self) -> UnixMillis {
        UnixMillis(self.clock.fetch_add(1, Ordering::Relaxed))
    }

    /// What a device says of a Deployment at this moment; nothing if it does not run it.
    fn state(&self, key: &EntryKey) -> Option<DeviceState> {
        let book = self.book();
        let machine = book.devices.get(&key.device)?;
        let revision = *machine.running.get(&key.deployment)?;
        let phase = outcome(&key.device, &key.deployment);
        Some(DeviceState {
            schema_version: SCHEMA_VERSION,
            revision,
            phase,
            reason: (phase == Phase::Failed).then_some(DeviceReason::StartFailed),
            message: String::new(),
            at: self.now(),
            services: Vec::new(),
        })
    }
}
