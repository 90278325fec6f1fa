//! A fleet that changes while it is looked at: which labels its devices have, which Deployments there are
//! and what devices have said. Statuses are held against a recount of it, one look at each device.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use fleet_api::Deployment;
use fleet_contracts::kv::Bucket;
use fleet_contracts::payload::{DeviceState, Phase, decode};
use fleet_contracts::{DeploymentRef, ReconcileScore, Revision};

use super::containers::Containers;
use super::{Counts, Fleet};
use crate::Error;
use crate::device::What;

/// What a Deployment is now.
#[derive(Debug, Clone)]
struct Wish {
    reference: DeploymentRef,
    label: (String, String),
    version: u32,
    score: ReconcileScore,
    revision: Revision,
}

impl Wish {
    fn new(number: usize, label: (String, String), version: u32) -> Result<Self, Error> {
        let score = super::version(number, version)?;
        Ok(Self {
            reference: super::reference(number)?,
            label,
            version,
            revision: score.revision(),
            score,
        })
    }

    fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        let (key, value) = &self.label;
        labels.get(key) == Some(value)
    }
}

/// Something that a device can say.
#[derive(Debug, Clone)]
pub struct Turn {
    /// About which Deployment, by number.
    pub number: usize,
    /// The same as devices name it.
    pub deployment: DeploymentRef,
    /// At which revision.
    pub revision: Revision,
    /// What it did not say of it last.
    pub phase: Phase,
}

/// A change of what a device says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    /// Other Deployments match it now.
    Matters,
    /// The same ones do.
    Idle,
    /// The device has not come to rest after the last one.
    TooSoon,
}

/// All of it, for all tasks.
#[derive(Debug)]
pub struct Census {
    now: Mutex<Now>,
    stored: AtomicU64,
    answered: AtomicU64,
}

#[derive(Debug)]
struct Now {
    labels: Vec<BTreeMap<String, String>>,
    wishes: BTreeMap<usize, Wish>,
    /// By device: what the bus has acknowledged last of each Deployment.
    said: Vec<BTreeMap<usize, (Revision, Phase)>>,
    containers: Containers,
    /// Devices that do not run yet what their labels ask for, and since when.
    moving: BTreeMap<usize, Instant>,
    /// Deployments that are left alone.
    held: BTreeSet<usize>,
    next: usize,
}

