//! The index, event by event.

#![allow(clippy::expect_used, reason = "test code")]

mod support;

use std::collections::BTreeSet;

use fleet_contracts::UnixMillis;
use fleet_contracts::payload::Phase;
use fleet_contracts::reason::DeviceReason;
use fleet_operator_core::index::{Dirty, LastFailure, LivenessConfig, Reachability, Tally};
use fleet_operator_core::{FleetIndex, Input};
use support::{Object, device, heartbeat, info, key, reference, report, seen};

struct Fleet {
    index: FleetIndex,
    now: u64,
}

impl Fleet {
    fn new() -> Self {
        let index = FleetIndex::new(
            LivenessConfig {
                stale_after: 60_000,
            },
            UnixMillis(0),
        );
        Self { index, now: 0 }
    }

    fn with(inputs: impl IntoIterator<Item = Input>) -> Self {
        let mut fleet = Self::new();
        for input in inputs {
            fleet.apply(input);
        }
        fleet
    }

    fn apply(&mut self, input: Input) -> Dirty {
        let dirty = self.index.apply(input, UnixMillis(self.now));
        assert_eq!(self.index.violations(), 0);
        dirty
    }

    fn at(&mut self, now: u64) -> Dirty {
        self.now = now;
        self.apply(Input::Tick)
    }

    /// What a device should run, as `name@revision`, the oldest first.
    fn runs(&self, name: &str) -> Vec<String> {
        let desired = self.index.desired(&device(name)).expect("a device");
        desired
            .order
            .iter()
            .map(|r| format!("{}@{}", r.name, desired.lines[r].revision))
            .collect()
    }

    fn tally(&self, name: &str) -> Tally {
        self.index.view(&reference(name)).expect("exists").tally
    }
}

fn set<T: Ord>(items: impl IntoIterator<Item = T>) -> BTreeSet<T> {
    items.into_iter().collect()
}

fn line(object: &Object) -> String {
    format!("{}@{}", object.name, object.revision())
}

const EU: &[(&str, &str)] = &[("region", "eu")];
const US: &[(&str, &str)] = &[("region", "us")];

#[test]
fn a_new_deployment_reaches_the_devices_it_matches_and_no_others() {
    let web = Object::new("web");
    let mut fleet = Fleet::with([seen("a", EU), seen("b", US)]);
    let dirty = fleet.apply(web.input());
    assert_eq!(
        dirty,
        Dirty {
            desired: set([device("a")]),
            statuses: set([reference("web")]),
            ..Dirty::default()
        }
    );
    assert_eq!(fleet.runs("a"), [line(&web)]);
    assert_eq!(fleet.runs("b"), [""; 0]);
    assert_eq!(
        fleet.tally("web"),
        Tally {
            matched: 1,
            pending: 1,
            ..Tally::default()
        }
    );
    assert!(
        fleet.apply(web.input()).is_empty(),
        "the same object again changes nothing"
    );
}

#[test]
fn a_new_revision_makes_every_device_pending_until_it_reports_on_it() {
    let v1 = Object::new("web");
    let v2 = v1.clone().image("web:v2");
    let mut fleet = Fleet::with([
        seen("a", EU),
        v1.input(),
        report("a", "web", v1.revision(), Phase::Running, 1),
    ]);
    assert_eq!(fleet.tally("web").succeeded, 1);
    let dirty = fleet.apply(v2.input());
    assert_eq!(dirty.desired, set([device("a")]));
    assert_eq!(
        (fleet.tally("web").succeeded, fleet.tally("web").pending),
        (0, 1)
    );
    let late = fleet.apply(report("a", "web", v1.revision(), Phase::Running, 2));
    assert!(late.is_empty(), "the old revision does not count");
    fleet.apply(report("a", "web", v2.revision(), Phase::Running, 3));
    assert_eq!(fleet.tally("web").succeeded, 1);
}

#[test]
fn a_label_change_moves_the_workload() {
    let web = Object::new("web");
    let mut fleet = Fleet::with([seen("a", EU), seen("b", US), web.input()]);
    let left = fleet.apply(seen("a", US));
    assert_eq!(left.desired, set([device("a")]));
    assert_eq!(fleet.runs("a"), [""; 0]);
    fleet.apply(seen("b", EU));
    assert_eq!(fleet.runs("b"), [line(&web)]);
    assert_eq!(fleet.tally("web").matched, 1);
}

