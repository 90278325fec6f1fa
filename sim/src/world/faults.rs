//! What goes wrong, and how it ends.

use bytes::Bytes;
use fleet_contracts::brought;
use fleet_contracts::kv::{Bucket, DesiredKey};
use fleet_contracts::payload::{DesiredEntry, encode};
use fleet_contracts::signing::ManifestSigner;
use fleet_contracts::{Generation, Manifest};

use super::machine::MachineEvent;
use super::watches::Line;
use super::{Event, Season, World};
use crate::bus::{Headers, Message};

/// A connection that is cut for a while.
#[derive(Debug, Clone, Copy)]
pub enum Cut {
    /// Of a replica to the bus.
    Bus(usize),
    /// Of a replica to the API server.
    Api(usize),
    /// Of a device to everything.
    Device(usize),
}

impl World {
    /// Begins a season.
    pub fn begin(&mut self, season: Season) {
        self.season = season;
        self.note(|| format!("season: {season:?}"));
        if season != Season::Rest {
            self.schedule.add(self.now, Event::Chance);
            return;
        }
        for place in 0..self.operators.len() {
            self.operators[place].paused_until = self.now;
            self.schedule.add(self.now, Event::Resume(place));
            self.mend(Cut::Bus(place));
            self.mend(Cut::Api(place));
        }
        for place in 0..self.machines.len() {
            self.mend(Cut::Device(place));
        }
        if !self.settled {
            self.repair_specs();
        }
    }

    /// From now on nobody changes anything.
    pub fn settle(&mut self) {
        self.settled = true;
        self.witness.settled();
    }

    pub(super) fn chance(&mut self) {
        match self.season {
            Season::Rest => return,
            Season::Changes if self.dice.chance(600) => self.change_something(),
            _ => self.fault(),
        }
        let pause = self.dice.between(50, 6_000);
        self.schedule.add(self.now + pause, Event::Chance);
    }

    fn fault(&mut self) {
        let operator = self.dice.place(self.operators.len());
        let machine = self.dice.place(self.machines.len());
        let lasts = self.dice.between(100, 40_000);
        let kind = self.dice.below(13);
        self.note(|| format!("fault {kind}: operator {operator}, dev-{machine}, for {lasts} ms"));
        match kind {
            0 | 1 => self.kill(operator, lasts / 2),
            2 => {
                let until = self.now + lasts;
                let paused = &mut self.operators[operator].paused_until;
                *paused = until.max(*paused);
            }
            3 => self.cut(Cut::Bus(operator), lasts),
            4 => self.cut(Cut::Api(operator), lasts),
            5 => self.lose_one(),
            6 => self.lose_all(),
            7 => self.stop_agent(machine, lasts / 4),
            8 | 9 => self.power_cut(machine, lasts / 4),
            10 => self.cut(Cut::Device(machine), lasts),
            11 => self.attack(machine),
            _ if self.settled => {}
            _ => {
                let by_hand = self.dice.chance(500);
                self.container_ends(machine, by_hand);
            }
        }
    }

    fn cut(&mut self, cut: Cut, lasts: u64) {
        let buckets = Bucket::ALL.map(Line::of);
        match cut {
            Cut::Bus(place) => {
                self.operators[place].bus_cut = true;
                for line in buckets {
                    self.deafen(place, line);
                }
            }
            Cut::Api(place) => {
                self.operators[place].api_cut = true;
                for line in [Line::Deployments, Line::Devices] {
                    self.deafen(place, line);
                }
            }
            Cut::Device(place) => {
                self.machines[place].online = false;
                let noticed = self.dice.between(10, 60_000);
                let life = self.machines[place].life;
                let event = Event::Machine(place, life, MachineEvent::Disconnected);
                self.schedule.add(self.now + noticed.min(lasts), event);
            }
        }
        self.schedule.add(self.now + lasts, Event::Mend(cut));
    }

