//! The writers of a replica: which requests a dirty key leads to, and what their answers change.

use bytes::Bytes;
use fleet_contracts::kv::{Bucket, DesiredKey, EntryKey};
use fleet_contracts::{DeploymentRef, DeviceId, Manifest};
use fleet_operator_core::mirror::{Batch, Epoch, ManifestWrite};
use fleet_operator_core::queue::Outcome;
use fleet_operator_core::replica::FinalizerStep;

use super::pending::{Key, Pending, Writing};
use super::{Operator, World};
use crate::bus::Headers;
use crate::letter::{Peer, Request, Response};

/// Purges up to here, which is all there is.
const EVERYTHING: u64 = u64::MAX - 1;

impl World {
    pub(super) fn expect(&mut self, place: usize, token: u64, pending: Pending) {
        self.operators[place].pending.insert(token, pending);
    }

    /// Begins the writes that are due.
    pub(super) fn write_due(&mut self, place: usize) {
        let operator = &mut self.operators[place];
        let now = operator.now(self.now);
        let queues = &mut operator.replica.queues;
        let mut keys: Vec<Key> = Vec::new();
        keys.extend(queues.desired.take(now, 64).into_iter().map(Key::Desired));
        keys.extend(queues.statuses.take(now, 16).into_iter().map(Key::Status));
        let taken = queues.finalizers.take(now, 8);
        keys.extend(taken.into_iter().map(Key::Finalizer));
        let taken = queues.device_objects.take(now, 16);
        keys.extend(taken.into_iter().map(Key::DeviceObject));
        let taken = queues.device_statuses.take(now, 16);
        keys.extend(taken.into_iter().map(Key::DeviceStatus));
        let taken = queues.forgotten.take(now, 8);
        keys.extend(taken.into_iter().map(Key::Forgotten));
        keys.extend(queues.reports.take(now, 8).into_iter().map(Key::Report));
        for key in keys {
            self.write(place, &key);
        }
    }

    fn write(&mut self, place: usize, key: &Key) {
        self.tokens += 1;
        let writing = self.tokens;
        let work = Writing {
            key: key.clone(),
            epoch: Epoch::default(),
            batches: vec![],
            waiting: 0,
        };
        self.operators[place].writing.insert(writing, work);
        let begun = match key {
            Key::Desired(device) => self.begin_desired(place, writing, device),
            Key::Status(reference) => self.begin_status(place, writing, reference),
            Key::Finalizer(reference) => self.begin_finalizer(place, writing, reference),
            Key::DeviceObject(device) => self.begin_device(place, writing, device),
            Key::DeviceStatus(device) => self.begin_device_status(place, writing, device),
            Key::Forgotten(device) => self.begin_forgetting(place, writing, device),
            Key::Report(key) => self.begin_forgetting_report(place, writing, key),
        };
        if !begun {
            self.end_write(place, writing, Outcome::Unchanged);
        }
    }

    fn send(&mut self, place: usize, request: Request, pending: Pending) -> bool {
        let writing = pending.writing();
        let token = self.ask(Peer::Operator(place), request);
        self.expect(place, token, pending);
        if let Some(work) = self.operators[place].writing.get_mut(&writing) {
            work.waiting += 1;
        }
        true
    }

    fn begin_desired(&mut self, place: usize, writing: u64, device: &DeviceId) -> bool {
        let operator = &mut self.operators[place];
        let wall = operator.now(self.now);
        // Nothing here is large enough to be refused.
        let Ok(plan) = operator.replica.desired_plan(device, wall) else {
            return false;
        };
        let epoch = plan.epoch;
        let mut batches: Vec<_> = plan.batches().collect();
        batches.reverse();
        if let Some(work) = operator.writing.get_mut(&writing) {
            work.epoch = epoch;
            work.batches = batches;
        }
        let begun = self.next_batch(place, writing);
        if !begun {
            let operator = &mut self.operators[place];
            operator.replica.let_go(wall);
        }
        begun
    }