#[test]
fn reports_may_come_before_the_objects_they_are_about() {
    let web = Object::new("web");
    let mut fleet = Fleet::with([report("a", "web", web.revision(), Phase::Running, 1)]);
    fleet.apply(web.input());
    fleet.apply(seen("a", EU));
    assert_eq!(
        fleet.tally("web"),
        Tally {
            matched: 1,
            succeeded: 1,
            ..Tally::default()
        }
    );
}

#[test]
fn the_older_deployment_comes_first_in_the_order() {
    let old = Object {
        created: 10,
        ..Object::new("zeta")
    };
    let young = Object {
        created: 20,
        ..Object::new("alpha")
    };
    let fleet = Fleet::with([young.input(), old.input(), seen("a", EU)]);
    assert_eq!(fleet.runs("a"), [line(&old), line(&young)]);
}

#[test]
fn the_last_error_is_the_latest_among_devices_that_are_failed_now() {
    let web = Object::new("web");
    let r = web.revision();
    let mut fleet = Fleet::with([
        seen("a", EU),
        seen("b", EU),
        web.input(),
        report("a", "web", r, Phase::Failed, 5),
        report("b", "web", r, Phase::Failed, 9),
    ]);
    let last = |fleet: &Fleet| {
        fleet
            .index
            .view(&reference("web"))
            .expect("exists")
            .last_failure
    };
    let of = |name: &str, at| {
        Some(LastFailure {
            device: device(name),
            reason: DeviceReason::ImageNotFound,
            message: format!("no image on {name}"),
            at: UnixMillis(at),
        })
    };
    assert_eq!(last(&fleet), of("b", 9));
    fleet.apply(report("b", "web", r, Phase::Running, 10));
    assert_eq!(last(&fleet), of("a", 5));
    fleet.apply(Input::ReportGone(key("a", "web")));
    assert_eq!(last(&fleet), None);
    assert_eq!(fleet.tally("web").pending, 1);
}

#[test]
fn an_invalid_update_keeps_what_devices_run_and_says_so() {
    let web = Object::new("web");
    let mut fleet = Fleet::with([seen("a", EU), web.input()]);
    let dirty = fleet.apply(web.clone().broken().input());
    assert_eq!(dirty.desired, set([]));
    assert_eq!(dirty.statuses, set([reference("web")]));
    assert_eq!(fleet.runs("a"), [line(&web)]);
    let view = fleet.index.view(&reference("web")).expect("exists");
    assert_eq!(view.generation, 2);
    assert!(view.refusal.is_some());
    fleet.apply(seen("b", EU));
    assert_eq!(fleet.runs("b"), [line(&web)], "the last valid spec goes on");
}

#[test]
fn a_restart_carries_over_what_an_invalid_spec_left_running() {
    let web = Object::new("web");
    let broken = web.clone().broken();
    let mut fleet = Fleet::with([seen("a", EU), seen("b", EU), broken.input()]);
    assert!(fleet.index.needs_carried(&reference("web")));
    fleet.apply(Input::Carried {
        line: key("a", "web"),
        revision: web.revision(),
    });
    assert_eq!(fleet.runs("a"), [line(&web)]);
    assert_eq!(fleet.runs("b"), [""; 0]);
    let repaired = broken.image("web:v3");
    fleet.apply(repaired.input());
    assert_eq!(fleet.runs("a"), [line(&repaired)]);
    assert_eq!(fleet.runs("b"), [line(&repaired)]);
}

#[test]
fn what_was_carried_over_has_its_body_again_once_the_old_spec_is_back() {
    let web = Object::new("web");
    let broken = web.clone().broken();
    let mut fleet = Fleet::with([seen("a", EU), seen("b", EU), broken.input()]);
    for name in ["a", "b"] {
        fleet.apply(Input::Carried {
            line: key(name, "web"),
            revision: web.revision(),
        });
    }
    let bodies = |fleet: &Fleet| {
        ["a", "b"].map(|name| {
            let desired = fleet.index.desired(&device(name)).expect("known");
            desired.lines[&reference("web")].body.is_some()
        })
    };
    assert_eq!(bodies(&fleet), [false; 2], "nobody knows it");
    let back = Object {
        generation: broken.generation + 1,
        ..web
    };
    let dirty = fleet.apply(back.input());
    assert_eq!(
        bodies(&fleet),
        [true; 2],
        "or a stream that was lost lacked it for ever"
    );
    assert_eq!(dirty.desired, set([device("a"), device("b")]));
}