    pub(super) fn mend(&mut self, cut: Cut) {
        match cut {
            Cut::Bus(place) => self.operators[place].bus_cut = false,
            Cut::Api(place) => self.operators[place].api_cut = false,
            Cut::Device(place) if self.machines[place].online => {}
            Cut::Device(place) => {
                let machine = &mut self.machines[place];
                machine.online = true;
                let back = self.dice.between(1, 3_000);
                let life = self.machines[place].life;
                let event = Event::Machine(place, life, MachineEvent::Connected);
                self.schedule.add(self.now + back, event);
            }
        }
    }

    fn lose_one(&mut self) {
        if let Some(bucket) = self.dice.pick(&Bucket::ALL).copied() {
            self.lose(bucket);
        }
    }

    fn lose_all(&mut self) {
        for bucket in Bucket::ALL {
            self.lose(bucket);
        }
    }

    fn lose(&mut self, bucket: Bucket) {
        self.bus.lose(bucket);
        // A server that starts again has broken its connections; one whose stream somebody deleted
        // has not, and what it acknowledged before may be heard after the stream was made again.
        if self.dice.chance(500) {
            self.broken_at = self.tokens;
        }
        for place in 0..self.operators.len() {
            self.deafen(place, Line::of(bucket));
        }
    }

    /// Somebody who can write to the bus, and has no key of ours, writes a manifest.
    fn attack(&mut self, place: usize) {
        let device = self.machines[place].id.clone();
        let key = DesiredKey::Manifest(device.clone()).to_string();
        let (body, headers) = match self.dice.below(4) {
            0 => self.forged(place),
            1 => match self.witness.latest(&device) {
                Some(body) => self.with_foreign_bodies(body),
                None => return,
            },
            2 => match self.witness.replay(&device, &mut self.dice) {
                Some(body) => self.with_signature(body),
                None => return,
            },
            // Another device's, which is signed.
            _ => {
                let other = self.dice.place(self.machines.len());
                let other = self.machines[other].id.clone();
                match self.witness.replay(&other, &mut self.dice) {
                    Some(body) => self.with_signature(body),
                    None => return,
                }
            }
        };
        let message = Message {
            key,
            value: Some(Bytes::from(body)),
            headers,
            sequence: 0,
            received: self.wall().0,
        };
        // Whatever comes of it: nobody waits.
        let _ = self.put(None, Bucket::DesiredState, message, None);
    }

    fn forged(&self, place: usize) -> (Vec<u8>, Headers) {
        let manifest = Manifest {
            schema_version: 1,
            device: self.machines[place].id.clone(),
            generation: Generation(self.wall().0 + 1_000_000),
            deployments: std::collections::BTreeMap::new(),
            order: vec![],
            announced_keys: vec![],
            retired_keys: vec![],
        };
        let body = encode(&manifest);
        let thief = ManifestSigner::from_seed(&[8; 32]);
        let headers = Headers {
            key_id: self.signer.key_id().to_string(),
            signature: thief.sign(&body),
            brings: vec![],
        };
        (body, headers)
    }

    /// What was signed once is signed for ever.
    fn with_signature(&self, body: Vec<u8>) -> (Vec<u8>, Headers) {
        let headers = Headers {
            key_id: self.signer.key_id().to_string(),
            signature: self.signer.sign(&body),
            brings: vec![],
        };
        (body, headers)
    }

    /// The manifest is true, and what comes along with it is not: nothing signs the headers.
    fn with_foreign_bodies(&self, body: Vec<u8>) -> (Vec<u8>, Headers) {
        let (body, mut headers) = self.with_signature(body);
        let manifest: Option<Manifest> = serde_json::from_slice(&body).ok();
        let named = manifest.into_iter().flat_map(|m| m.deployments);
        headers.brings = named
            .filter_map(|(reference, revision)| {
                let entry = DesiredEntry {
                    schema_version: 1,
                    revision,
                    score: serde_json::json!({ "services": [] }),
                };
                brought::value(&reference, &encode(&entry))
            })
            .collect();
        (body, headers)
    }
}
