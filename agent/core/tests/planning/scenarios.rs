//! One story each.

use fleet_agent_core::RunState;
use fleet_contracts::DeviceReason;
use fleet_contracts::payload::Phase;
use serde_json::{Value, json};

use crate::world::World;

fn web(image: &str) -> Value {
    json!([{"name": "web", "image": image, "ports": [{"hostPort": 80, "containerPort": 80}]}])
}

#[test]
fn an_upgrade_fetches_before_it_removes_and_removes_before_it_runs() {
    let mut world = World::default();
    world.want(&[("a.b", web("v1"))]);
    world.settle();
    assert_eq!(world.took(), ["image a.b.web", "run a.b.web"]);
    world.want(&[("a.b", web("v2"))]);
    world.settle();
    assert_eq!(
        world.took(),
        ["image a.b.web", "remove a.b.web", "run a.b.web"]
    );
}

#[test]
fn a_missing_image_stops_nothing_and_is_tried_again_ever_later() {
    let mut world = World::default();
    world.want(&[("a.b", web("v1"))]);
    world.settle();
    world.took();
    world.missing_images.insert("v2".into());
    world.want(&[("a.b", web("v2"))]);
    world.settle();
    assert_eq!(world.running().len(), 1);
    let state = &world.report()["a.b"];
    assert_eq!(
        (state.phase, state.reason),
        (Phase::Failed, Some(DeviceReason::ImageNotFound))
    );

    let mut gaps = vec![];
    for _ in 0..12 {
        let before = world.now;
        world.wait();
        gaps.push(world.now.since(before));
    }
    assert!(
        gaps.is_sorted() && gaps.last() == Some(&225_000),
        "{gaps:?}"
    );
    world.missing_images.clear();
    world.wait();
    assert_eq!(world.report()["a.b"].phase, Phase::Running);
}

#[test]
fn one_bad_image_keeps_the_whole_old_deployment() {
    let two = |a: &str, b: &str| json!([{"name": "a", "image": a}, {"name": "b", "image": b}]);
    let mut world = World::default();
    world.want(&[("x.y", two("a1", "b1"))]);
    world.settle();
    world.took();
    world.missing_images.insert("b2".into());
    world.want(&[("x.y", two("a2", "b2"))]);
    world.settle();
    assert_eq!(world.took(), ["image x.y.a", "image x.y.b"]);
    assert_eq!(world.running().len(), 2);
}

#[test]
fn an_unchanged_service_is_left_alone_when_its_deployment_changes() {
    let two = |b: &str| json!([{"name": "a", "image": "a"}, {"name": "b", "image": b}]);
    let mut world = World::default();
    world.want(&[("x.y", two("b1"))]);
    world.settle();
    world.took();
    world.want(&[("x.y", two("b2"))]);
    world.settle();
    assert_eq!(world.took(), ["image x.y.b", "remove x.y.b", "run x.y.b"]);
}

#[test]
fn what_the_agent_does_itself_needs_no_new_container() {
    let mut world = World::default();
    world.want(&[("a.b", web("v1"))]);
    world.settle();
    world.took();
    let mut services = web("v1");
    services[0]["restartPolicy"] = json!("Never");
    services[0]["healthcheck"] = json!({"command": ["true"]});
    world.want(&[("a.b", services)]);
    world.settle();
    assert_eq!(world.took(), ["probe a.b.web"]);
}

#[test]
fn pull_policy_always_pulls_at_every_change_and_only_then() {
    let always = |args: &str| {
        json!([
            {"name": "a", "image": "i", "pullPolicy": "Always"},
            {"name": "b", "image": "i", "args": [args]},
        ])
    };
    let mut world = World::default();
    world.want(&[("x.y", always("1"))]);
    world.settle();
    world.took();
    world.settle();
    assert_eq!(world.took(), Vec::<String>::new());
    world.want(&[("x.y", always("2"))]);
    world.settle();
    assert!(world.took().contains(&"image x.y.a".to_owned()));
}

