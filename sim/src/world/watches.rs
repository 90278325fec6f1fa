//! Watches: what was there when they were opened, then every change, late but in order.

use std::sync::Arc;

use fleet_contracts::kv::Bucket;
use fleet_operator_core::replica::Source;

use super::{Event, World};
use crate::api::Change;
use crate::bus::Message;

/// What a watch is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Line {
    /// Deployment objects.
    Deployments,
    /// Device objects.
    Devices,
    /// A bucket.
    Bucket(Bucket),
}

impl Line {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Deployments,
        Self::Devices,
        Self::Bucket(Bucket::DeviceInfo),
        Self::Bucket(Bucket::DeviceState),
        Self::Bucket(Bucket::DeviceHeartbeat),
        Self::Bucket(Bucket::DesiredState),
    ];

    /// Of a bucket.
    pub const fn of(bucket: Bucket) -> Self {
        Self::Bucket(bucket)
    }

    /// What the replica calls it.
    pub const fn source(self) -> Source {
        match self {
            Self::Deployments => Source::Deployments,
            Self::Devices => Source::Devices,
            Self::Bucket(Bucket::DeviceInfo) => Source::Info,
            Self::Bucket(Bucket::DeviceState) => Source::Reports,
            Self::Bucket(Bucket::DeviceHeartbeat) => Source::Heartbeats,
            Self::Bucket(Bucket::DesiredState) => Source::Desired,
        }
    }
}

/// What a watch tells.
#[derive(Debug, Clone)]
pub enum Told {
    /// The list begins; of a bucket, which making of its stream it is.
    Begin(u64),
    /// An object of the list.
    Listed(Change),
    /// A message of a bucket.
    Message(Arc<Message>),
    /// An object changed.
    Object(Change),
    /// The list has ended.
    End,
    /// The connection broke, or the stream is another.
    Broken,
}

/// An open watch of a replica.
#[derive(Debug, Clone, Copy)]
pub struct Watch {
    /// Which opening.
    pub opening: u64,
    /// The last thing it tells arrives then.
    pub latest: u64,
    /// Its stream is lost, and it has not noticed.
    pub deaf: bool,
}

impl World {
    pub(super) fn open(&mut self, replica: usize, line: Line) {
        let operator = &self.operators[replica];
        let cut = match line {
            Line::Bucket(_) => operator.bus_cut,
            Line::Deployments | Line::Devices => operator.api_cut,
        };
        if cut {
            let again = self.dice.between(100, 5_000);
            let event = Event::Open(replica, operator.life, line);
            self.schedule.add(self.now + again, event);
            return;
        }
        let operator = &mut self.operators[replica];
        operator.replica.lists(line.source());
        self.openings += 1;
        let watch = Watch {
            opening: self.openings,
            latest: self.now,
            deaf: false,
        };
        self.operators[replica].watches.insert(line, watch);
        let list = self.list(line);
        for told in list {
            self.tell(replica, line, told);
        }
    }

    fn list(&mut self, line: Line) -> Vec<Told> {
        let (made, content): (u64, Vec<Told>) = match line {
            Line::Deployments => {
                let all = self.api.deployments.values().cloned();
                (
                    0,
                    all.map(|o| Told::Listed(Change::Deployment(o))).collect(),
                )
            }
            Line::Devices => {
                let all = self.api.devices.values().cloned();
                (0, all.map(|o| Told::Listed(Change::Device(o))).collect())
            }
            Line::Bucket(bucket) => {
                let made = self.bus.ensure(bucket, self.now);
                let now = self.wall().0;
                let shelf = self.bus.shelf(bucket);
                let all = shelf.map(|shelf| shelf.list(bucket, now));
                let all = all.unwrap_or_default().into_iter();
                (made, all.map(Told::Message).collect())
            }
        };
        let begin = std::iter::once(Told::Begin(made));
        begin.chain(content).chain([Told::End]).collect()
    }

    /// Every replica with such a watch is told.
    pub(super) fn tell_all(&mut self, line: Line, told: &Told) {
        for replica in 0..self.operators.len() {
            self.tell(replica, line, told.clone());
        }
    }

    fn tell(&mut self, replica: usize, line: Line, told: Told) {
        let way = self.delay();
        let Some(watch) = self.operators[replica].watches.get_mut(&line) else {
            return;
        };
        if watch.deaf {
            return;
        }
        watch.latest = watch.latest.max(self.now + way);
        let event = Event::Told {
            replica,
            opening: watch.opening,
            line,
            told,
        };
        self.schedule.add(watch.latest, event);
    }

    /// A watch hears nothing any more, and finds out after a while.
    pub(super) fn deafen(&mut self, replica: usize, line: Line) {
        let noticed = self.now + self.dice.between(50, 5_000);
        let Some(watch) = self.operators[replica].watches.get_mut(&line) else {
            return;
        };
        if watch.deaf {
            return;
        }
        watch.deaf = true;
        let event = Event::Told {
            replica,
            opening: watch.opening,
            line,
            told: Told::Broken,
        };
        self.schedule.add(noticed.max(watch.latest), event);
    }
}
