//! The mirror of `desired-state`: plan, carry out, plan again.
#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

mod support;

use std::sync::Arc;

use fleet_contracts::signing::ManifestSigner;
use fleet_contracts::{DeploymentRef, Generation, UnixMillis, brought};
use fleet_operator_core::index::{Desired, LivenessConfig};
use fleet_operator_core::mirror::{ManifestWrite, Message, Mirror, Plan, Read};
use fleet_operator_core::{FleetIndex, Input};
use support::{Object, device, key, reference, seen};

const EU: &[(&str, &str)] = &[("region", "eu")];
const KEY: [u8; 32] = [7; 32];

/// A stream, with what a watch and acknowledgements tell the mirror.
struct Stream {
    mirror: Mirror,
    sequence: u64,
}

impl Stream {
    fn new() -> Self {
        let signer = Arc::new(ManifestSigner::from_seed(&KEY));
        Self {
            mirror: Mirror::new(signer, vec![]),
            sequence: 0,
        }
    }

    fn next(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence
    }

    fn plan(&self, desired: Option<&Desired>) -> Plan {
        let now = UnixMillis(1_000);
        self.mirror
            .plan(&device("a"), desired, now)
            .expect("it fits")
    }

    fn carry_out(&mut self, plan: &Plan) {
        for put in &plan.puts {
            let sequence = self.next();
            self.mirror.stored(plan.epoch, put, sequence);
        }
        match &plan.manifest {
            Some(ManifestWrite::Put { manifest, .. }) => {
                let sequence = self.next();
                self.mirror.manifest_stored(plan.epoch, manifest, sequence);
            }
            Some(ManifestWrite::Delete { .. }) => {
                let sequence = self.next();
                self.mirror
                    .manifest_deleted(plan.epoch, &device("a"), sequence);
            }
            None => {}
        }
        for key in &plan.deletes {
            let sequence = self.next();
            self.mirror.entry_deleted(plan.epoch, key, sequence);
        }
    }

    /// A message by somebody, told by the watch.
    fn foreign(&mut self, key: &str, signer: &[u8; 32], body: &[u8]) -> Result<bool, &'static str> {
        let signer = ManifestSigner::from_seed(signer);
        let (key_id, signature) = (signer.key_id().to_string(), signer.sign(body));
        let message = Message {
            key,
            sequence: self.next(),
            key_id: &key_id,
            signature: &signature,
            body,
        };
        let news = self.mirror.put(Read::of(message));
        news.map(|device| device.is_some()).map_err(|e| e.reason())
    }
}

fn desired(objects: &[Object]) -> Desired {
    let mut index = FleetIndex::new(LivenessConfig::default(), UnixMillis(0));
    let inputs = objects.iter().map(Object::input);
    let inputs: Vec<Input> = inputs.chain([seen("a", EU)]).collect();
    for input in inputs {
        index.apply(input, UnixMillis(0));
    }
    index.desired(&device("a")).expect("a device")
}

/// Generation and expected sequence of the manifest that a plan stores.
fn manifest_of(plan: &Plan) -> (Generation, u64) {
    let Some(ManifestWrite::Put {
        manifest, expected, ..
    }) = &plan.manifest
    else {
        unreachable!("a manifest to store, not {:?}", plan.manifest)
    };
    (manifest.generation, *expected)
}

#[test]
fn after_a_plan_is_carried_out_there_is_nothing_to_do() {
    let mut stream = Stream::new();
    let wanted = desired(&[Object::new("web"), Object::new("db")]);
    let first = stream.plan(Some(&wanted));
    assert_eq!((first.puts.len(), first.deletes.len()), (2, 0));
    assert_eq!(manifest_of(&first), (Generation(1_000), 0));
    stream.carry_out(&first);
    assert!(stream.plan(Some(&wanted)).is_empty());

    let less = desired(&[Object::new("web")]);
    let second = stream.plan(Some(&less));
    assert_eq!(second.puts, []);
    assert_eq!(second.deletes, [key("a", "db")]);
    assert_eq!(manifest_of(&second), (Generation(1_001), 3));
    assert!(stream.mirror.names(&reference("db")));
    stream.carry_out(&second);
    assert!(!stream.mirror.names(&reference("db")));
    assert!(stream.plan(Some(&less)).is_empty());

    let nothing = stream.plan(Some(&Desired::default()));
    assert_eq!(manifest_of(&nothing), (Generation(1_002), 4));
    stream.carry_out(&nothing);
    assert!(stream.plan(Some(&Desired::default())).is_empty());

    let forgotten = stream.plan(None);
    let expected = 6;
    assert_eq!(forgotten.manifest, Some(ManifestWrite::Delete { expected }));
    stream.carry_out(&forgotten);
    assert!(stream.plan(None).is_empty());
    assert_eq!(stream.mirror.devices().count(), 0);
    assert_eq!(
        manifest_of(&stream.plan(Some(&wanted))).0,
        Generation(1_003),
        "a device that comes back remembers the last generation"
    );
}

