//! What watches tell a replica, as the shell of the real one brings it.

use std::sync::Arc;

use fleet_api::{Deployment, Device};
use fleet_contracts::kv::Bucket;
use fleet_contracts::{DeploymentRef, DeviceId, UnixMillis};
use fleet_operator_core::Input;
use fleet_operator_core::admit::admit;
use fleet_operator_core::follow::{Follower, Refused, Stored};
use fleet_operator_core::index::DeviceSeen;
use fleet_operator_core::mirror;
use fleet_operator_core::replica::DeploymentKnown;

use super::operator::Operator;
use super::watches::{Line, Told};
use super::{Event, World};
use crate::api::Change;
use crate::bus::Message;

impl World {
    pub(super) fn told(&mut self, place: usize, opening: u64, line: Line, told: Told) {
        let operator = &mut self.operators[place];
        let watch = operator.watches.get(&line);
        if watch.is_none_or(|watch| watch.opening != opening) {
            return;
        }
        let now = operator.now(self.now);
        let message = match &told {
            Told::Message(message) if line == Line::of(Bucket::DesiredState) => {
                Some(Arc::clone(message))
            }
            _ => None,
        };
        if matches!(told, Told::Broken) {
            operator.watches.remove(&line);
            operator.replica.broke(line.source());
            let life = operator.life;
            let again = self.now + self.dice.between(50, 2_000);
            self.schedule.add(again, Event::Open(place, life, line));
            return;
        }
        match line {
            Line::Deployments | Line::Devices => operator.object(line, told, now),
            Line::Bucket(bucket) => operator.bucket(bucket, line, &told, now),
        }
        self.check_replica(place);
        self.turn(place);
        if let Some(message) = message {
            self.check_answered(place, &message);
        }
    }
}

impl Operator {
    fn object(&mut self, line: Line, told: Told, now: UnixMillis) {
        match told {
            Told::Begin(_) => match line {
                Line::Deployments => self.rolls.0.begin(),
                _ => self.rolls.1.begin(),
            },
            Told::Listed(Change::Deployment(object)) => {
                if let Some(key) = self.deployment(&object, now) {
                    self.rolls.0.listed(key);
                }
            }
            Told::Listed(Change::Device(object)) => {
                if let Some(key) = self.device(&object, now) {
                    self.rolls.1.listed(key);
                }
            }
            Told::Object(change) => self.changed(change, now),
            Told::End => {
                if line == Line::Deployments {
                    for key in self.rolls.0.end() {
                        let _ = self.replica.deployment_gone(&key, now);
                    }
                } else {
                    for key in self.rolls.1.end() {
                        let _ = self.replica.device_gone(&key, now);
                    }
                }
                let _ = self.replica.synced(line.source(), now);
            }
            _ => {}
        }
    }

    fn changed(&mut self, change: Change, now: UnixMillis) {
        match change {
            Change::Deployment(object) => {
                if let Some(key) = self.deployment(&object, now) {
                    self.rolls.0.put(key);
                }
            }
            Change::DeploymentGone(key) => {
                self.rolls.0.deleted(&key);
                let _ = self.replica.deployment_gone(&key, now);
            }
            Change::Device(object) => {
                if let Some(key) = self.device(&object, now) {
                    self.rolls.1.put(key);
                }
            }
            Change::DeviceGone(key) => {
                self.rolls.1.deleted(&key);
                let _ = self.replica.device_gone(&key, now);
            }
        }
    }

    fn deployment(&mut self, object: &Deployment, now: UnixMillis) -> Option<DeploymentRef> {
        let admitted = admit(object).ok()?;
        let reference = admitted.reference.clone();
        let news = !self.replica.known.has(&reference, &object.metadata);
        let known = DeploymentKnown::new(&object.metadata, object.status.clone());
        self.replica.remember(&reference, known, now);
        if news {
            let _ = self.replica.apply(Input::Deployment(admitted), now);
        }
        Some(reference)
    }

    fn device(&mut self, object: &Device, now: UnixMillis) -> Option<DeviceId> {
        let device: DeviceId = object.metadata.name.as_deref()?.parse().ok()?;
        let status = object.status.as_ref();
        let conditions = status.map_or_else(Vec::new, |s| s.conditions.clone());
        let seen = DeviceSeen::new(device.clone(), &object.metadata, &conditions);
        let _ = self.replica.device_seen(seen, conditions, now);
        Some(device)
    }

    fn bucket(&mut self, bucket: Bucket, line: Line, told: &Told, now: UnixMillis) {
        let followers = std::mem::take(&mut self.followers);
        self.followers = match bucket {
            Bucket::DesiredState => self.follow(followers, |f| &mut f.desired, line, told, now),
            Bucket::DeviceInfo => self.follow(followers, |f| &mut f.info, line, told, now),
            Bucket::DeviceState => self.follow(followers, |f| &mut f.reports, line, told, now),
            Bucket::DeviceHeartbeat => {
                self.follow(followers, |f| &mut f.heartbeats, line, told, now)
            }
        };
    }

    fn follow<F: Follower>(
        &mut self,
        mut all: super::operator::Followers,
        of: fn(&mut super::operator::Followers) -> &mut F,
        line: Line,
        told: &Told,
        now: UnixMillis,
    ) -> super::operator::Followers {
        match told {
            Told::Begin(made) => {
                let before = all.made.insert(line, *made);
                let recreated = before.is_some_and(|before| before != *made);
                let _ = self.replica.unsynced(F::SOURCE, now);
                all.listed.insert(line, std::collections::HashSet::new());
                of(&mut all).begin(&mut self.replica, recreated);
            }
            Told::End => {
                if let Some(listed) = all.listed.remove(&line) {
                    let _ = of(&mut all).end(&mut self.replica, &listed, now);
                }
                let _ = self.replica.synced(F::SOURCE, now);
            }
            Told::Message(message) => {
                if let (Some(listed), true) = (all.listed.get_mut(&line), message.value.is_some()) {
                    listed.insert(message.key.clone());
                }
                // What is refused changes nothing; the witness looks at what should have been.
                let _ = self.message(of(&mut all), message, now);
            }
            _ => {}
        }
        all
    }

    fn message<F: Follower>(
        &mut self,
        follower: &mut F,
        message: &Message,
        now: UnixMillis,
    ) -> Result<(), Refused> {
        let Some(body) = &message.value else {
            let (key, sequence) = (&message.key, message.sequence);
            return follower
                .deleted(&mut self.replica, key, sequence, now)
                .map(drop);
        };
        let stored = Stored {
            message: mirror::Message {
                key: &message.key,
                sequence: message.sequence,
                key_id: &message.headers.key_id,
                signature: &message.headers.signature,
                body,
            },
            received: UnixMillis(message.received),
        };
        let said = follower.read(stored)?;
        follower.put(&mut self.replica, said, now).map(drop)
    }
}