impl Census {
    /// Of a fleet that is about to be set up.
    ///
    /// # Errors
    /// When a name breaks the platform's rules.
    pub fn new(fleet: &Fleet) -> Result<Self, Error> {
        let mut containers = Containers::new(fleet.devices.len());
        for pair in &fleet.pairs {
            containers.want(pair.device, pair.workload);
        }
        let workloads = fleet.workloads.iter().enumerate();
        let wishes = workloads.map(|(n, w)| Ok((n, Wish::new(n, w.label.clone(), 1)?)));
        let now = Now {
            labels: fleet.devices.iter().map(|d| d.labels.clone()).collect(),
            wishes: wishes.collect::<Result<_, Error>>()?,
            said: vec![BTreeMap::new(); fleet.devices.len()],
            containers,
            moving: BTreeMap::new(),
            held: BTreeSet::new(),
            next: fleet.workloads.len(),
        };
        Ok(Self {
            now: Mutex::new(now),
            stored: AtomicU64::new(0),
            answered: AtomicU64::new(0),
        })
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The bus has acknowledged what a device said of a Deployment; nothing: that it took it back.
    pub fn said(&self, device: usize, deployment: &DeploymentRef, body: Option<&[u8]>) {
        let Some(number) = super::number(deployment.name.as_ref()) else {
            return;
        };
        let state = body.and_then(|body| decode::<DeviceState>(Bucket::DeviceState, body).ok());
        self.believe(device, number, state.map(|s| (s.revision, s.phase)));
    }

    /// A device believes to have said this.
    pub fn believe(&self, device: usize, number: usize, said: Option<(Revision, Phase)>) {
        self.stored.fetch_add(1, Ordering::Relaxed);
        let said_before = &mut self.now().said[device];
        match said {
            Some(said) => said_before.insert(number, said),
            None => said_before.remove(&number),
        };
    }

    /// How often a device said something.
    pub fn reports(&self) -> u64 {
        self.stored.load(Ordering::Relaxed)
    }

    /// An order to report was carried out, whatever came of it.
    pub fn answer(&self) {
        self.answered.fetch_add(1, Ordering::Relaxed);
    }

    /// How many orders to report were carried out.
    pub fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// A device did something to a container. Gives how long ago its labels changed, if it now runs what
    /// they ask for.
    pub fn did(&self, device: usize, what: &What, at: Instant) -> Option<Duration> {
        let mut now = self.now();
        now.containers.did(device, what);
        let since = *now.moving.get(&device)?;
        if now.containers.running(device) != now.expected(device) {
            return None;
        }
        now.moving.remove(&device);
        Some(at.saturating_duration_since(since))
    }

    /// What a status has to say now; none if there is no such Deployment.
    pub fn recount(&self, number: usize) -> Option<Counts> {
        let now = self.now();
        let wish = now.wishes.get(&number)?;
        let mut counts = Counts::default();
        for (labels, said) in now.labels.iter().zip(&now.said) {
            if wish.matches(labels) {
                tally(&mut counts, wish, said.get(&number));
            }
        }
        Some(counts)
    }

    /// What each status has to say now, by name.
    pub fn recount_all(&self) -> BTreeMap<String, Counts> {
        let now = self.now();
        let mut by_label: BTreeMap<_, Vec<(&usize, &Wish)>> = BTreeMap::new();
        for (number, wish) in &now.wishes {
            let (key, value) = &wish.label;
            by_label
                .entry((key, value))
                .or_default()
                .push((number, wish));
        }
        let none = |wish: &Wish| (wish.reference.name.to_string(), Counts::default());
        let mut all: BTreeMap<_, _> = now.wishes.values().map(none).collect();
        for (labels, said) in now.labels.iter().zip(&now.said) {
            for label in labels {
                for (number, wish) in by_label.get(&label).into_iter().flatten() {
                    if let Some(counts) = all.get_mut(&wish.reference.name.to_string()) {
                        tally(counts, wish, said.get(*number));
                    }
                }
            }
        }
        all
    }

    /// Devices that do not run exactly what they should.
    pub fn astray(&self) -> Vec<usize> {
        let now = self.now();
        let astray = |device: &usize| now.containers.running(*device) != now.expected(*device);
        (0..now.labels.len()).filter(astray).collect()
    }

    /// Pairs of device and Deployment of which more containers were started than there was reason to.
    pub fn restarted(&self) -> Vec<(usize, usize)> {
        self.now().containers.restarted()
    }

    /// How many Deployments there are.
    pub fn deployments(&self) -> usize {
        self.now().wishes.len()
    }

    /// How many devices do not run yet what their labels ask for.
    pub fn moving(&self) -> usize {
        self.now().moving.len()
    }

    /// The labels of a device.
    pub fn labels(&self, device: usize) -> BTreeMap<String, String> {
        self.now().labels[device].clone()
    }

    /// A device has these labels from now on, unless it is too soon for that.
    pub fn relabel(&self, device: usize, labels: &BTreeMap<String, String>) -> Move {
        let mut now = self.now();
        if now.moving.contains_key(&device) {
            return Move::TooSoon;
        }
        let before = now.expected(device);
        now.labels[device].clone_from(labels);
        let after = now.expected(device);
        if before == after {
            return Move::Idle;
        }
        for number in after.keys().filter(|number| !before.contains_key(*number)) {
            now.containers.want(device, *number);
        }
        now.moving.insert(device, Instant::now());
        Move::Matters
    }

    /// Finds a Deployment that nobody looks at, and has devices leave it alone until it is released.
    pub fn hold(&self, random: &mut fastrand::Rng) -> Option<usize> {
        let mut now = self.now();
        let free = now.wishes.keys().filter(|n| !now.held.contains(*n));
        let chosen = random.choose_multiple(free.copied(), 1).first().copied()?;
        now.held.insert(chosen);
        Some(chosen)
    }

    /// Devices report on it again.
    pub fn release(&self, number: usize) {
        self.now().held.remove(&number);
    }

    /// There is one more Deployment, held; gives its number.
    ///
    /// # Errors
    /// When its name breaks the platform's rules.
    pub fn create(&self, label: (String, String)) -> Result<usize, Error> {
        let mut now = self.now();
        let number = now.next;
        let wish = Wish::new(number, label, 1)?;
        now.next += 1;
        now.held.insert(number);
        now.replace(number, wish);
        Ok(number)
    }

    /// A Deployment has another version from now on, and the same devices.
    ///
    /// # Errors
    /// When its name breaks the platform's rules.
    pub fn change(&self, number: usize) -> Result<(), Error> {
        let mut now = self.now();
        if let Some(wish) = now.wishes.get(&number) {
            let wish = Wish::new(number, wish.label.clone(), wish.version + 1)?;
            now.replace(number, wish);
        }
        Ok(())
    }

    /// A Deployment selects other devices from now on; gives what it selected before.
    pub fn select(&self, number: usize, label: (String, String)) -> Option<(String, String)> {
        let mut now = self.now();
        let wish = now.wishes.get(&number)?.clone();
        let before = wish.label.clone();
        now.replace(number, Wish { label, ..wish });
        Some(before)
    }

    /// There is no such Deployment from now on.
    pub fn delete(&self, number: usize) {
        self.now().wishes.remove(&number);
    }

    /// A Deployment as it is to be written.
    pub fn object(&self, number: usize) -> Option<Deployment> {
        let now = self.now();
        let wish = now.wishes.get(&number)?;
        Some(super::object(&wish.reference, &wish.label, &wish.score))
    }

    /// What a device can say of the next Deployment after `last`, in turn, that it runs, has reported on
    /// and that is not held.
    pub fn turn(&self, device: usize, last: usize) -> Option<Turn> {
        let now = self.now();
        let said = &now.said[device];
        let (upper, lower) = (said.range(last + 1..), said.range(..=last));
        upper.chain(lower).find_map(|(number, (revision, phase))| {
            let wish = now.wishes.get(number)?;
            let fits = wish.revision == *revision
                && wish.matches(&now.labels[device])
                && !now.held.contains(number);
            let phase = if *phase == Phase::Failed {
                Phase::Running
            } else {
                Phase::Failed
            };
            fits.then(|| Turn {
                number: *number,
                deployment: wish.reference.clone(),
                revision: *revision,
                phase,
            })
        })
    }
}

impl Now {
    /// What should run on a device, with its version.
    fn expected(&self, device: usize) -> BTreeMap<usize, u32> {
        let labels = &self.labels[device];
        let matching = self.wishes.iter().filter(|(_, wish)| wish.matches(labels));
        matching
            .map(|(number, wish)| (*number, wish.version))
            .collect()
    }

