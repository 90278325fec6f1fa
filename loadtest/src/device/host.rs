//! The network of many devices: what they ask goes out on their lane, and answers go to whoever asked.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use fleet_agent_core::engine::{Input, Item, Parcel, Settings};
use fleet_agent_core::sync::{Answered, Asking, Begun, Doorbell, Gathering, Snapshot};
use fleet_agent_core::{Step, Tick};
use fleet_bus::async_nats::{HeaderMap, Message, Subscriber};
use fleet_contracts::kv::{DesiredKey, EntryKey};
use fleet_contracts::{DeviceId, subject};
use futures::StreamExt as _;
use futures::stream::SelectAll;
use tokio::sync::mpsc;

use super::stored::{got, value};
use super::unit::{Batch, Sync, Todo, Unit, synced, tick};
use crate::Error;
use crate::record::Record;
use crate::wire::{Answer, Lane, News, Stored};

/// The finest step of the devices' clocks that their host keeps.
const TICK: Duration = Duration::from_millis(5);
/// Between two looks for requests that nobody answered.
const EXPIRY: Duration = Duration::from_secs(1);

/// What a request was for.
#[derive(Debug)]
pub struct Request {
    unit: usize,
    purpose: Purpose,
}

#[derive(Debug)]
enum Purpose {
    Manifest,
    Entry(EntryKey),
    Parcel(Item, u64),
}

/// What a device did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A container of this image runs.
    Runs(String),
    /// A container of this Deployment is gone.
    Removed(String),
    /// Its connection is up.
    Connected,
    /// The bus has acknowledged all it has to say over that connection.
    Told,
}

/// A device that did something, and when.
#[derive(Debug, Clone)]
pub struct Applied {
    /// Which device.
    pub device: DeviceId,
    /// What.
    pub what: What,
    /// When.
    pub at: Instant,
}

/// Devices on a lane, and what happens to them.
#[derive(Debug)]
pub struct Host {
    ids: Vec<DeviceId>,
    units: Vec<Unit>,
    lane: Lane<Request>,
    doorbells: SelectAll<Subscriber>,
    news: News,
    /// When which unit wants to be looked at; may hold moments that have become pointless.
    timers: BinaryHeap<Reverse<(Tick, usize)>>,
    /// Manifests to be asked for again.
    later: BinaryHeap<Reverse<(Tick, usize)>>,
    born: Instant,
    applied: mpsc::UnboundedSender<Applied>,
    record: Record,
}

impl Host {
    /// Devices with these settings, in the order of the lane's connections.
    ///
    /// # Errors
    /// When they cannot hear their doorbells.
    pub async fn new(
        settings: Vec<Settings>,
        mut lane: Lane<Request>,
        record: Record,
        applied: mpsc::UnboundedSender<Applied>,
    ) -> Result<Self, Error> {
        let (born, mut doorbells) = (Instant::now(), SelectAll::new());
        let ids: Vec<_> = settings.iter().map(|s| s.device.clone()).collect();
        if lane.connections() == 1 {
            let all = format!("{}.>", subject::DOWN_DESIRED);
            doorbells.push(lane.listen(0, all).await?);
        } else {
            for (local, id) in ids.iter().enumerate() {
                let own = subject::down_desired(id);
                doorbells.push(lane.listen(local, own).await?);
            }
        }
        let unit = |settings| Unit::new(settings, born);
        Ok(Self {
            units: settings.into_iter().map(unit).collect(),
            ids,
            news: lane.take_news(),
            lane,
            doorbells,
            timers: BinaryHeap::new(),
            later: BinaryHeap::new(),
            born,
            applied,
            record,
        })
    }

    /// Serves all devices until this is dropped.
    ///
    /// # Errors
    /// When a connection is closed for good.
    pub async fn serve(mut self) -> Result<(), Error> {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut expiries = tokio::time::interval(EXPIRY);
        loop {
            tokio::select! {
                Some((connection, up)) = self.news.next() => self.turns(connection, up).await?,
                answer = self.lane.answer() => self.answered(answer).await?,
                Some(message) = self.doorbells.next() => self.rings(message).await?,
                _ = ticks.tick() => self.wake().await?,
                _ = expiries.tick() => {
                    for expired in self.lane.expired() {
                        self.record.error("request not answered");
                        self.answered(expired).await?;
                    }
                }
            }
        }
    }

