//! Requests and answers on their way: late, lost, or done without the answer coming back.

use std::sync::Arc;

use fleet_agent_core::sync::{Doorbell, Got};
use fleet_contracts::kv::{Bucket, DesiredKey};

use super::watches::{Line, Told};
use super::{Event, Season, World};
use crate::api::{Change, Refusal};
use crate::bus::{self, Message};
use crate::check::Writer;
use crate::letter::{Peer, Request, Response};

/// A direction of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Way {
    /// To the server.
    Out,
    /// From it.
    Back,
}

impl World {
    /// How long something takes over the network.
    pub(super) fn delay(&mut self) -> u64 {
        let stormy = self.season != Season::Rest;
        if stormy && self.dice.chance(10) {
            self.dice.between(2_000, 40_000)
        } else if stormy && self.dice.chance(50) {
            self.dice.between(50, 2_000)
        } else {
            self.dice.between(1, 20)
        }
    }

    /// The bus is one connection: what is slow there holds up what follows.
    fn way(&mut self, peer: Peer, for_bus: bool, way: Way) -> u64 {
        let delay = self.delay();
        if !for_bus {
            return delay;
        }
        let latest = self.connections.entry((peer, way)).or_default();
        *latest = (*latest).max(self.now + delay);
        *latest - self.now
    }

    /// A server that broke its connections with its store: what it acknowledged before is not heard
    /// any more.
    pub(super) fn heard(&self, token: u64, response: Response) -> Response {
        match response {
            Response::Stored(_) if token <= self.broken_at => Response::NoAnswer,
            other => other,
        }
    }

    fn is_lost(&mut self) -> bool {
        self.season != Season::Rest && self.dice.chance(30)
    }

    pub(super) fn life(&self, peer: Peer) -> u32 {
        match peer {
            Peer::Operator(replica) => self.operators[replica].life,
            Peer::Device(place) => self.machines[place].life,
        }
    }

    fn is_cut(&self, peer: Peer, request: &Request) -> bool {
        match peer {
            Peer::Operator(replica) if request.is_for_bus() => self.operators[replica].bus_cut,
            Peer::Operator(replica) => self.operators[replica].api_cut,
            Peer::Device(place) => !self.machines[place].online,
        }
    }

    /// Sends a request. The answer comes under the token, if only as [`Response::NoAnswer`].
    pub(super) fn ask(&mut self, peer: Peer, request: Request) -> u64 {
        self.tokens += 1;
        let token = self.tokens;
        let from = (peer, self.life(peer));
        let patience = request.patience();
        let way = self.way(from.0, request.is_for_bus(), Way::Out);
        let lost = self.is_lost() || self.is_cut(peer, &request);
        if lost || way > patience {
            self.answer(from, token, Response::NoAnswer, patience);
        }
        if !lost {
            self.under_way += 1;
            let arrival = Event::Arrive {
                from,
                token,
                request,
            };
            self.schedule.add(self.now + way, arrival);
        }
        token
    }

    fn answer(&mut self, to: (Peer, u32), token: u64, response: Response, after: u64) {
        let answer = Event::Answer {
            to,
            token,
            response,
        };
        self.schedule.add(self.now + after, answer);
    }

    /// A request is done, whether or not anybody still waits for the answer.
    pub(super) fn arrive(&mut self, from: (Peer, u32), token: u64, request: Request) {
        self.under_way -= 1;
        let patience = request.patience();
        let cut = self.is_cut(from.0, &request);
        let for_bus = request.is_for_bus();
        let response = self.serve(from.0, request);
        if cut || self.is_lost() {
            self.answer(from, token, Response::NoAnswer, patience);
        } else {
            let way = self.way(from.0, for_bus, Way::Back);
            self.answer(from, token, response, way);
        }
    }

    fn serve(&mut self, peer: Peer, request: Request) -> Response {
        match request {
            Request::Put {
                bucket,
                key,
                value,
                headers,
                expected,
            } => {
                let message = Message {
                    key,
                    value,
                    headers,
                    sequence: 0,
                    received: self.wall().0,
                };
                self.put(Some(peer), bucket, message, expected)
            }
            Request::Purge { bucket, key, up_to } => match self.bus.purge(bucket, &key, up_to) {
                Ok(()) => Response::Done,
                Err(_) => Response::NoAnswer,
            },
            Request::Get(key) => self.get(&key),
            other => self.serve_api(other),
        }
    }