#[test]
fn crashes_back_off_count_and_are_forgiven_after_a_stable_run() {
    let mut world = World::default();
    world.want(&[("a.b", web("v1"))]);
    world.settle();
    let mut gaps = vec![];
    for _ in 0..5 {
        world.ended(1);
        let before = world.now;
        world.wait();
        gaps.push(world.now.since(before));
    }
    assert_eq!(gaps, [300, 750, 1500, 3000, 6000]);
    let state = world.report().remove("a.b").expect("reported");
    assert_eq!(
        (state.phase, state.reason),
        (Phase::Failed, Some(DeviceReason::CrashLoop))
    );
    assert_eq!(
        (state.services[0].restarts, state.services[0].exit_code),
        (5, Some(1))
    );
    // Thirty seconds later it is forgiven.
    world.wait();
    assert_eq!(world.report()["a.b"].phase, Phase::Running);
}

#[test]
fn policies_decide_what_is_started_again() {
    for (policy, code, phase) in [
        ("Always", 0, Phase::Starting),
        ("OnFailure", 0, Phase::Completed),
        ("OnFailure", 1, Phase::Starting),
        ("Never", 0, Phase::Completed),
        ("Never", 1, Phase::Failed),
    ] {
        let mut services = web("v1");
        services[0]["restartPolicy"] = json!(policy);
        let mut world = World::default();
        world.want(&[("a.b", services)]);
        world.settle();
        world.ended(code);
        let plan = world.plan();
        assert_eq!(
            plan.wake_at.is_some(),
            phase == Phase::Starting,
            "{policy} {code}"
        );
        assert_eq!(world.report()["a.b"].phase, phase, "{policy} {code}");
    }
}

#[test]
fn after_a_reboot_what_was_created_is_started_in_order() {
    let services = json!([
        {"name": "front", "image": "i", "dependsOn": ["db"]},
        {"name": "db", "image": "i"},
    ]);
    let mut world = World::default();
    world.want(&[("x.y", services)]);
    world.settle();
    assert_eq!(
        world.took(),
        [
            "image x.y.db",
            "image x.y.front",
            "run x.y.db",
            "run x.y.front"
        ]
    );
    for container in world.observed.containers.values_mut() {
        container.state = RunState::Created;
    }
    world.memory = fleet_agent_core::Memory::default();
    world.settle();
    assert_eq!(world.took(), ["start x.y.db", "start x.y.front"]);
}

#[test]
fn drift_is_repaired() {
    let mut world = World::default();
    world.want(&[("a.b", web("v1"))]);
    world.settle();
    world.took();
    for container in world.observed.containers.values_mut() {
        container.state = RunState::Paused;
    }
    world.settle();
    assert_eq!(world.took(), ["unpause a.b.web"]);
    for container in world.observed.containers.values_mut() {
        container.name = "mine".into();
    }
    world.settle();
    assert_eq!(world.took(), ["remove a.b.web", "run a.b.web"]);
    world.observed.containers.clear();
    world.settle();
    assert_eq!(world.took(), ["run a.b.web"]);
}

#[test]
fn a_port_moves_from_a_deployment_that_goes_to_one_that_comes() {
    let mut world = World::default();
    world.want(&[("a.old", web("v1"))]);
    world.settle();
    world.took();
    world.want(&[("a.new", web("v2"))]);
    world.settle();
    assert_eq!(
        world.took(),
        ["remove a.old.web", "image a.new.web", "run a.new.web"]
    );
}

#[test]
fn the_older_of_two_wins_and_the_younger_says_why() {
    let mut world = World::default();
    world.want(&[("a.young", web("v2"))]);
    world.settle();
    world.want(&[("a.old", web("v1")), ("a.young", web("v2"))]);
    world.settle();
    let states = world.report();
    assert_eq!(states["a.old"].phase, Phase::Running);
    assert_eq!(
        (states["a.young"].phase, states["a.young"].reason),
        (Phase::Failed, Some(DeviceReason::PortClash))
    );
    assert!(states["a.young"].message.contains("a.old"));

    let named = |image: &str| json!([{"name": "s", "image": image, "containerName": "mine"}]);
    world.want(&[("b.first", named("v1")), ("b.second", named("v2"))]);
    world.settle();
    assert_eq!(
        world.report()["b.second"].reason,
        Some(DeviceReason::NameClash)
    );
}

