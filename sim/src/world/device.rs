//! Brings a device's engine what happens, and does what it asks for.

use std::collections::BTreeMap;
use std::time::Duration;

use fleet_agent_core::engine::{Effect, Input, Item, Parcel, Timing};
use fleet_agent_core::ledger;
use fleet_agent_core::sync::{Answered, Asking, Begun, Doorbell, Gathering, Snapshot, SyncError};
use fleet_contracts::kv::{Bucket, DesiredKey, EntryKey};
use fleet_contracts::payload::Inventory;

use super::machine::{Asked, MachineEvent, Sending, Sync};
use super::{Event, World};
use crate::bus::Headers;
use crate::letter::{Peer, Request, Response};

impl World {
    /// Tells the engine something, and has it decide.
    pub(super) fn tell_engine(&mut self, place: usize, input: Input) {
        self.at_moment(place, |machine, at| {
            if let Some(engine) = &mut machine.engine {
                engine.handle(input, at);
            }
        });
        self.advance(place);
    }

    pub(super) fn advance(&mut self, place: usize) {
        let decided = self.at_moment(place, |machine, at| {
            let engine = machine.engine.as_mut()?;
            Some((engine.advance(at), engine.due()))
        });
        let Some((effects, due)) = decided else {
            return;
        };
        let due = due.0.max(self.now + 1);
        let machine = &mut self.machines[place];
        if machine
            .wake_at
            .is_none_or(|wake| wake > due || wake <= self.now)
        {
            machine.wake_at = Some(due);
            let event = Event::Machine(place, machine.life, MachineEvent::Wake);
            self.schedule.add(due, event);
        }
        // What it follows is looked at before what it does.
        self.check_machine(place);
        for effect in effects {
            self.carry_out(place, effect);
        }
    }

    fn later(&mut self, place: usize, after: u64, event: MachineEvent) {
        let life = self.machines[place].life;
        self.schedule
            .add(self.now + after, Event::Machine(place, life, event));
    }

    fn carry_out(&mut self, place: usize, effect: Effect) {
        match effect {
            Effect::Sync(snapshot) => {
                self.begin_sync(place, snapshot);
            }
            Effect::Store(content) => {
                self.machines[place].storing = Some((*content).clone());
                let took = self.dice.between(2, 200);
                self.later(place, took, MachineEvent::Stored);
            }
            Effect::List { epoch } => {
                let took = self.dice.between(1, 50);
                self.later(place, took, MachineEvent::List(epoch));
            }
            Effect::ReadInventory => self.later(place, 20, MachineEvent::Inventory),
            Effect::Run(step) => {
                self.check_step(place, &step);
                let took = self.dice.between(5, 500);
                self.later(place, took, MachineEvent::Act(step));
            }
            Effect::Send(parcels) => self.send_parcels(place, parcels),
            Effect::Heartbeat(body) => {
                let key = self.machines[place].id.to_string();
                let request = put(Bucket::DeviceHeartbeat, key, Some(body));
                self.ask(Peer::Device(place), request);
            }
            Effect::Note(note) => self.note(|| format!("dev-{place}: {note:?}")),
        }
    }

    fn begin_sync(&mut self, place: usize, snapshot: Snapshot) {
        match Asking::begin(snapshot) {
            Begun::Taken(gathering) => self.gather(place, gathering),
            Begun::Asking(asking) => {
                self.machines[place].sync = Some(Sync::Asking(asking));
                self.ask_manifest(place);
            }
        }
    }

    fn ask_manifest(&mut self, place: usize) {
        let Some(Sync::Asking(asking)) = &self.machines[place].sync else {
            return;
        };
        let request = Request::Get(asking.key());
        let token = self.ask(Peer::Device(place), request);
        self.machines[place].asked.insert(token, Asked::Manifest);
    }

    fn send_parcels(&mut self, place: usize, parcels: Vec<Parcel>) {
        self.machines[place].sending = Some(Sending {
            waiting: parcels.len(),
            ..Sending::default()
        });
        for parcel in parcels {
            let id = self.machines[place].id.clone();
            let (bucket, key) = match &parcel.item {
                Item::Info => (Bucket::DeviceInfo, id.to_string()),
                Item::State(deployment) => {
                    let deployment = deployment.clone();
                    let key = EntryKey {
                        device: id,
                        deployment,
                    };
                    (Bucket::DeviceState, key.to_string())
                }
            };
            let token = self.ask(Peer::Device(place), put(bucket, key, parcel.body));
            let asked = Asked::Parcel(parcel.item, parcel.version);
            self.machines[place].asked.insert(token, asked);
        }
    }

    pub(super) fn device_answered(&mut self, place: usize, token: u64, response: Response) {
        match self.machines[place].asked.remove(&token) {
            Some(Asked::Manifest) => self.manifest_answered(place, response),
            Some(Asked::Entry(key)) => self.entry_answered(place, &key, response),
            Some(Asked::Parcel(item, version)) => {
                self.parcel_answered(place, item, version, &response);
            }
            // A heartbeat: nobody waits for it.
            None => {}
        }
    }

    fn manifest_answered(&mut self, place: usize, response: Response) {
        let Some(Sync::Asking(asking)) = self.machines[place].sync.take() else {
            return;
        };
        let Response::Value(got) = response else {
            return self.sync_failed(place);
        };
        match asking.answer(got) {
            Err(error) => self.synced(place, Err(error)),
            Ok(Answered::Again(asking, wait)) => {
                self.machines[place].sync = Some(Sync::Asking(asking));
                self.later(place, wait, MachineEvent::AskAgain);
            }
            Ok(Answered::Taken(gathering)) => self.gather(place, gathering),
        }
    }