    fn next_batch(&mut self, place: usize, writing: u64) -> bool {
        let operator = &mut self.operators[place];
        let epoch = operator.replica.mirror.epoch();
        let writes = operator.replica.is_active(operator.now(self.now));
        let work = operator.writing.get_mut(&writing);
        let work = work.filter(|work| writes && work.epoch == epoch);
        let Some((batch, key)) = work.and_then(|work| {
            let key = work.key.clone();
            Some((work.batches.pop()?, key))
        }) else {
            return false;
        };
        let Key::Desired(device) = key else {
            return false;
        };
        match batch {
            Batch::Entries(puts) => {
                for put in puts {
                    let value = Some(Bytes::copy_from_slice(put.body.bytes()));
                    let request = desired(&DesiredKey::Entry(put.key.clone()), value);
                    self.send(place, request, Pending::Entry(writing, put));
                }
            }
            Batch::Manifest(ManifestWrite::Put {
                manifest,
                body,
                brings,
                expected,
            }) => {
                let headers = self.sign(place, &manifest, &body, brings);
                self.put_manifest(place, writing, manifest, body, headers, expected);
            }
            Batch::Manifest(ManifestWrite::Delete { expected }) => {
                let request = Request::Put {
                    bucket: Bucket::DesiredState,
                    key: DesiredKey::Manifest(device.clone()).to_string(),
                    value: None,
                    headers: Headers::default(),
                    expected: Some(expected),
                };
                self.send(place, request, Pending::ManifestDeleted(writing, device));
            }
            Batch::Deletions(keys) => {
                for key in keys {
                    let request = desired(&DesiredKey::Entry(key.clone()), None);
                    self.send(place, request, Pending::EntryDeleted(writing, key));
                }
            }
        }
        true
    }

    fn sign(
        &mut self,
        place: usize,
        manifest: &Manifest,
        body: &[u8],
        brings: Vec<String>,
    ) -> Headers {
        self.check_leads(place);
        let replica = &mut self.operators[place].replica;
        let signer = replica.mirror.sending(manifest, body);
        self.witness.signed(manifest, body);
        Headers {
            key_id: signer.key_id().to_string(),
            signature: signer.sign(body),
            brings,
        }
    }

    fn put_manifest(
        &mut self,
        place: usize,
        writing: u64,
        manifest: Manifest,
        body: Vec<u8>,
        headers: Headers,
        expected: u64,
    ) {
        let request = Request::Put {
            bucket: Bucket::DesiredState,
            key: DesiredKey::Manifest(manifest.device.clone()).to_string(),
            value: Some(Bytes::from(body)),
            headers,
            expected: Some(expected),
        };
        let pending = Pending::Manifest(writing, Box::new(manifest));
        self.send(place, request, pending);
    }

    fn begin_status(&mut self, place: usize, writing: u64, reference: &DeploymentRef) -> bool {
        let operator = &self.operators[place];
        let wall = operator.now(self.now);
        let Some(wanted) = operator.replica.wanted_status(reference, wall) else {
            return false;
        };
        let (uid, status) = (wanted.uid, Box::new(wanted.status));
        let request = Request::Status(reference.clone(), uid, status.clone());
        let pending = Pending::Status(writing, reference.clone(), wanted.told, status);
        self.send(place, request, pending)
    }

    fn begin_finalizer(&mut self, place: usize, writing: u64, reference: &DeploymentRef) -> bool {
        let (request, pending) = match self.operators[place].replica.finalizer_step(reference) {
            None => return false,
            Some(FinalizerStep::Add { uid }) => {
                let request = Request::Hold(reference.clone(), uid);
                (request, Pending::Plain(writing))
            }
            Some(FinalizerStep::Remove { uid, .. }) => {
                let request = Request::Release(reference.clone(), uid);
                (request, Pending::Released(writing, reference.clone()))
            }
        };
        self.send(place, request, pending)
    }

    fn begin_device(&mut self, place: usize, writing: u64, device: &DeviceId) -> bool {
        let Some(object) = self.operators[place].replica.device_object(device) else {
            return false;
        };
        let request = Request::Device(device.clone(), Box::new(object));
        self.send(place, request, Pending::Plain(writing))
    }

    fn begin_device_status(&mut self, place: usize, writing: u64, device: &DeviceId) -> bool {
        let operator = &self.operators[place];
        let wall = operator.now(self.now);
        let Some(wanted) = operator.replica.wanted_device_status(device, wall) else {
            return false;
        };
        let status = Box::new(wanted.status);
        let request = Request::DeviceStatus(device.clone(), status.clone());
        let pending = Pending::DeviceStatus(writing, device.clone(), wanted.told, status);
        self.send(place, request, pending)
    }

    fn begin_forgetting(&mut self, place: usize, writing: u64, device: &DeviceId) -> bool {
        if !self.operators[place].replica.may_forget(device) {
            return false;
        }
        let request = purge(Bucket::DeviceInfo, device.to_string());
        self.send(
            place,
            request,
            Pending::InfoForgotten(writing, device.clone()),
        )
    }

    fn begin_forgetting_report(&mut self, place: usize, writing: u64, key: &EntryKey) -> bool {
        if !self.operators[place].replica.index.may_forget(key) {
            return false;
        }
        let request = purge(Bucket::DeviceState, key.to_string());
        self.send(place, request, Pending::Plain(writing))
    }