#[test]
fn addresses_keep_claims_apart_unless_one_is_for_all() {
    let on = |ip: Option<&str>| json!([{"name": "s", "image": "i", "ports": [{"hostPort": 80, "containerPort": 80, "hostIp": ip}]}]);
    let clash = |a: Option<&str>, b: Option<&str>| {
        let mut world = World::default();
        world.want(&[("a.a", on(a)), ("a.b", on(b))]);
        world.settle();
        world.report()["a.b"].reason == Some(DeviceReason::PortClash)
    };
    assert!(!clash(Some("127.0.0.1"), Some("127.0.0.2")));
    assert!(clash(Some("127.0.0.1"), Some("127.0.0.1")));
    assert!(clash(None, Some("127.0.0.1")));
    assert!(clash(Some("0.0.0.0"), Some("127.0.0.1")));
    assert!(clash(Some("::"), Some("127.0.0.1")));
}

#[test]
fn a_score_that_cannot_be_read_leaves_what_runs_alone() {
    let mut world = World::default();
    world.want(&[("a.b", web("v1"))]);
    world.settle();
    world.took();
    world.want(&[("a.b", json!([{"name": "web", "image": "not an image"}]))]);
    world.settle();
    assert_eq!(world.took(), Vec::<String>::new());
    assert_eq!(
        world.report()["a.b"].reason,
        Some(DeviceReason::InvalidScore)
    );
    assert_eq!(world.running().len(), 1);
}

/// A power cut can leave a container whose own layer is torn: no start of it ever succeeds, and a new one of the
/// same image does.
#[test]
fn a_container_that_cannot_be_started_is_replaced() {
    let mut world = World::default();
    world.want(&[("a.b", web("v1"))]);
    world.settle();
    world.torn = world.observed.containers.keys().cloned().collect();
    world.ended(137);
    world.took();
    while world.running().is_empty() {
        world.wait();
    }
    let start = "start a.b.web";
    assert_eq!(
        world.took(),
        [start, start, start, "remove a.b.web", "run a.b.web"]
    );
    assert_eq!(world.report()["a.b"].phase, Phase::Running);
}

#[test]
fn what_cannot_be_started_at_all_is_tried_less_and_less_often() {
    let mut world = World {
        unstartable: true,
        ..World::default()
    };
    world.want(&[("a.b", web("v1"))]);
    world.settle();
    let mut waits = vec![];
    for _ in 0..10 {
        let before = world.now;
        world.wait();
        waits.push(world.now.since(before));
    }
    assert!(waits.is_sorted(), "{waits:?}");
    assert!(waits[9] >= 30_000, "{waits:?}");
    assert_eq!(
        world.report()["a.b"].reason,
        Some(DeviceReason::StartFailed)
    );
}

#[test]
fn a_container_whose_port_is_taken_is_not_replaced() {
    let mut world = World::default();
    world.want(&[("a.b", web("v1"))]);
    world.settle();
    world.ended(137);
    world.took();
    for _ in 0..5 {
        world.fail_change("a.b", "web", DeviceReason::PortInUse);
    }
    while world.running().is_empty() {
        world.wait();
    }
    assert_eq!(world.took(), ["start a.b.web"]);
}

#[test]
fn a_start_that_only_seemed_to_fail_is_forgotten_when_the_container_runs() {
    let mut world = World::default();
    world.want(&[("a.b", web("v1"))]);
    world.settle();
    world.fail_change("a.b", "web", DeviceReason::PodmanUnavailable);
    assert_eq!(world.report()["a.b"].phase, Phase::Failed);
    world.settle();
    assert_eq!(world.report()["a.b"].phase, Phase::Running);
}