    /// Puts a Deployment in the place of what it was, and has all that newly need it want it.
    fn replace(&mut self, number: usize, wish: Wish) {
        let before = self.wishes.get(&number);
        for (device, labels) in self.labels.iter().enumerate() {
            let ran = before.is_some_and(|b| b.version == wish.version && b.matches(labels));
            if wish.matches(labels) && !ran {
                self.containers.want(device, number);
            }
        }
        self.wishes.insert(number, wish);
    }
}

fn tally(counts: &mut Counts, wish: &Wish, said: Option<&(Revision, Phase)>) {
    counts.matched += 1;
    let phase = said.filter(|(revision, _)| *revision == wish.revision);
    match phase.map(|(_, phase)| phase) {
        Some(Phase::Running | Phase::Completed) => counts.succeeded += 1,
        Some(Phase::Failed) => counts.failed += 1,
        _ => counts.pending += 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn census() -> (Fleet, Census) {
        let fleet = Fleet::new(40, 8, 7).unwrap_or_else(|error| unreachable!("{error}"));
        let census = Census::new(&fleet).unwrap_or_else(|error| unreachable!("{error}"));
        (fleet, census)
    }

    fn is_even(census: &Census) {
        for (name, counts) in census.recount_all() {
            let number = super::super::number(&name);
            assert_eq!(number.and_then(|n| census.recount(n)), Some(counts));
        }
    }

    #[test]
    fn a_report_counts_for_its_revision_only() {
        let (fleet, census) = census();
        let (device, number) = (3, fleet.pairs[fleet.devices[3].pairs.start].workload);
        let revision = fleet.workloads[number].revision;
        census.believe(device, number, Some((revision, Phase::Running)));
        let counts = census.recount(number).unwrap_or_default();
        assert_eq!((counts.succeeded, counts.pending), (1, counts.matched - 1));
        let turn = census.turn(device, 0).map(|turn| (turn.number, turn.phase));
        assert_eq!(turn, Some((number, Phase::Failed)));
        census
            .change(number)
            .unwrap_or_else(|error| unreachable!("{error}"));
        let later = census.recount(number).unwrap_or_default();
        assert_eq!((later.succeeded, later.pending), (0, counts.matched));
        assert!(census.turn(device, 0).is_none());
        is_even(&census);
    }

    #[test]
    fn a_device_that_moves_is_done_when_it_runs_exactly_what_it_should() {
        let (fleet, census) = census();
        let mut labels = fleet.devices[3].labels.clone();
        let elsewhere = if labels["rack"] == "rack-2" {
            "rack-3"
        } else {
            "rack-2"
        };
        let runs = |n: usize| What::Runs(format!("registry.invalid/load/app-{n}:v1"));
        for pair in &fleet.pairs[fleet.devices[3].pairs.clone()] {
            census.did(3, &runs(pair.workload), Instant::now());
        }
        let before = census.now().expected(3);
        labels.insert("rack".to_owned(), elsewhere.to_owned());
        assert_eq!(census.relabel(3, &labels), Move::Matters);
        assert_eq!(census.relabel(3, &labels), Move::TooSoon);
        let after = census.now().expected(3);
        let mut todo: Vec<_> = after
            .keys()
            .filter(|n| !before.contains_key(*n))
            .map(|n| runs(*n))
            .collect();
        let gone = before.keys().filter(|n| !after.contains_key(*n));
        todo.extend(gone.map(|n| What::Removed(format!("load-{n:05}"))));
        let last = todo.pop();
        let did = |what: &What| census.did(3, what, Instant::now());
        assert!(todo.iter().all(|what| did(what).is_none()));
        assert!(last.is_some_and(|what| did(&what).is_some()));
        assert_eq!((census.moving(), census.restarted()), (0, vec![]));
        assert!(!census.astray().contains(&3));
        is_even(&census);
    }
}