/// What a plan's manifest brings along.
fn brought_by(plan: &Plan) -> Vec<(DeploymentRef, Vec<u8>)> {
    let Some(ManifestWrite::Put { brings, .. }) = &plan.manifest else {
        unreachable!("a manifest to store, not {:?}", plan.manifest)
    };
    let read = brings.iter().filter_map(|value| brought::read(value));
    read.map(|(reference, entry)| (reference, entry.to_vec()))
        .collect()
}

#[test]
fn a_manifest_brings_the_bodies_that_changed_and_no_others() {
    let mut stream = Stream::new();
    let (web, db) = (Object::new("web"), Object::new("db"));
    let first = stream.plan(Some(&desired(&[web.clone(), db.clone()])));
    assert_eq!(brought_by(&first).len(), 2);
    stream.carry_out(&first);

    let second = stream.plan(Some(&desired(&[web.image("web:v2"), db])));
    let [put] = &second.puts[..] else {
        unreachable!("one body to store, not {:?}", second.puts)
    };
    let body = put.body.bytes().to_vec();
    assert_eq!(brought_by(&second), [(reference("web"), body)]);
}

#[test]
fn of_many_bodies_a_manifest_brings_no_more_than_a_device_would_like_to_get_again_and_again() {
    let many = (10..99).map(|n| Object::new(&format!("web-{n}")));
    let many: Vec<_> = many.collect();
    let plan = Stream::new().plan(Some(&desired(&many)));
    let Some(ManifestWrite::Put { brings, .. }) = &plan.manifest else {
        unreachable!("a manifest to store")
    };
    let takes = || brings.iter().map(|value| brought::takes(value));
    let (bytes, longest) = (takes().sum::<usize>(), takes().max().expect("some"));
    assert!(bytes <= brought::MAX_BYTES && bytes + longest > brought::MAX_BYTES);
    assert!(brings.len() < plan.puts.len(), "{bytes} bytes");
}

#[test]
fn what_others_wrote_over_ours_is_written_again() {
    let mut stream = Stream::new();
    let wanted = desired(&[Object::new("web")]);
    let plan = stream.plan(Some(&wanted));
    stream.carry_out(&plan);

    assert_eq!(stream.foreign("a.shop.web", &KEY, b"rubbish"), Ok(true));
    let repair = stream.plan(Some(&wanted));
    assert_eq!((repair.puts.len(), &repair.manifest), (1, &None));
    stream.carry_out(&repair);

    assert_eq!(
        stream.foreign("a._manifest", &KEY, b"rubbish"),
        Err("Malformed")
    );
    let repair = stream.plan(Some(&wanted));
    assert_eq!(manifest_of(&repair), (Generation(1_001), 5));
    stream.carry_out(&repair);
    assert_eq!(stream.foreign("rubbish", &KEY, b""), Err("ForeignKey"));
    assert!(stream.plan(Some(&wanted)).is_empty());
}

#[test]
fn a_manifest_that_we_did_not_sign_is_replaced_and_its_generation_counts_for_nothing() {
    let mut stream = Stream::new();
    let wanted = desired(&[Object::new("web")]);
    let plan = stream.plan(Some(&wanted));
    stream.carry_out(&plan);
    let Some(ManifestWrite::Put { mut manifest, .. }) = plan.manifest else {
        unreachable!("a manifest was written")
    };
    manifest.generation = Generation(5_000);
    let body = fleet_contracts::payload::encode(&manifest);
    assert_eq!(
        stream.foreign("a._manifest", &[9; 32], &body),
        Err("BadSignature")
    );
    assert_eq!(
        manifest_of(&stream.plan(Some(&wanted))),
        (Generation(1_001), 3)
    );
    assert_eq!(
        stream.foreign("a._manifest", &KEY, &body),
        Ok(true),
        "our own key, from before a restart"
    );
    assert!(stream.plan(Some(&wanted)).is_empty());
    let next = stream.plan(Some(&Desired::default()));
    assert_eq!(manifest_of(&next), (Generation(5_001), 4));
    assert_eq!(
        stream.foreign("b._manifest", &KEY, &body),
        Err("BadSignature"),
        "a manifest copied under another device's key"
    );
}