    /// A connection came up or went down, and so did all devices on it.
    async fn turns(&mut self, connection: usize, up: bool) -> Result<(), Error> {
        let units = if self.lane.connections() == 1 {
            0..self.units.len()
        } else {
            connection..connection + 1
        };
        for unit in units {
            self.units[unit].owes = up;
            if up {
                self.say(unit, What::Connected);
                self.happens(unit, Input::Connected).await?;
            } else {
                self.happens(unit, Input::Disconnected).await?;
            }
        }
        Ok(())
    }

    async fn rings(&mut self, message: Message) -> Result<(), Error> {
        let id = message.subject.rsplit('.').next().unwrap_or_default();
        // Ids are ordered as they are numbered. The connection may be one for several lanes' devices.
        let Ok(unit) = self.ids.binary_search_by(|own| own.as_ref().cmp(id)) else {
            return Ok(());
        };
        let input = Input::Doorbell(Doorbell::new(value(message)));
        self.happens(unit, input).await
    }

    async fn wake(&mut self) -> Result<(), Error> {
        let now = tick(self.born);
        while let Some(Reverse((at, unit))) = self.timers.peek().copied()
            && at <= now
        {
            self.timers.pop();
            if self.units[unit].due() <= now {
                let todo = self.units[unit].feed(None, self.born);
                self.perform(unit, todo).await?;
            }
        }
        while let Some(Reverse((at, unit))) = self.later.peek().copied()
            && at <= now
        {
            self.later.pop();
            if let Sync::Asking(asking) = &self.units[unit].sync {
                let key = asking.key();
                self.get(unit, &key, Purpose::Manifest).await?;
            }
        }
        Ok(())
    }

    async fn happens(&mut self, unit: usize, input: Input) -> Result<(), Error> {
        let todo = self.units[unit].feed(Some(input), self.born);
        self.perform(unit, todo).await
    }

    async fn perform(&mut self, unit: usize, todo: Vec<Todo>) -> Result<(), Error> {
        for todo in todo {
            match todo {
                Todo::Sync(snapshot) => self.begin_sync(unit, *snapshot).await?,
                Todo::Send(parcels) => self.send(unit, parcels).await?,
                Todo::Heartbeat(body) => {
                    let subject = subject::up_heartbeat(&self.ids[unit]);
                    self.lane.tell(unit, (subject.into(), body)).await?;
                }
                Todo::Changed(step) => self.note(unit, step),
                Todo::Refused(reason) => self.record.error(&reason),
            }
        }
        let device = &mut self.units[unit];
        let due = device.due();
        let told = device.owes && device.is_reported();
        if told {
            device.owes = false;
            self.say(unit, What::Told);
        }
        self.timers.push(Reverse((due, unit)));
        Ok(())
    }

    fn say(&self, unit: usize, what: What) {
        let applied = Applied {
            device: self.ids[unit].clone(),
            what,
            at: Instant::now(),
        };
        // Nobody may be looking just now.
        let _ = self.applied.send(applied);
    }

    fn note(&self, unit: usize, step: Step) {
        let what = match step {
            Step::Run(service) => What::Runs(service.spec.image.to_string()),
            Step::Remove { key, .. } => What::Removed(key.deployment.name.to_string()),
            _ => return,
        };
        self.say(unit, what);
    }

    async fn begin_sync(&mut self, unit: usize, snapshot: Snapshot) -> Result<(), Error> {
        match Asking::begin(snapshot) {
            Begun::Taken(gathering) => self.gather(unit, gathering).await,
            Begun::Asking(asking) => {
                let key = asking.key();
                self.units[unit].sync = Sync::Asking(asking);
                self.get(unit, &key, Purpose::Manifest).await
            }
        }
    }

