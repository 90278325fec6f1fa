//! A replica of the operator: the value that decides, its part in the election, its connections.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use fleet_contracts::signing::ManifestSigner;
use fleet_contracts::{DeploymentRef, DeviceId, UnixMillis};
use fleet_lease::{Election, LeaseTerms, Step};
use fleet_operator_core::Replica;
use fleet_operator_core::claims::Enrolments;
use fleet_operator_core::follow::{
    DesiredFollower, HeartbeatFollower, InfoFollower, ReportFollower,
};
use fleet_operator_core::index::{Input, LivenessConfig};
use fleet_operator_core::mirror::Mirror;
use fleet_operator_core::replica::{Roll, Source};

use super::pending::{Pending, Writing};
use super::watches::{Line, Watch};
use super::{Event, START, World};
use crate::dice::Dice;
use crate::letter::{Peer, Request, Response};

/// How long a Lease lasts, in milliseconds.
const LEASE: u64 = 7_000;

/// One replica.
#[derive(Debug)]
pub struct Operator {
    /// Counts its starts; odd while it is down.
    pub life: u32,
    /// It does nothing until then, and its clock goes on.
    pub paused_until: u64,
    /// What it will hear of when it goes on, in the order in which it came.
    pub(super) inbox: Vec<Event>,
    /// Whether it cannot reach the bus.
    pub bus_cut: bool,
    /// Whether it cannot reach the API server.
    pub api_cut: bool,
    /// What decides.
    pub replica: Replica,
    /// What it follows of the buckets.
    pub followers: Followers,
    /// The objects it knows.
    pub rolls: (Roll<DeploymentRef>, Roll<DeviceId>),
    /// Its open watches.
    pub watches: BTreeMap<Line, Watch>,
    /// When a turn is due.
    pub turn_at: Option<u64>,
    /// Writes under way.
    pub(super) writing: BTreeMap<u64, Writing>,
    /// What answers it waits for.
    pub(super) pending: BTreeMap<u64, Pending>,
    election: Election,
    led: Option<UnixMillis>,
    /// Its wall clock is so much ahead, in milliseconds.
    ahead: u64,
}

/// What it follows of the buckets.
#[derive(Debug, Default)]
pub struct Followers {
    /// `desired-state`.
    pub desired: DesiredFollower,
    /// `device-heartbeat`.
    pub heartbeats: HeartbeatFollower,
    /// `device-info`.
    pub info: InfoFollower,
    /// `device-state`.
    pub reports: ReportFollower,
    /// The keys of lists that have not ended.
    pub listed: BTreeMap<Line, HashSet<String>>,
    /// Which making of each stream was followed last.
    pub made: BTreeMap<Line, u64>,
}

impl Operator {
    /// One that was never started.
    pub fn new(signer: &Arc<ManifestSigner>, dice: &mut Dice) -> Self {
        let mirror = Mirror::new(Arc::clone(signer), vec![]);
        let config = LivenessConfig::default();
        let now = UnixMillis(START);
        Self {
            life: 0,
            paused_until: 0,
            inbox: Vec::new(),
            bus_cut: false,
            api_cut: false,
            replica: Replica::new(config, mirror, Enrolments::default(), now),
            followers: Followers::default(),
            rolls: (Roll::default(), Roll::default()),
            watches: BTreeMap::new(),
            turn_at: None,
            writing: BTreeMap::new(),
            pending: BTreeMap::new(),
            election: Election::new(String::new(), LeaseTerms::lasting(LEASE)),
            led: None,
            ahead: dice.below(5_000),
        }
    }

    /// What it is called on the Lease.
    pub fn name(&self, place: usize) -> String {
        format!("operator-{place}-{}", self.life)
    }

    /// Whether it runs.
    pub const fn is_up(&self) -> bool {
        self.life % 2 == 1
    }

    /// Whether it may lead, by its own clock.
    pub(crate) fn leads(&self, world: u64) -> bool {
        self.election.leads(self.now(world))
    }

    /// Its steady clock.
    pub(crate) const fn now(&self, world: u64) -> UnixMillis {
        UnixMillis(START + self.ahead + world)
    }
}

impl World {
    /// A replica starts: it knows nothing.
    pub(super) fn start(&mut self, place: usize) {
        let signer = Arc::clone(&self.signer);
        let life = self.operators[place].life;
        let mut fresh = Operator::new(&signer, &mut self.dice);
        fresh.life = if life.is_multiple_of(2) {
            life + 1
        } else {
            life
        };
        fresh.bus_cut = self.operators[place].bus_cut;
        fresh.api_cut = self.operators[place].api_cut;
        fresh.election = Election::new(fresh.name(place), LeaseTerms::lasting(LEASE));
        let now = fresh.now(self.now);
        let mirror = Mirror::new(signer, vec![]);
        let config = LivenessConfig::default();
        fresh.replica = Replica::new(config, mirror, Enrolments::default(), now);
        // Nobody enrols here.
        let _ = fresh.replica.synced(Source::Enrolments, now);
        let life = fresh.life;
        self.operators[place] = fresh;
        for line in Line::ALL {
            let open = self.dice.between(1, 500);
            self.schedule
                .add(self.now + open, Event::Open(place, life, line));
        }
        let look = self.dice.between(1, 2_000);
        self.schedule
            .add(self.now + look, Event::Election(place, life));
        self.note(|| format!("operator {place} starts, life {life}"));
    }