#[test]
fn deleting_takes_the_deployment_off_all_devices_before_its_object_goes() {
    let web = Object::new("web");
    let mut fleet = Fleet::with([seen("a", EU), web.input()]);
    let deleting = Object {
        deleting: true,
        ..web
    };
    let dirty = fleet.apply(deleting.input());
    assert_eq!(dirty.desired, set([device("a")]));
    assert_eq!(fleet.runs("a"), [""; 0]);
    fleet.apply(seen("b", EU));
    assert_eq!(fleet.runs("b"), [""; 0], "nobody new gets it");
    fleet.apply(Input::DeploymentGone(reference("web")));
    assert_eq!(fleet.index.view(&reference("web")), None);
}

#[test]
fn a_deleted_device_is_forgotten_with_all_its_keys() {
    let web = Object::new("web");
    let mut fleet = Fleet::with([
        info("a", EU),
        seen("a", EU),
        web.input(),
        report("a", "web", web.revision(), Phase::Running, 1),
    ]);
    let dirty = fleet.apply(Input::DeviceGone(device("a")));
    assert_eq!(dirty.forgotten, set([device("a")]));
    assert_eq!(dirty.desired, set([device("a")]));
    assert_eq!(dirty.statuses, set([reference("web")]));
    assert_eq!(fleet.index.desired(&device("a")), None);
    assert_eq!(fleet.tally("web"), Tally::default());
    assert_eq!(fleet.index.stats().reports, 0);
    let back = fleet.apply(info("a", EU));
    assert_eq!(back.device_objects, set([device("a")]), "it may come back");
}

#[test]
fn a_device_object_is_applied_only_when_it_does_not_say_what_the_device_says() {
    let mut fleet = Fleet::new();
    assert_eq!(
        fleet.apply(info("a", EU)).device_objects,
        set([device("a")])
    );
    let info_of = fleet
        .index
        .to_apply(&device("a"))
        .expect("to apply")
        .clone();
    let applied = |labels: &[(&str, &str)]| {
        let Input::Device(mut seen) = seen("a", labels) else {
            unreachable!()
        };
        seen.applied = Some(info_of.digest.clone());
        Input::Device(seen)
    };
    fleet.apply(applied(&[("region", "eu"), ("added-by", "jane")]));
    assert_eq!(fleet.index.to_apply(&device("a")), None);
    let changed = fleet.apply(applied(&[("region", "us")]));
    assert_eq!(changed.device_objects, set([device("a")]));
}

#[test]
fn silence_makes_a_device_stale_and_a_heartbeat_makes_it_reachable_again() {
    let web = Object::new("web");
    let mut fleet = Fleet::with([seen("a", EU), web.input()]);
    let state = |fleet: &Fleet| {
        fleet
            .index
            .device_view(&device("a"))
            .expect("known")
            .reachability
    };
    assert_eq!(state(&fleet), Reachability::Unknown);
    let first = fleet.apply(heartbeat("a", 0));
    assert_eq!(first.reachability[&device("a")], Reachability::Reachable);
    fleet.now = 30_000;
    assert!(
        fleet.apply(heartbeat("a", 30_000)).is_empty(),
        "one more heartbeat is no news"
    );
    assert!(fleet.at(60_000).is_empty(), "looked at, heard since");
    let silent = fleet.at(90_000);
    assert_eq!(silent.reachability[&device("a")], Reachability::Stale);
    assert_eq!(silent.statuses, set([reference("web")]));
    assert_eq!(
        (fleet.tally("web").unreachable, fleet.tally("web").pending),
        (1, 1)
    );
    fleet.now = 100_000;
    let back = fleet.apply(heartbeat("a", 100_000));
    assert_eq!(back.reachability[&device("a")], Reachability::Reachable);
    assert_eq!(fleet.tally("web").unreachable, 0);
}

#[test]
fn after_a_restart_a_device_not_heard_yet_has_one_threshold() {
    let mut fleet = Fleet::with([seen("a", EU)]);
    assert!(fleet.at(59_999).is_empty());
    assert_eq!(
        fleet.at(60_000).reachability[&device("a")],
        Reachability::Stale
    );
}

