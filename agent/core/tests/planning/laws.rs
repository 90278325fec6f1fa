//! What holds for every history.

use fleet_contracts::payload::Phase;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::world::World;

/// Deployments by few names, ports and images, so that they meet.
fn deployment() -> impl Strategy<Value = (usize, Value)> {
    let service = (
        0..3_u8,
        0..3_u8,
        proptest::option::of(0..3_u16),
        any::<bool>(),
    );
    (0..4_usize, proptest::collection::btree_map(0..3_u8, service, 1..3)).prop_map(|(name, services)| {
        let services = services.into_iter().map(|(service, (image, args, port, named))| {
            let ports: Vec<_> = port.iter().map(|p| json!({"hostPort": 80 + p + u16::from(service) * 10, "containerPort": 80})).collect();
            let mut json = json!({"name": format!("s{service}"), "image": format!("i{image}"), "args": [args.to_string()], "ports": ports});
            if named {
                json["containerName"] = json!(format!("n{service}"));
            }
            json
        });
        (name, services.collect())
    })
}

const NAMES: [&str; 4] = ["a.one", "a.two", "b.one", "b.two"];

fn wanted() -> impl Strategy<Value = Vec<(&'static str, Value)>> {
    proptest::collection::vec(deployment(), 0..5).prop_map(|deployments| {
        let mut wanted: Vec<(&'static str, Value)> = vec![];
        for (name, services) in deployments {
            if !wanted.iter().any(|(n, _)| *n == NAMES[name]) {
                wanted.push((NAMES[name], services));
            }
        }
        wanted
    })
}

proptest! {
    #[test]
    fn every_change_comes_to_rest_where_the_manifest_alone_decides(history in proptest::collection::vec(wanted(), 1..6)) {
        let mut world = World::default();
        for wanted in &history {
            world.want(wanted);
            world.settle();
            // Planning after success does nothing, and nothing is waited for.
            prop_assert_eq!(world.plan(), fleet_agent_core::Plan::default());
        }
        // The same end without the history: no winner depends on who came first to the device.
        let mut fresh = World::default();
        fresh.want(history.last().expect("one at least"));
        fresh.settle();
        let phases = |world: &World| world.report().into_iter().map(|(d, s)| (d, s.phase, s.reason)).collect::<Vec<_>>();
        prop_assert_eq!(phases(&world), phases(&fresh));
        let (mut here, mut there) = (world.running(), fresh.running());
        here.sort();
        there.sort();
        prop_assert_eq!(here, there);
    }

    #[test]
    fn whatever_is_stopped_or_removed_comes_back(wanted in wanted(), hits in proptest::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 0..6)) {
        let mut world = World::default();
        world.want(&wanted);
        world.settle();
        let before = world.running().len();
        for (index, removed) in hits {
            let ids: Vec<_> = world.observed.containers.keys().cloned().collect();
            if ids.is_empty() {
                break;
            }
            let id = &ids[index.index(ids.len())];
            if removed {
                world.observed.containers.remove(id);
            } else if let Some(container) = world.observed.containers.get_mut(id) {
                container.state = fleet_agent_core::RunState::Exited { code: 137 };
            }
            world.settle();
            while world.running().len() < before {
                world.wait();
            }
        }
        let failed = world.report().values().filter(|s| s.phase == Phase::Pending).count();
        prop_assert_eq!(failed, 0);
    }
}