    fn serve_api(&mut self, request: Request) -> Response {
        let changed = match request {
            Request::ReadLease => return Response::Lease(self.api.lease.clone()),
            Request::WriteLease(record, read) => {
                return match self.api.write_lease(record, read.as_ref()) {
                    Ok(()) => Response::Done,
                    Err(_) => Response::Conflict,
                };
            }
            Request::Hold(reference, uid) => self.api.hold(&reference, &uid),
            Request::Release(reference, uid) => self.api.release(&reference, &uid),
            Request::Status(reference, uid, status) => {
                self.witness.status_written(&reference, &status);
                self.api.set_status(&reference, &uid, *status)
            }
            Request::Device(device, object) => Ok(self.api.apply_device(&device, &object)),
            Request::DeviceStatus(device, status) => self.api.set_device_status(&device, *status),
            Request::Put { .. } | Request::Purge { .. } | Request::Get(_) => Err(Refusal::Missing),
        };
        match changed {
            Ok(change) => {
                self.broadcast(change);
                Response::Done
            }
            Err(Refusal::Missing) => Response::Missing,
            Err(Refusal::Conflict) => Response::Conflict,
        }
    }

    /// Somebody writes to the bus: nobody that is known, without a peer.
    pub(super) fn put(
        &mut self,
        peer: Option<Peer>,
        bucket: Bucket,
        message: Message,
        expected: Option<u64>,
    ) -> Response {
        let shelf = self.bus.shelf(bucket);
        let before = shelf.and_then(|shelf| shelf.get(&message.key)).cloned();
        let stored = match self.bus.store(bucket, message, expected) {
            Ok(stored) => stored,
            Err(bus::Refusal::Conflict) => return Response::Conflict,
            Err(bus::Refusal::NoStream) => return Response::NoAnswer,
        };
        let writer = match peer {
            Some(Peer::Operator(place)) => Writer::Operator(place),
            Some(Peer::Device(place)) => Writer::Device(&self.machines[place].id),
            None => Writer::Stranger,
        };
        let before = before.as_deref();
        self.witness.stored(bucket, writer, before, &stored);
        self.tell_all(Line::of(bucket), &Told::Message(Arc::clone(&stored)));
        if bucket == Bucket::DesiredState {
            self.ring(&stored);
        }
        Response::Stored(stored.sequence)
    }

    /// The bus tells a device that is connected that its manifest changed: nothing else does.
    fn ring(&mut self, stored: &Message) {
        let Ok(DesiredKey::Manifest(device)) = stored.key.parse() else {
            return;
        };
        let Some(place) = self.machines.iter().position(|m| m.id == device) else {
            return;
        };
        let doorbell = Doorbell::new(got(stored));
        let times = 1 + u64::from(self.season != Season::Rest && self.dice.chance(50));
        for _ in 0..times {
            if self.machines[place].online && !self.is_lost() {
                let way = self.delay();
                let life = self.machines[place].life;
                let bell = Event::Doorbell(place, life, Box::new(doorbell.clone()));
                self.schedule.add(self.now + way, bell);
            }
        }
    }

    fn get(&mut self, key: &DesiredKey) -> Response {
        let lags = self.season != Season::Rest && self.dice.chance(30);
        let Some(shelf) = self.bus.shelf(Bucket::DesiredState) else {
            return Response::NoAnswer;
        };
        let text = key.to_string();
        let found = if lags {
            shelf.lagging(&text)
        } else {
            shelf.get(&text)
        };
        let found = found.filter(|message| message.value.is_some());
        Response::Value(found.map(|message| got(message)))
    }

    /// An object changed: watches tell.
    pub(super) fn broadcast(&mut self, change: Change) {
        let line = match change {
            Change::Deployment(_) | Change::DeploymentGone(_) => Line::Deployments,
            Change::Device(_) | Change::DeviceGone(_) => Line::Devices,
        };
        self.tell_all(line, &Told::Object(change));
    }
}

/// A message of `desired-state`, whether it was asked for or published again.
fn got(message: &Message) -> Got {
    Got {
        body: message.value.clone().unwrap_or_default(),
        stored_under: Bucket::DesiredState.subject(&message.key),
        sequence: message.sequence,
        key_id: message.headers.key_id.clone(),
        signature: message.headers.signature.clone(),
        brings: message.headers.brings.clone(),
    }
}