    async fn get(&mut self, unit: usize, key: &DesiredKey, purpose: Purpose) -> Result<(), Error> {
        let message = (subject::get_desired(key).into(), Bytes::new());
        let request = Request { unit, purpose };
        self.lane.send(unit, request, message).await
    }

    async fn send(&mut self, unit: usize, parcels: Vec<Parcel>) -> Result<(), Error> {
        self.units[unit].batch.left = parcels.len();
        for parcel in parcels {
            let id = &self.ids[unit];
            let subject = match &parcel.item {
                Item::Info => subject::up_info(id),
                Item::State(deployment) => subject::up_state(id, deployment),
            };
            let mut headers = HeaderMap::new();
            if parcel.body.is_none() {
                headers.insert("KV-Operation", "DEL");
            }
            let purpose = Purpose::Parcel(parcel.item, parcel.version);
            let message = (subject.into(), parcel.body.unwrap_or_default());
            let request = Request { unit, purpose };
            self.lane.send_with(unit, request, headers, message).await?;
        }
        Ok(())
    }

    async fn answered(&mut self, answer: Answer<Request>) -> Result<(), Error> {
        let stored = answer.stored();
        let Request { unit, purpose } = answer.tag;
        match purpose {
            Purpose::Manifest => self.manifest(unit, answer.message).await,
            Purpose::Entry(key) => self.entry(unit, &key, answer.message).await,
            Purpose::Parcel(item, version) => self.stored(unit, (item, version), stored).await,
        }
    }

    async fn manifest(&mut self, unit: usize, message: Option<Message>) -> Result<(), Error> {
        let Sync::Asking(asking) = std::mem::take(&mut self.units[unit].sync) else {
            return Ok(());
        };
        match got(message).and_then(|got| asking.answer(got)) {
            Err(error) => self.happens(unit, synced(Err(error))).await,
            Ok(Answered::Again(asking, wait)) => {
                self.units[unit].sync = Sync::Asking(asking);
                let at = tick(self.born) + wait;
                self.later.push(Reverse((at, unit)));
                Ok(())
            }
            Ok(Answered::Taken(gathering)) => self.gather(unit, gathering).await,
        }
    }

    async fn gather(&mut self, unit: usize, gathering: Box<Gathering>) -> Result<(), Error> {
        let lacking = gathering.lacking();
        if lacking.is_empty() {
            let input = synced(Ok(gathering.finish()));
            return Box::pin(self.happens(unit, input)).await;
        }
        self.units[unit].sync = Sync::Gathering(gathering, lacking.len());
        for key in lacking {
            let purpose = Purpose::Entry(key.clone());
            self.get(unit, &DesiredKey::Entry(key), purpose).await?;
        }
        Ok(())
    }

    async fn entry(
        &mut self,
        unit: usize,
        key: &EntryKey,
        message: Option<Message>,
    ) -> Result<(), Error> {
        let Sync::Gathering(mut gathering, left) = std::mem::take(&mut self.units[unit].sync)
        else {
            return Ok(());
        };
        match got(message) {
            Err(error) => self.happens(unit, synced(Err(error))).await,
            Ok(got) => {
                gathering.answer(key, got);
                if left > 1 {
                    self.units[unit].sync = Sync::Gathering(gathering, left - 1);
                    return Ok(());
                }
                self.happens(unit, synced(Ok(gathering.finish()))).await
            }
        }
    }

    async fn stored(
        &mut self,
        unit: usize,
        parcel: (Item, u64),
        stored: Option<Stored>,
    ) -> Result<(), Error> {
        let batch = &mut self.units[unit].batch;
        if stored == Some(Stored::Yes) {
            batch.acknowledged.push(parcel);
        } else {
            self.record.error("report refused or not answered");
            batch.failed = Some("the bus did not store it".to_owned());
        }
        batch.left = batch.left.saturating_sub(1);
        if batch.left > 0 {
            return Ok(());
        }
        let Batch {
            acknowledged,
            failed,
            ..
        } = std::mem::take(batch);
        let input = Input::Sent {
            acknowledged,
            failed,
        };
        self.happens(unit, input).await
    }
}