    /// A replica is killed; it comes back after a while.
    pub(super) fn kill(&mut self, place: usize, back: u64) {
        let operator = &mut self.operators[place];
        if !operator.is_up() {
            return;
        }
        operator.life += 1;
        operator.inbox.clear();
        operator.watches.clear();
        operator.pending.clear();
        operator.writing.clear();
        let life = operator.life;
        self.schedule
            .add(self.now + back, Event::Start(place, life));
    }

    /// Events of a replica that is paused wait for it.
    pub(super) fn postponed(&mut self, event: Event) -> Option<Event> {
        let place = match &event {
            Event::Answer {
                to: (Peer::Operator(place), _),
                ..
            }
            | Event::Told { replica: place, .. }
            | Event::Open(place, ..)
            | Event::Turn(place, _)
            | Event::Election(place, _) => *place,
            _ => return Some(event),
        };
        let operator = &mut self.operators[place];
        if operator.inbox.is_empty() {
            if operator.paused_until <= self.now {
                return Some(event);
            }
            self.schedule
                .add(operator.paused_until, Event::Resume(place));
        }
        operator.inbox.push(event);
        None
    }

    /// A replica goes on, unless it was paused again.
    pub(super) fn resume(&mut self, place: usize) {
        let operator = &mut self.operators[place];
        if operator.paused_until > self.now {
            self.schedule
                .add(operator.paused_until, Event::Resume(place));
            return;
        }
        // Its timer may have gone off meanwhile.
        operator.turn_at = None;
        for event in std::mem::take(&mut operator.inbox) {
            self.happen(event);
        }
        self.turn(place);
    }

    pub(super) fn look_at_lease(&mut self, place: usize) {
        let token = self.ask(Peer::Operator(place), Request::ReadLease);
        self.expect(place, token, Pending::Lease);
    }

    /// The Lease was read.
    pub(super) fn lease_read(&mut self, place: usize, response: &Response) {
        let operator = &mut self.operators[place];
        let now = operator.now(self.now);
        let Response::Lease(record) = response else {
            return self.looked(place);
        };
        let able = operator.replica.hears();
        let step = operator.election.look(record.clone(), able, now);
        let then = match step {
            Step::Wait => return self.looked(place),
            Step::Take | Step::Renew => Pending::LeaseWritten(now),
            Step::Ask => Pending::LeaseLeft,
            Step::Yield => {
                self.announce(place);
                Pending::LeaseLeft
            }
        };
        let written = self.operators[place]
            .election
            .written(step, record.as_ref(), now);
        let write = Request::WriteLease(written, record.clone());
        let token = self.ask(Peer::Operator(place), write);
        self.expect(place, token, then);
    }

    pub(super) fn lease_written(&mut self, place: usize, asked: UnixMillis, response: &Response) {
        if matches!(response, Response::Done) {
            self.operators[place].election.wrote(asked);
        }
        self.looked(place);
    }

    /// The replica hears until when it leads, if that has changed.
    fn announce(&mut self, place: usize) {
        let operator = &mut self.operators[place];
        let now = operator.now(self.now);
        let until = operator.election.leads_until(now);
        if until != operator.led {
            operator.led = until;
            let turn = operator.replica.lead(until, now);
            self.note(|| format!("operator {place} leads until {until:?}; {turn:?}"));
            self.list_what_is_outdated(place);
        }
    }

    fn list_what_is_outdated(&mut self, place: usize) {
        for line in [Line::Deployments, Line::Devices] {
            let operator = &mut self.operators[place];
            if operator.replica.is_outdated(line.source()) {
                operator.watches.remove(&line);
                self.open(place, line);
            }
        }
    }

    /// One look at the Lease is over: what follows from it, and when the next is due.
    pub(super) fn looked(&mut self, place: usize) {
        self.announce(place);
        let operator = &self.operators[place];
        let now = operator.now(self.now);
        let retry = operator.election.terms().retry;
        let left = operator
            .led
            .map_or(retry, |until| until.millis_since(now).max(1));
        let life = operator.life;
        let spread = self.dice.below(retry / 5);
        let pause = (retry - retry / 10 + spread).min(left);
        self.schedule
            .add(self.now + pause, Event::Election(place, life));
        self.turn(place);
    }

    /// Looks after what is due by time, takes keys from the queues and begins their writes.
    pub(super) fn turn(&mut self, place: usize) {
        let operator = &mut self.operators[place];
        if !operator.is_up() {
            return;
        }
        let now = operator.now(self.now);
        if operator
            .replica
            .index
            .next_tick()
            .is_some_and(|at| at <= now)
        {
            let _ = operator.replica.apply(Input::Tick, now);
        }
        if operator.replica.is_active(now) {
            self.write_due(place);
        }
        let operator = &self.operators[place];
        let queued = operator.replica.queues.next_due();
        let queued = queued.filter(|_| operator.replica.is_active(now));
        let due = [operator.replica.index.next_tick(), queued];
        let Some(due) = due.into_iter().flatten().min() else {
            return;
        };
        let at = self.now + due.millis_since(now).max(1);
        let life = operator.life;
        if operator.turn_at.is_none_or(|turn| turn > at) {
            self.operators[place].turn_at = Some(at);
            self.schedule.add(at, Event::Turn(place, life));
        }
    }
}