#[test]
fn the_lines_of_a_deployment_are_told_for_carrying_over() {
    let mut stream = Stream::new();
    let web = Object::new("web");
    let plan = stream.plan(Some(&desired(std::slice::from_ref(&web))));
    stream.carry_out(&plan);
    assert_eq!(
        stream.mirror.lines(&reference("web")),
        [(key("a", "web"), web.revision())]
    );
    assert_eq!(stream.mirror.lines(&reference("db")), []);
}

#[test]
fn a_manifest_signed_earlier_that_comes_back_is_replaced_by_a_later_one() {
    let mut stream = Stream::new();
    let none = Desired::default();
    let first = stream.plan(Some(&none));
    stream.carry_out(&first);
    let Some(ManifestWrite::Put { body, manifest, .. }) = first.manifest else {
        panic!("no manifest: {first:?}");
    };
    stream.mirror.followed(&device("a"), Generation(5_000));
    assert_eq!(stream.foreign("a._manifest", &KEY, &body), Ok(true));
    let again = stream.plan(Some(&none));
    let Some(ManifestWrite::Put {
        manifest: later, ..
    }) = again.manifest
    else {
        panic!("not written again: {again:?}");
    };
    assert!(later.same_content(&manifest));
    assert_eq!(later.generation, Generation(5_001));
}

#[test]
fn a_device_that_follows_a_later_manifest_than_the_stream_holds_gets_one_later_still() {
    let mut stream = Stream::new();
    let none = Desired::default();
    let first = stream.plan(Some(&none));
    stream.carry_out(&first);
    assert!(!stream.mirror.followed(&device("a"), Generation(1_000)));
    assert!(stream.plan(Some(&none)).is_empty());
    assert!(stream.mirror.followed(&device("a"), Generation(9_000)));
    let again = stream.plan(Some(&none));
    assert!(matches!(
        &again.manifest,
        Some(ManifestWrite::Put { manifest, .. }) if manifest.generation == Generation(9_001)
    ));
    stream.carry_out(&again);
    assert!(stream.plan(Some(&none)).is_empty());
    // Nothing could be later than the highest.
    assert!(!stream.mirror.followed(&device("a"), Generation(u64::MAX)));
}

/// Whatever a device says, or somebody in its name: the manifest written for it is the last one.
#[test]
fn a_device_that_follows_the_highest_generation_there_can_be_costs_one_write() {
    let mut stream = Stream::new();
    let none = Desired::default();
    let first = stream.plan(Some(&none));
    stream.carry_out(&first);
    let high = Generation(u64::MAX / 2 - 1);
    assert!(stream.mirror.followed(&device("a"), high));
    let again = stream.plan(Some(&none));
    let Some(ManifestWrite::Put { manifest, body, .. }) = &again.manifest else {
        panic!("not written again: {again:?}");
    };
    // The watch may tell of it before the acknowledgement comes.
    stream.mirror.sending(manifest, body);
    assert_eq!(stream.foreign("a._manifest", &KEY, body), Ok(false));
    assert!(stream.plan(Some(&none)).is_empty());
    assert!(!stream.mirror.followed(&device("a"), manifest.generation));
    assert!(stream.plan(Some(&none)).is_empty());
}

#[test]
fn an_acknowledgement_of_a_lost_stream_does_not_hide_what_the_new_one_holds() {
    let mut stream = Stream::new();
    stream.sequence = 500;
    let wanted = desired(&[Object::new("web"), Object::new("db")]);
    let first = stream.plan(Some(&wanted));
    stream.carry_out(&first);
    let less = desired(&[Object::new("web")]);
    let late = stream.plan(Some(&less));

    // The stream is lost and counts from 1 again; a standby has written already.
    stream.mirror.clear();
    let Some(ManifestWrite::Put { body, .. }) = &first.manifest else {
        panic!("no manifest: {first:?}");
    };
    stream.sequence = 0;
    assert_eq!(stream.foreign("a.shop.db", &KEY, b"{}"), Ok(true));
    stream.sequence = 600;
    stream.carry_out(&late);
    stream.carry_out(&first);
    stream.sequence = 1;
    assert_eq!(stream.foreign("a._manifest", &KEY, body), Ok(true));
    assert_eq!(stream.foreign("a.shop.web", &KEY, b"{}"), Ok(true));

    // What is planned is for the stream of now: its sequences, and all that is in it.
    let plan = stream.plan(Some(&less));
    assert_eq!(manifest_of(&plan).1, 2);
    assert_eq!((plan.puts.len(), &plan.deletes), (1, &vec![key("a", "db")]));
    stream.carry_out(&plan);
    assert!(stream.plan(Some(&less)).is_empty());
    assert!(!stream.mirror.names(&reference("db")));
}

