//! What a replica believes of objects that others write too.

#![allow(clippy::expect_used, reason = "test code")]

mod support;

use std::collections::HashSet;
use std::sync::Arc;

use fleet_api::{DeploymentStatus, DeviceStatus};
use fleet_contracts::UnixMillis;
use fleet_contracts::payload::{DeviceInfo, Inventory};
use fleet_contracts::signing::ManifestSigner;
use fleet_operator_core::Replica;
use fleet_operator_core::claims::Enrolments;
use fleet_operator_core::follow::{Follower as _, InfoFollower};
use fleet_operator_core::index::{Input, LivenessConfig};
use fleet_operator_core::mirror::Mirror;
use fleet_operator_core::replica::{DeploymentKnown, Roll, Source, Turn};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, ObjectMeta};
use support::{Object, device, labels, reference, seen};

const NOW: UnixMillis = UnixMillis(1_000);
const UNTIL: UnixMillis = UnixMillis(11_000);
const EU: &[(&str, &str)] = &[("region", "eu")];

fn leader() -> Replica {
    let signer = Arc::new(ManifestSigner::from_seed(&[7; 32]));
    let mirror = Mirror::new(signer, vec![]);
    let mut replica = Replica::new(
        LivenessConfig::default(),
        mirror,
        Enrolments::default(),
        NOW,
    );
    for source in Source::ALL {
        replica.synced(source, NOW);
    }
    replica.lead(Some(UNTIL), NOW);
    assert!(replica.is_active(NOW));
    replica
}

/// The watch tells of a Deployment with this status.
fn told(replica: &mut Replica, object: &Object, status: &DeploymentStatus) {
    let meta = ObjectMeta {
        uid: Some(object.uid.clone()),
        generation: Some(object.generation),
        ..ObjectMeta::default()
    };
    let known = DeploymentKnown::new(&meta, Some(status.clone()));
    replica.remember(&reference(&object.name), known, NOW);
}

/// The watch tells of device `a` with these conditions.
fn device_told(replica: &mut Replica, conditions: &[Condition]) {
    let Input::Device(seen) = seen("a", EU) else {
        unreachable!("a device")
    };
    let _ = replica.device_seen(seen, conditions.to_vec(), NOW);
}

#[test]
fn a_leader_that_slept_through_its_time_writes_nothing_before_it_is_told() {
    let mut replica = leader();
    let web = Object::new("web");
    let _ = replica.apply(web.input(), NOW);
    assert!(replica.queues.depths().iter().any(|(_, depth)| *depth > 0));

    assert!(!replica.is_active(UNTIL), "and nobody has told it");
    let later = UnixMillis(UNTIL.0 + 500);
    let turn = replica.lead(Some(UnixMillis(UNTIL.0 + 10_000)), later);
    let begins = matches!(turn, Some(Turn::Begins { .. }));
    assert!(begins, "another may have led meanwhile: {turn:?}");
    assert!(replica.is_active(later));

    assert_eq!(replica.lead(None, later), Some(Turn::Ends));
    assert!(replica.queues.depths().iter().all(|(_, depth)| *depth == 0));
}

#[test]
fn who_takes_over_waits_for_a_watch_that_ended_and_who_leads_does_not() {
    let mut replica = leader();
    replica.broke(Source::Info);
    assert!(replica.is_active(NOW), "nobody else writes what it misses");
    assert_eq!(replica.awaited(), []);

    assert_eq!(replica.lead(None, NOW), Some(Turn::Ends));
    assert_eq!(replica.awaited(), [Source::Info]);
    assert_eq!(replica.lead(Some(UNTIL), NOW), None);
    assert!(!replica.is_active(NOW), "others may have written meanwhile");
    replica.unsynced(Source::Info, NOW);
    let turn = replica.synced(Source::Info, NOW);
    assert!(matches!(turn, Some(Turn::Begins { .. })), "{turn:?}");
}

#[test]
fn who_begins_to_lead_has_objects_listed_anew_before_it_writes() {
    let mut replica = leader();
    replica.lead(None, NOW);
    for source in Source::OBJECTS {
        replica.lists(source);
        replica.synced(source, NOW);
        assert!(!replica.is_outdated(source), "it does not lead");
    }
    assert_eq!(replica.lead(Some(UNTIL), NOW), None);
    assert_eq!(replica.awaited(), Source::OBJECTS);

    // What was asked for before does not count, also if it ends now.
    let outdated = |replica: &Replica| Source::OBJECTS.map(|source| replica.is_outdated(source));
    replica.synced(Source::Deployments, NOW);
    assert_eq!(outdated(&replica), [true; 3]);
    for source in Source::OBJECTS {
        replica.lists(source);
        assert!(!replica.is_active(NOW));
        assert!(replica.awaited().contains(&source), "it is not over");
        replica.synced(source, NOW);
    }
    assert!(replica.is_active(NOW));

    // Who goes on to lead, or lists again while it leads, is not kept from it.
    let longer = UnixMillis(UNTIL.0 + 1_000);
    assert_eq!(replica.lead(Some(longer), NOW), None);
    replica.lists(Source::Devices);
    assert!(replica.is_active(NOW));
    assert_eq!(outdated(&replica), [false; 3]);

    // Who slept through its time may have missed another's.
    let later = UnixMillis(longer.0 + 500);
    assert_eq!(
        replica.lead(Some(UnixMillis(later.0 + 10_000)), later),
        Some(Turn::Ends)
    );
    assert_eq!(outdated(&replica), [true; 3]);
}