#[test]
fn a_device_that_was_stale_before_the_restart_stays_stale_until_it_is_heard() {
    let Input::Device(mut stale) = seen("a", EU) else {
        unreachable!()
    };
    stale.reachability = Reachability::Stale;
    let mut fleet = Fleet::with([Object::new("web").input(), Input::Device(stale)]);
    assert_eq!(fleet.tally("web").unreachable, 1);
    fleet.apply(heartbeat("a", 0));
    assert_eq!(fleet.tally("web").unreachable, 0);
}

#[test]
fn a_report_nobody_asks_for_is_given_up_after_a_grace() {
    let web = Object::new("web");
    let mut fleet = Fleet::with([
        seen("a", EU),
        web.input(),
        report("a", "web", web.revision(), Phase::Running, 1),
        Input::DeploymentGone(reference("web")),
        heartbeat("a", 0),
    ]);
    let next = fleet.index.next_tick().expect("something to wait for");
    assert_eq!(next, UnixMillis(60_000));
    assert_eq!(fleet.at(599_999).reports, set([]));
    assert_eq!(fleet.at(600_000).reports, set([key("a", "web")]));
    assert_eq!(fleet.index.stats().reports, 0);
}

#[test]
fn a_report_of_a_deployment_made_again_in_time_is_kept() {
    let web = Object::new("web");
    let mut fleet = Fleet::with([
        seen("a", EU),
        web.input(),
        report("a", "web", web.revision(), Phase::Running, 1),
        Input::DeploymentGone(reference("web")),
        web.input(),
    ]);
    assert_eq!(fleet.tally("web").succeeded, 1);
    assert_eq!(fleet.at(600_000).reports, set([]));
    assert_eq!(fleet.tally("web").succeeded, 1);
}

#[test]
fn a_label_change_on_one_of_many_devices_looks_at_few_deployments() {
    let (devices, deployments) = (1_000, 1_000);
    let mut fleet = FleetIndex::new(LivenessConfig::default(), UnixMillis(0));
    let mut apply = |input| fleet.apply(input, UnixMillis(0));
    let names: Vec<_> = (0..devices).map(|i| format!("d{i}")).collect();
    let at = |i: usize, site: &str| {
        let (id, ring) = (format!("d{i}"), format!("r{}", i % 10));
        seen(
            &names[i],
            &[
                ("device-id", id.as_str()),
                ("ring", ring.as_str()),
                ("site", site),
            ],
        )
    };
    for i in 0..devices {
        apply(at(i, &format!("s{}", i % 200)));
    }
    for i in 0..deployments {
        let selector = serde_json::json!({
            "matchLabels": {"site": format!("s{}", i % 200), "ring": format!("r{}", i % 10)},
        });
        apply(Object::new(&format!("w{i}")).selector(selector).input());
    }
    let before = fleet.examined();
    let moved = fleet.apply(at(7, "s17"), UnixMillis(0));
    let examined = fleet.examined() - before;
    assert!(moved.desired.contains(&device("d7")));
    assert!(
        examined <= 10,
        "{examined} of {deployments} deployments were looked at"
    );
    let before = fleet.examined();
    let other = seen(
        "d7",
        &[
            ("device-id", "d7"),
            ("note", "x"),
            ("ring", "r7"),
            ("site", "s17"),
        ],
    );
    fleet.apply(other, UnixMillis(0));
    assert_eq!(fleet.examined(), before, "no selector looks at that label");
}

#[test]
fn a_report_that_came_after_its_deletion_is_given_up_when_its_device_does_not_repeat_it() {
    let web = Object::new("web");
    let elsewhere = [("region", "us")];
    let late = || report("a", "web", web.revision(), Phase::Running, 1);
    let mut fleet = Fleet::with([seen("a", &elsewhere), web.input(), late()]);
    let heard = |fleet: &mut Fleet, at| {
        fleet.now = at;
        fleet.apply(heartbeat("a", at));
        fleet.at(at).reports
    };
    assert_eq!(heard(&mut fleet, 900_000), set([]));
    fleet.apply(late());
    assert_eq!(heard(&mut fleet, 1_900_000), set([]), "said again");
    assert_eq!(
        fleet.at(2_600_000).reports,
        set([]),
        "not heard, may run it"
    );
    assert_eq!(heard(&mut fleet, 3_300_000), set([key("a", "web")]));
    assert!(fleet.index.may_forget(&key("a", "web")));
}