#[test]
fn an_acknowledgement_after_the_watch_told_of_the_deletion_does_not_bring_the_body_back() {
    let mut stream = Stream::new();
    let wanted = desired(&[Object::new("web")]);
    let plan = stream.plan(Some(&wanted));
    // Stored as the first message; a leader that was deposed deletes it, and the watch is faster than
    // the answer.
    let news = stream.mirror.deleted("a.shop.web", 2);
    assert_eq!(news.map_err(|e| e.reason()), Ok(None));
    assert!(stream.mirror.stored(plan.epoch, &plan.puts[0], 1));
    assert_eq!(stream.plan(Some(&wanted)).puts.len(), 1, "it is missing");

    // One that the watch has not come to yet counts at once.
    stream.mirror.stored(plan.epoch, &plan.puts[0], 3);
    assert_eq!(stream.plan(Some(&wanted)).puts, []);
}

#[test]
fn what_was_signed_is_remembered_when_the_stream_is_told_anew() {
    let mut stream = Stream::new();
    let none = Desired::default();
    let lost = stream.plan(Some(&none));
    let Some(ManifestWrite::Put { manifest, body, .. }) = &lost.manifest else {
        panic!("no manifest: {lost:?}");
    };
    // It may be stored, and read by somebody, although no answer comes.
    stream.mirror.sending(manifest, body);
    stream.mirror.clear();
    let next = stream.plan(Some(&desired(&[Object::new("web")])));
    assert_eq!(manifest_of(&next).0, Generation(1_001));
}

#[test]
fn our_last_manifest_of_a_device_that_was_forgotten_is_deleted_again_if_it_comes_back() {
    let mut stream = Stream::new();
    let first = stream.plan(Some(&Desired::default()));
    let Some(ManifestWrite::Put { manifest, body, .. }) = &first.manifest else {
        panic!("no manifest: {first:?}");
    };
    stream.mirror.sending(manifest, body);
    stream.carry_out(&first);
    let forgotten = stream.plan(None);
    stream.carry_out(&forgotten);
    assert_eq!(stream.foreign("a._manifest", &KEY, body), Ok(true));
    let again = stream.plan(None);
    let expected = 3;
    assert_eq!(again.manifest, Some(ManifestWrite::Delete { expected }));
}

#[test]
fn a_manifest_that_is_stored_after_nobody_waits_for_it_is_looked_at() {
    let mut stream = Stream::new();
    let first = stream.plan(Some(&Desired::default()));
    let Some(ManifestWrite::Put { manifest, body, .. }) = &first.manifest else {
        panic!("no manifest: {first:?}");
    };
    stream.mirror.sending(manifest, body);
    stream.mirror.unanswered(&device("a"));
    assert!(stream.plan(None).is_empty());
    assert_eq!(stream.foreign("a._manifest", &KEY, body), Ok(true));
    assert!(!stream.plan(None).is_empty());
}

#[test]
fn a_generation_that_two_have_signed_is_followed_by_a_later_one() {
    let mut stream = Stream::new();
    let none = Desired::default();
    let plan = stream.plan(Some(&none));
    stream.carry_out(&plan);
    let a = device("a");
    assert!(!stream.mirror.conflicted(&a, Generation(999)));
    assert!(stream.plan(Some(&none)).is_empty());
    assert!(stream.mirror.conflicted(&a, Generation(1_000)));
    let again = stream.plan(Some(&none));
    assert_eq!(manifest_of(&again).0, Generation(1_001));
    stream.carry_out(&again);
    // The device says so until it has taken the later one.
    assert!(!stream.mirror.conflicted(&a, Generation(1_000)));
    assert!(stream.plan(Some(&none)).is_empty());
}
