//! The network of many devices: what they ask goes out on their lane, and answers go to whoever asked.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use fleet_agent_core::engine::{Input, Item, Parcel, Settings};
use fleet_agent_core::sync::Doorbell;
use fleet_agent_core::{Step, Tick};
use fleet_bus::async_nats::{HeaderMap, Message, Subscriber};
use fleet_contracts::kv::EntryKey;
use fleet_contracts::{DeploymentRef, DeviceId, subject};
use futures::StreamExt as _;
use futures::stream::SelectAll;
use tokio::sync::mpsc;

use super::stored::value;
use super::told::{Applied, Ears, Order, What};
use super::unit::{Batch, Sync, Todo, Unit, tick};
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
    /// Of the agent that asked.
    life: u32,
    purpose: Purpose,
}

#[derive(Debug)]
pub(super) enum Purpose {
    Manifest,
    Entry(EntryKey),
    Parcel(Parcel),
    Report(DeploymentRef, Bytes),
}

/// Devices on a lane, and what happens to them.
#[derive(Debug)]
pub struct Host {
    pub(super) ids: Vec<DeviceId>,
    pub(super) units: Vec<Unit>,
    pub(super) lane: Lane<Request>,
    doorbells: SelectAll<Subscriber>,
    news: News,
    /// When which unit wants to be looked at; may hold moments that have become pointless.
    timers: BinaryHeap<Reverse<(Tick, usize)>>,
    /// Manifests to be asked for again.
    pub(super) later: BinaryHeap<Reverse<(Tick, usize)>>,
    pub(super) born: Instant,
    orders: mpsc::UnboundedReceiver<Order>,
    ears: Ears,
    record: Record,
}

impl Host {
    /// Devices with these settings, in the order of the lane's connections. Once nobody can give orders
    /// any more, they go on without.
    ///
    /// # Errors
    /// When they cannot hear their doorbells.
    pub async fn new(
        settings: Vec<Settings>,
        mut lane: Lane<Request>,
        record: Record,
        orders: mpsc::UnboundedReceiver<Order>,
        ears: Ears,
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
            orders,
            ears,
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
                Some(order) = self.orders.recv() => self.obey(order).await?,
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
            (self.units[unit].owes, self.units[unit].up) = (up, up);
            if up {
                self.say(unit, What::Connected);
                self.happens(unit, Input::Connected).await?;
            } else {
                self.happens(unit, Input::Disconnected).await?;
            }
        }
        Ok(())
    }

    async fn obey(&mut self, order: Order) -> Result<(), Error> {
        match order {
            Order::Relabel { unit, labels } => {
                let device = &mut self.units[unit];
                device.restart(labels, self.born);
                let connected = device.up.then_some(Input::Connected);
                let todo = device.feed(connected, self.born);
                self.perform(unit, todo).await
            }
            Order::Report {
                unit,
                deployment,
                revision,
                message,
            } => {
                if !self.units[unit].follows(&deployment, revision) {
                    // An order waits while devices have more to do. What it would say would replace what
                    // the device itself has said since, and be believed for good.
                    self.report_answered();
                    return Ok(());
                }
                let purpose = Purpose::Report(deployment, message.1.clone());
                let request = self.request(unit, purpose);
                self.lane.send(unit, request, message).await
            }
        }
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

    pub(super) async fn happens(&mut self, unit: usize, input: Input) -> Result<(), Error> {
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
        let at = Instant::now();
        match &self.ears {
            Ears::Each(told) => {
                let device = self.ids[unit].clone();
                // Nobody may be looking just now.
                let _ = told.send(Applied { device, what, at });
            }
            Ears::Census(census) => {
                if let Some(took) = census.did(number(&self.ids[unit]), &what, at) {
                    self.record.time("label-change-applied", took);
                }
            }
        }
    }

    fn note(&self, unit: usize, step: Step) {
        let what = match step {
            Step::Run(service) => What::Runs(service.spec.image.to_string()),
            Step::Remove { key, .. } => What::Removed(key.deployment.name.to_string()),
            _ => return,
        };
        self.say(unit, what);
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
            let message = (subject.into(), parcel.body.clone().unwrap_or_default());
            let request = self.request(unit, Purpose::Parcel(parcel));
            self.lane.send_with(unit, request, headers, message).await?;
        }
        Ok(())
    }

    pub(super) fn request(&self, unit: usize, purpose: Purpose) -> Request {
        let life = self.units[unit].life;
        Request {
            unit,
            life,
            purpose,
        }
    }

    async fn answered(&mut self, answer: Answer<Request>) -> Result<(), Error> {
        let stored = answer.stored();
        let Request {
            unit,
            life,
            purpose,
        } = answer.tag;
        // What the bus has stored counts, whoever asked for it.
        if let (Some(Stored::Yes), Ears::Census(census)) = (stored, &self.ears) {
            let said = match &purpose {
                Purpose::Parcel(parcel) => match &parcel.item {
                    Item::State(deployment) => Some((deployment, parcel.body.as_deref())),
                    Item::Info => None,
                },
                Purpose::Report(deployment, body) => Some((deployment, Some(&**body))),
                Purpose::Manifest | Purpose::Entry(_) => None,
            };
            if let Some((deployment, body)) = said {
                census.said(number(&self.ids[unit]), deployment, body);
            }
        }
        match purpose {
            Purpose::Report(..) => {
                self.report_answered();
                let reason = "report refused or not answered";
                match stored {
                    Some(Stored::Yes) => self.record.time("report-stored", answer.took),
                    _ => self.record.error(reason),
                }
                Ok(())
            }
            _ if life != self.units[unit].life => Ok(()),
            Purpose::Manifest => self.manifest(unit, answer.message).await,
            Purpose::Entry(key) => self.entry(unit, &key, answer.message).await,
            Purpose::Parcel(parcel) => {
                let parcel = (parcel.item, parcel.version);
                self.stored(unit, parcel, stored).await
            }
        }
    }

    fn report_answered(&self) {
        if let Ears::Census(census) = &self.ears {
            census.answer();
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

/// The number of a device, by its id.
fn number(id: &DeviceId) -> usize {
    let number = id.as_ref().strip_prefix("sim-");
    number.and_then(|n| n.parse().ok()).unwrap_or_default()
}