    fn gather(&mut self, place: usize, gathering: Box<Gathering>) {
        let lacking = gathering.lacking();
        if lacking.is_empty() {
            return self.synced(place, Ok(gathering.finish()));
        }
        self.machines[place].sync = Some(Sync::Gathering(gathering, lacking.len()));
        for key in lacking {
            let request = Request::Get(DesiredKey::Entry(key.clone()));
            let token = self.ask(Peer::Device(place), request);
            self.machines[place].asked.insert(token, Asked::Entry(key));
        }
    }

    fn entry_answered(&mut self, place: usize, key: &EntryKey, response: Response) {
        let Some(Sync::Gathering(mut gathering, left)) = self.machines[place].sync.take() else {
            return;
        };
        let Response::Value(got) = response else {
            return self.sync_failed(place);
        };
        gathering.answer(key, got);
        if left > 1 {
            self.machines[place].sync = Some(Sync::Gathering(gathering, left - 1));
        } else {
            self.synced(place, Ok(gathering.finish()));
        }
    }

    fn sync_failed(&mut self, place: usize) {
        let machine = &mut self.machines[place];
        machine
            .asked
            .retain(|_, asked| matches!(asked, Asked::Parcel(..)));
        self.synced(place, Err(SyncError::NoAnswer("no answer".to_owned())));
    }

    fn synced(&mut self, place: usize, result: Result<fleet_agent_core::sync::Fetched, SyncError>) {
        let timing = Timing::default();
        self.tell_engine(place, Input::Synced { result, timing });
    }

    fn parcel_answered(&mut self, place: usize, item: Item, version: u64, response: &Response) {
        let Some(sending) = &mut self.machines[place].sending else {
            return;
        };
        sending.waiting -= 1;
        match response {
            Response::Stored(_) => sending.acknowledged.push((item, version)),
            _ => sending.failed = Some("not stored".to_owned()),
        }
        if sending.waiting > 0 {
            return;
        }
        if let Some(sent) = self.machines[place].sending.take() {
            let input = Input::Sent {
                acknowledged: sent.acknowledged,
                failed: sent.failed,
            };
            self.tell_engine(place, input);
        }
    }

    pub(super) fn doorbell(&mut self, place: usize, doorbell: Doorbell) {
        if self.machines[place].online {
            self.tell_engine(place, Input::Doorbell(doorbell));
        }
    }

    pub(super) fn machine_event(&mut self, place: usize, event: MachineEvent) {
        match event {
            MachineEvent::Boot => self.boot(place),
            // Another one was due earlier, and has looked.
            MachineEvent::Wake if self.machines[place].wake_at != Some(self.now) => {}
            MachineEvent::Wake => {
                self.machines[place].wake_at = None;
                self.advance(place);
            }
            MachineEvent::Connected if self.machines[place].online => {
                self.tell_engine(place, Input::Connected);
            }
            MachineEvent::Connected => {}
            // Whole again before anybody noticed.
            MachineEvent::Disconnected if self.machines[place].online => {}
            MachineEvent::Disconnected => self.tell_engine(place, Input::Disconnected),
            MachineEvent::AskAgain => self.ask_manifest(place),
            MachineEvent::Stored => self.stored(place),
            MachineEvent::List(epoch) => {
                let containers = self.machines[place].containers.clone();
                let observed = fleet_agent_core::Observed { containers };
                let took = self.dice.between(1, 50);
                self.later(place, took, MachineEvent::Listed(epoch, observed));
            }
            MachineEvent::Listed(epoch, observed) => {
                let result = Ok(observed);
                self.tell_engine(place, Input::Listed { epoch, result });
            }
            MachineEvent::Act(step) => self.act(place, step),
            MachineEvent::Acted(input) => self.tell_engine(place, *input),
            MachineEvent::Inventory => {
                self.tell_engine(place, Input::Inventory(Inventory::default()));
            }
        }
    }

    fn stored(&mut self, place: usize) {
        let machine = &mut self.machines[place];
        let Some(content) = machine.storing.take() else {
            return;
        };
        let full = self.season != super::Season::Rest && self.dice.chance(10);
        let stored = if full {
            Err("the disk is full".to_owned())
        } else {
            ledger::store(&mut machine.disk, &content).map_err(|error| error.to_string())
        };
        if stored.is_ok() {
            machine.kept = machine.kept.max(Some(content.manifest.generation));
        }
        self.witness.kept(&machine.id, &content, stored.is_ok());
        let result = stored.map(|()| Duration::from_millis(1));
        self.tell_engine(place, Input::Stored(result));
    }

    /// What a step led to arrives after a while.
    pub(super) fn acted(&mut self, place: usize, input: Input) {
        let took = self.dice.between(1, 100);
        self.later(place, took, MachineEvent::Acted(Box::new(input)));
    }

    /// What podman told of a container; the agent lists after it.
    pub(super) fn containers_changed(&mut self, place: usize) {
        let input = Box::new(Input::ContainersChanged);
        let took = self.dice.between(1, 50);
        self.later(place, took, MachineEvent::Acted(input));
    }
}

/// How long parts of a step took: nobody measures here.
pub(super) fn took() -> BTreeMap<&'static str, Duration> {
    BTreeMap::new()
}

fn put(bucket: Bucket, key: String, value: Option<bytes::Bytes>) -> Request {
    Request::Put {
        bucket,
        key,
        value,
        headers: Headers::default(),
        expected: None,
    }
}