#[test]
fn a_list_that_begins_when_a_replica_leads_already_is_not_asked_for_twice() {
    let signer = Arc::new(ManifestSigner::from_seed(&[7; 32]));
    let (mirror, config) = (Mirror::new(signer, vec![]), LivenessConfig::default());
    let mut replica = Replica::new(config, mirror, Enrolments::default(), NOW);
    replica.lead(Some(UNTIL), NOW);
    for source in Source::ALL {
        replica.lists(source);
        assert!(!replica.is_outdated(source));
        replica.synced(source, NOW);
    }
    assert!(replica.is_active(NOW));
}

#[test]
fn who_could_work_is_who_has_heard_all_that_came_while_its_connection_was_lost() {
    let mut replica = leader();
    assert!(replica.hears());
    replica.broke(Source::Reports);
    assert!(!replica.hears());
    assert!(replica.is_active(NOW), "the bus may be away for everybody");
    replica.lead(None, NOW);
    assert_eq!(replica.lead(Some(UNTIL), NOW), None);
    let turn = replica.resumed(Source::Reports, NOW);
    assert!(matches!(turn, Some(Turn::Begins { .. })), "{turn:?}");
    assert!(replica.hears());
}

#[test]
fn a_device_that_is_deleted_under_one_leader_is_forgotten_by_the_next() {
    let mut replica = leader();
    device_told(&mut replica, &[]);
    replica.lead(None, NOW);
    let _ = replica.device_gone(&device("a"), NOW);
    replica.lead(Some(UNTIL), NOW);
    assert!(replica.queues.forgotten.holds(&device("a")));

    // Not after an hour: whoever led meanwhile has done it.
    device_told(&mut replica, &[]);
    replica.lead(None, NOW);
    let _ = replica.device_gone(&device("a"), NOW);
    let later = UnixMillis(NOW.0 + 3_600_000);
    replica.lead(Some(UnixMillis(later.0 + 10_000)), later);
    assert!(!replica.queues.forgotten.holds(&device("a")));
}

#[test]
fn what_a_device_said_before_its_bucket_was_lost_changes_no_object() {
    let (mut replica, mut follower) = (leader(), InfoFollower::default());
    let said = |region: &str| DeviceInfo {
        schema_version: 1,
        device: device("a"),
        labels: labels(&[("region", region)]),
        inventory: Inventory::default(),
        at: NOW,
    };
    follower.begin(&mut replica, false);
    let _ = follower.put(&mut replica, said("eu"), NOW);
    device_told(&mut replica, &[]);
    assert!(replica.device_object(&device("a")).is_some());

    follower.begin(&mut replica, true);
    let _ = follower.end(&mut replica, &HashSet::new(), NOW);
    assert_eq!(
        replica.device_object(&device("a")),
        None,
        "another may have heard something else meanwhile"
    );
    let _ = follower.put(&mut replica, said("us"), NOW);
    let object = replica.device_object(&device("a")).expect("said again");
    assert_eq!(
        object.labels.get("region").map(String::as_str),
        Some("us"),
        "{object:?}"
    );
}

#[test]
fn a_status_that_another_wrote_after_ours_is_written_again() {
    let mut replica = leader();
    let object = Object::new("web");
    let web = reference("web");
    let old = DeploymentStatus::default();
    told(&mut replica, &object, &old);
    let _ = replica.apply(object.input(), NOW);
    let ours = replica.wanted_status(&web, NOW).expect("news");

    // The server took ours, and then the patch of a leader that did not know yet that it was deposed.
    told(&mut replica, &object, &ours.status);
    told(&mut replica, &object, &old);
    // Only now the answer to ours is heard.
    replica.status_written(&web, ours.told, ours.status.clone());
    let again = replica
        .wanted_status(&web, NOW)
        .expect("the server has the old one");
    assert_eq!(again.status, ours.status);

    replica.status_written(&web, again.told, again.status);
    assert_eq!(
        replica.wanted_status(&web, NOW),
        None,
        "nobody told otherwise"
    );
}

#[test]
fn conditions_that_another_wrote_after_ours_are_written_again() {
    let mut replica = leader();
    device_told(&mut replica, &[]);
    let ours = replica.wanted_device_status(&device("a"), NOW);
    let ours = ours.expect("news");

    device_told(&mut replica, &ours.status.conditions);
    device_told(&mut replica, &[]);
    replica.device_status_written(&device("a"), ours.told, &ours.status);
    let again = replica.wanted_device_status(&device("a"), NOW);
    let again = again.expect("the server has none");
    let DeviceStatus { conditions, .. } = &again.status;
    assert_eq!(conditions, &ours.status.conditions);

    replica.device_status_written(&device("a"), again.told, &again.status);
    let more = replica.wanted_device_status(&device("a"), NOW);
    assert_eq!(more, None, "nobody told otherwise");
}

#[test]
fn a_list_tells_what_is_no_more_also_of_one_that_never_ended() {
    let mut roll = Roll::default();
    roll.begin();
    roll.listed("a");
    roll.listed("b");
    // Its connection was lost.
    roll.begin();
    roll.listed("b");
    assert_eq!(roll.end(), ["a"]);
    roll.deleted(&"b");
    roll.begin();
    assert_eq!(roll.end(), [""; 0], "what was deleted is not told of again");
}
