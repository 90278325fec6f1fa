//! When a replica writes: while it leads and every source has told all it has.
//!
//! A leader goes on when a watch of it ends: nobody else writes what it would have heard of. Who begins
//! to lead waits for the watch: others may have written meanwhile, by what this one has not heard. And as
//! a watch of objects may be late without having ended, it has them listed anew first.

use std::collections::{BTreeMap, BTreeSet};

use fleet_contracts::{DeploymentRef, UnixMillis};

use super::{Replica, Source};
use crate::index::{Dirty, Input};

/// A replica begins to write, or no longer does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn {
    /// It begins.
    Begins {
        /// Deployments whose spec is refused, and how many devices keep what they run of it.
        carried: Vec<(DeploymentRef, usize)>,
    },
    /// It ends.
    Ends,
}

/// Which lists of objects are as of a time in which this replica led.
#[derive(Debug, Default)]
pub(super) struct Lists {
    begun: BTreeSet<Source>,
    owed: BTreeMap<Source, Owed>,
}

/// What has to happen to a list before it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owed {
    /// It has to begin.
    Begin,
    /// It has to end.
    End,
}

impl Lists {
    fn begins(&mut self, source: Source) {
        self.begun.insert(source);
        if let Some(owed) = self.owed.get_mut(&source) {
            *owed = Owed::End;
        }
    }

    fn ends(&mut self, source: Source) {
        if self.owed.get(&source) == Some(&Owed::End) {
            self.owed.remove(&source);
        }
    }

    /// Those that have begun were as of before.
    fn all_owed(&mut self) {
        let begun = self.begun.iter();
        self.owed = begun.map(|source| (*source, Owed::Begin)).collect();
    }
}

impl Replica {
    /// A source is asked for all it has, as of now. Of a bucket that is no news: its watch knows by itself when
    /// it is late.
    pub fn lists(&mut self, source: Source) {
        if Source::OBJECTS.contains(&source) {
            self.lists.begins(source);
        }
    }

    /// Whether objects have to be listed anew, as of now.
    pub fn is_outdated(&self, source: Source) -> bool {
        self.lists.owed.get(&source) == Some(&Owed::Begin)
    }

    /// A source has told all it has.
    pub fn synced(&mut self, source: Source, now: UnixMillis) -> Option<Turn> {
        self.synced.insert(source);
        self.broken.remove(&source);
        self.lists.ends(source);
        self.settle(now)
    }

    /// The watch of a source ended and will be opened again, or its connection is lost.
    pub fn broke(&mut self, source: Source) {
        self.broken.insert(source);
    }

    /// The watch of a source has told all that came while its connection was lost.
    pub fn resumed(&mut self, source: Source, now: UnixMillis) -> Option<Turn> {
        self.broken.remove(&source);
        self.settle(now)
    }

    /// A source begins again.
    pub fn unsynced(&mut self, source: Source, now: UnixMillis) -> Option<Turn> {
        self.synced.remove(&source);
        self.settle(now)
    }

    /// This replica leads until then, or does not.
    ///
    /// A leader whose time passed before it was told of more began anew meanwhile, whatever its
    /// queues hold: somebody else may have led.
    pub fn lead(&mut self, until: Option<UnixMillis>, now: UnixMillis) -> Option<Turn> {
        let mut slept = None;
        if self.active && !self.is_active(now) {
            self.leads_until = None;
            slept = self.settle(now);
        }
        let led = self.leads(now);
        self.leads_until = until;
        if !self.leads(now) {
            self.index.measure(false);
            self.lists.owed.clear();
        } else if !led {
            self.lists.all_owed();
        }
        self.settle(now).or(slept)
    }

    /// The sources that have to tell all they have before this replica writes.
    pub fn awaited(&self) -> Vec<Source> {
        let all = Source::ALL.into_iter();
        all.filter(|source| self.lacks(*source)).collect()
    }

    /// Whether every source has told all it has and goes on telling.
    pub fn hears(&self) -> bool {
        let mut all = Source::ALL.iter();
        all.all(|source| self.synced.contains(source) && !self.broken.contains(source))
    }

    fn lacks(&self, source: Source) -> bool {
        let late = self.broken.contains(&source) || self.lists.owed.contains_key(&source);
        !self.synced.contains(&source) || !self.active && late
    }

    /// Whether this replica writes. A process that slept through its time to lead hears of that
    /// only after it has woken, and of what changed maybe before: it writes nothing by that.
    pub fn is_active(&self, now: UnixMillis) -> bool {
        self.active && self.leads(now)
    }

    fn leads(&self, now: UnixMillis) -> bool {
        self.leads_until.is_some_and(|until| now < until)
    }

    fn settle(&mut self, now: UnixMillis) -> Option<Turn> {
        let lacking = Source::ALL.into_iter().any(|source| self.lacks(source));
        let active = self.leads(now) && !lacking;
        if active == self.active {
            return None;
        }
        self.active = active;
        if !active {
            let devices = self.queues.forgotten.waiting().cloned();
            let reports = self.queues.reports.waiting().cloned();
            self.unfinished.add(devices, reports, now);
            self.queues.clear();
            return Some(Turn::Ends);
        }
        // Not before: what the first lists tell is no change.
        self.index.measure(true);
        let carried = self.carry_frozen(now);
        self.mark_everything(now);
        Some(Turn::Begins { carried })
    }

    /// An invalid update must not stop what it left running, also not after a restart: its lines
    /// are carried over from what the stream holds.
    fn carry_frozen(&mut self, now: UnixMillis) -> Vec<(DeploymentRef, usize)> {
        let all = self.index.deployments();
        let frozen: Vec<_> = all
            .filter(|r| self.index.needs_carried(r))
            .cloned()
            .collect();
        let carried = frozen.into_iter().map(|deployment| {
            let lines = self.mirror.lines(&deployment);
            let devices = lines.len();
            for (line, revision) in lines {
                self.index.apply(Input::Carried { line, revision }, now);
            }
            (deployment, devices)
        });
        carried.collect()
    }

    /// Level-triggered: everything is looked at, and what is as it should be is not written.
    fn mark_everything(&mut self, now: UnixMillis) {
        let devices: Vec<_> = self.index.devices().cloned().collect();
        let dirty = Dirty {
            desired: devices
                .iter()
                .chain(self.mirror.devices())
                .cloned()
                .collect(),
            statuses: self.index.deployments().cloned().collect(),
            device_objects: self.index.devices_to_apply().cloned().collect(),
            device_statuses: devices.into_iter().collect(),
            ..Dirty::default()
        };
        self.queues.mark(dirty, now);
        let unfinished = self.unfinished.take(now);
        self.queues.mark(unfinished, now);
        // What is written of a device that was forgotten meanwhile is in no list.
        self.queues.desired.mark_running();
        let deployments: Vec<_> = self.index.deployments().cloned().collect();
        self.queues.finalizers.mark(deployments, now);
    }
}