    pub(super) fn operator_answered(&mut self, place: usize, token: u64, response: &Response) {
        let Some(pending) = self.operators[place].pending.remove(&token) else {
            return;
        };
        let writing = pending.writing();
        match pending {
            Pending::Lease => return self.lease_read(place, response),
            Pending::LeaseWritten(asked) => return self.lease_written(place, asked, response),
            Pending::LeaseLeft => return self.looked(place),
            _ => {}
        }
        let swept = matches!(pending, Pending::Swept(_));
        let failed = match response {
            Response::NoAnswer | Response::Conflict => !swept,
            _ => false,
        };
        if failed {
            if let Pending::Manifest(_, manifest) = &pending {
                let mirror = &mut self.operators[place].replica.mirror;
                mirror.unanswered(&manifest.device);
            }
            let jitter = u16::try_from(self.dice.below(1_000)).unwrap_or_default();
            self.end_write(place, writing, Outcome::Failed { jitter });
        } else {
            self.note_write(place, pending, response);
            self.answered(place, writing, response);
        }
        self.check_replica(place);
        self.turn(place);
    }

    /// What an answer changes in what the replica knows.
    fn note_write(&mut self, place: usize, pending: Pending, response: &Response) {
        let Operator {
            replica, writing, ..
        } = &mut self.operators[place];
        let work = writing.get(&pending.writing());
        let epoch = work.map(|work| work.epoch).unwrap_or_default();
        match (pending, response) {
            (Pending::Entry(_, put), Response::Stored(at)) => {
                replica.mirror.stored(epoch, &put, *at);
            }
            (Pending::Manifest(_, manifest), Response::Stored(at)) => {
                replica.mirror.manifest_stored(epoch, &manifest, *at);
            }
            (Pending::ManifestDeleted(_, device), Response::Stored(at)) => {
                replica.mirror.manifest_deleted(epoch, &device, *at);
            }
            (Pending::EntryDeleted(writing, key), Response::Stored(at)) => {
                if !replica.mirror.entry_deleted(epoch, &key, *at) {
                    return;
                }
                let request = Request::Purge {
                    bucket: Bucket::DesiredState,
                    key: key.to_string(),
                    up_to: *at,
                };
                self.send(place, request, Pending::Swept(writing));
            }
            (Pending::Status(_, reference, told, status), Response::Done) => {
                replica.status_written(&reference, told, *status);
            }
            (Pending::Released(_, reference), Response::Done | Response::Missing) => {
                replica.finalizer_removed(&reference);
            }
            (Pending::DeviceStatus(_, device, told, status), Response::Done) => {
                replica.device_status_written(&device, told, &status);
            }
            (Pending::InfoForgotten(writing, device), Response::Done) => {
                let request = purge(Bucket::DeviceState, format!("{device}.>"));
                self.send(place, request, Pending::Plain(writing));
            }
            _ => {}
        }
    }

    /// One answer less is awaited; the last one begins the next batch, or ends the write.
    fn answered(&mut self, place: usize, writing: u64, response: &Response) {
        let Some(work) = self.operators[place].writing.get_mut(&writing) else {
            return;
        };
        work.waiting -= 1;
        if work.waiting > 0 {
            return;
        }
        let desired = matches!(work.key, Key::Desired(_));
        if desired && self.next_batch(place, writing) {
            return;
        }
        if desired {
            let operator = &mut self.operators[place];
            let now = operator.now(self.now);
            operator.replica.let_go(now);
        }
        let missing = matches!(response, Response::Missing);
        let outcome = if missing {
            Outcome::Unchanged
        } else {
            Outcome::Written
        };
        self.end_write(place, writing, outcome);
    }

    fn end_write(&mut self, place: usize, writing: u64, outcome: Outcome) {
        let operator = &mut self.operators[place];
        let now = operator.now(self.now);
        let Some(work) = operator.writing.remove(&writing) else {
            return;
        };
        operator.pending.retain(|_, p| p.writing() != writing);
        let queues = &mut operator.replica.queues;
        match work.key {
            Key::Desired(key) => queues.desired.done(&key, outcome, now),
            Key::Status(key) => queues.statuses.done(&key, outcome, now),
            Key::Finalizer(key) => queues.finalizers.done(&key, outcome, now),
            Key::DeviceObject(key) => queues.device_objects.done(&key, outcome, now),
            Key::DeviceStatus(key) => queues.device_statuses.done(&key, outcome, now),
            Key::Forgotten(key) => queues.forgotten.done(&key, outcome, now),
            Key::Report(key) => queues.reports.done(&key, outcome, now),
        }
    }
}

fn desired(key: &DesiredKey, value: Option<Bytes>) -> Request {
    Request::Put {
        bucket: Bucket::DesiredState,
        key: key.to_string(),
        value,
        headers: Headers::default(),
        expected: None,
    }
}

fn purge(bucket: Bucket, key: String) -> Request {
    Request::Purge {
        bucket,
        key,
        up_to: EVERYTHING,
    }
}
