//! What holds for all inputs.

#![allow(clippy::expect_used, reason = "test code")]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use fleet_api::{Operator, Requirement, TargetSelector};
use fleet_contracts::UnixMillis;
use fleet_contracts::payload::Phase;
use fleet_operator_core::index::{DeviceSeen, Input, LivenessConfig, Reachability, Tally};
use fleet_operator_core::labels::Labels;
use fleet_operator_core::{FleetIndex, admit::Admitted};
use proptest::prelude::*;
use support::{Object, device, reference, report};

const KEYS: [&str; 3] = ["region", "ring", "site"];
const VALUES: [&str; 3] = ["", "a", "b"];
const DEVICES: usize = 6;
const DEPLOYMENTS: usize = 4;

/// Kubernetes' semantics, written down as naively as can be.
fn naive(selector: &TargetSelector, labels: &Labels) -> bool {
    let equal = selector
        .match_labels
        .iter()
        .all(|(key, value)| labels.get(key) == Some(value));
    let rules = selector.match_expressions.iter().all(|rule| {
        let value = labels.get(&rule.key);
        match rule.operator {
            Operator::In => value.is_some_and(|v| rule.values.contains(v)),
            Operator::NotIn => !value.is_some_and(|v| rule.values.contains(v)),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
        }
    });
    equal && rules
}

fn some_labels() -> impl Strategy<Value = Labels> {
    let label = (
        prop::sample::select(&KEYS[..]),
        prop::sample::select(&VALUES[..]),
    );
    prop::collection::vec(label, 0..3).prop_map(|pairs| {
        pairs
            .iter()
            .map(|(k, v)| ((*k).into(), (*v).into()))
            .collect()
    })
}

fn some_requirement() -> impl Strategy<Value = Requirement> {
    let operators = [
        Operator::In,
        Operator::NotIn,
        Operator::Exists,
        Operator::DoesNotExist,
    ];
    (
        prop::sample::select(&KEYS[..]),
        prop::sample::select(operators.to_vec()),
        prop::sample::subsequence(VALUES.to_vec(), 1..=2),
    )
        .prop_map(|(key, operator, values)| Requirement {
            key: key.into(),
            values: match operator {
                Operator::In | Operator::NotIn => values.into_iter().map(Into::into).collect(),
                Operator::Exists | Operator::DoesNotExist => vec![],
            },
            operator,
        })
}

fn some_selector() -> impl Strategy<Value = TargetSelector> {
    (
        some_labels(),
        prop::collection::vec(some_requirement(), 0..3),
    )
        .prop_map(|(match_labels, match_expressions)| TargetSelector {
            match_labels,
            match_expressions,
        })
}

/// An event, by numbers, so that a model of it is easy to keep.
#[derive(Debug, Clone)]
enum Step {
    Deploy {
        which: usize,
        selector: TargetSelector,
        image: usize,
    },
    Break(usize),
    Delete(usize),
    Undeploy(usize),
    Label(usize, Labels),
    Forget(usize),
    Report {
        device: usize,
        deployment: usize,
        image: usize,
        phase: Phase,
    },
    Withdraw(usize, usize),
    Beat(usize),
    Wait(u64),
}

fn some_step() -> impl Strategy<Value = Step> {
    let phases = [
        Phase::Pending,
        Phase::Running,
        Phase::Failed,
        Phase::Completed,
    ];
    let deployment = 0..DEPLOYMENTS;
    let device = 0..DEVICES;
    prop_oneof![
        4 => (deployment.clone(), some_selector(), 0..2_usize)
            .prop_map(|(which, selector, image)| Step::Deploy { which, selector, image }),
        1 => deployment.clone().prop_map(Step::Break),
        1 => deployment.clone().prop_map(Step::Delete),
        1 => deployment.clone().prop_map(Step::Undeploy),
        6 => (device.clone(), some_labels()).prop_map(|(d, l)| Step::Label(d, l)),
        1 => device.clone().prop_map(Step::Forget),
        8 => (device.clone(), deployment.clone(), 0..2_usize, prop::sample::select(phases.to_vec()))
            .prop_map(|(device, deployment, image, phase)| Step::Report { device, deployment, image, phase }),
        1 => (device.clone(), deployment).prop_map(|(d, w)| Step::Withdraw(d, w)),
        3 => device.prop_map(Step::Beat),
        2 => (0..50_000_u64).prop_map(Step::Wait),
    ]
}

/// What the objects and buckets hold: all that a restarted operator gets to see.
#[derive(Default)]
struct World {
    objects: BTreeMap<usize, Object>,
    /// The object as last valid, and its current form if that is invalid.
    broken: BTreeSet<usize>,
    devices: BTreeMap<usize, Labels>,
    reports: BTreeMap<(usize, usize), (usize, Phase, u64)>,
    heard: BTreeMap<usize, u64>,
    generation: i64,
    now: u64,
}

fn name(deployment: usize) -> String {
    format!("w{deployment}")
}

fn image(which: usize) -> String {
    format!("web:v{which}")
}

fn id(device: usize) -> String {
    format!("d{device}")
}

fn seen(which: usize, labels: &Labels) -> Input {
    Input::Device(DeviceSeen {
        device: device(&id(which)),
        labels: labels.clone(),
        applied: None,
        reachability: Reachability::Unknown,
    })
}

fn reported(device: usize, deployment: usize, (with, phase, at): (usize, Phase, u64)) -> Input {
    let object = Object {
        image: image(with),
        ..Object::new(&name(deployment))
    };
    report(&id(device), &name(deployment), object.revision(), phase, at)
}

impl World {
    /// Takes a step and answers with the event it is to the index.
    fn step(&mut self, step: Step) -> Input {
        match step {
            Step::Deploy {
                which,
                selector,
                image: with,
            } => {
                self.generation += 1;
                let object = Object {
                    generation: self.generation,
                    target_all: selector.is_empty(),
                    selector: serde_json::to_value(&selector).expect("json"),
                    image: image(with),
                    ..Object::new(&name(which))
                };
                self.broken.remove(&which);
                let input = object.input();
                self.objects.insert(which, object);
                input
            }
            Step::Break(which) => match self.objects.get(&which) {
                Some(object) if !object.deleting => {
                    self.generation += 1;
                    self.broken.insert(which);
                    let mut broken = object.clone().broken();
                    broken.generation = self.generation;
                    broken.input()
                }
                _ => Input::Tick,
            },
            Step::Delete(which) => match self.objects.get_mut(&which) {
                Some(object) => {
                    object.deleting = true;
                    self.broken.remove(&which);
                    object.input()
                }
                None => Input::Tick,
            },
            Step::Undeploy(which) => {
                self.objects.remove(&which);
                self.broken.remove(&which);
                Input::DeploymentGone(reference(&name(which)))
            }
            Step::Label(which, labels) => {
                let input = seen(which, &labels);
                self.devices.insert(which, labels);
                input
            }
            Step::Forget(which) => {
                self.devices.remove(&which);
                self.reports.retain(|(device, _), _| *device != which);
                self.heard.remove(&which);
                Input::DeviceGone(device(&id(which)))
            }
            Step::Report {
                device,
                deployment,
                image,
                phase,
            } => {
                // Times that differ: between equal ones the latest failure is anybody's choice.
                self.now += 1;
                let report = (image, phase, self.now);
                self.reports.insert((device, deployment), report);
                reported(device, deployment, report)
            }
            Step::Withdraw(device, deployment) => {
                self.reports.remove(&(device, deployment));
                Input::ReportGone(support::key(&id(device), &name(deployment)))
            }
            Step::Beat(which) => {
                self.heard.insert(which, self.now);
                support::heartbeat(&id(which), self.now)
            }
            Step::Wait(ms) => {
                self.now += ms;
                Input::Tick
            }
        }
    }

    /// The counts, by going through everything.
    fn recount(&self, which: usize) -> Option<(Admitted, Tally)> {
        let object = self.objects.get(&which)?;
        let admitted = object.admitted();
        let matched: Vec<_> = self
            .devices
            .iter()
            .filter(|(_, labels)| !object.deleting && naive(&object.target(), labels))
            .map(|(device, _)| *device)
            .collect();
        let phase_of = |device: &usize| {
            let (with, phase, _) = self.reports.get(&(*device, which))?;
            (image(*with) == object.image).then_some(*phase)
        };
        let count = |wanted: &[Phase]| {
            let found = matched.iter().filter_map(phase_of);
            found.filter(|phase| wanted.contains(phase)).count() as u64
        };
        let succeeded = count(&[Phase::Running, Phase::Completed]);
        let failed = count(&[Phase::Failed]);
        let tally = Tally {
            matched: matched.len() as u64,
            succeeded,
            failed,
            pending: matched.len() as u64 - succeeded - failed,
            unreachable: 0,
        };
        Some((admitted, tally))
    }

    /// An index that starts now and is told everything there is.
    fn restarted(&self) -> FleetIndex {
        let mut index = FleetIndex::new(LivenessConfig::default(), UnixMillis(self.now));
        let mut apply = |input| index.apply(input, UnixMillis(self.now));
        for (key, report) in &self.reports {
            apply(reported(key.0, key.1, *report));
        }
        for object in self.objects.values() {
            apply(object.input());
        }
        for (which, labels) in &self.devices {
            apply(seen(*which, labels));
        }
        for (which, at) in &self.heard {
            apply(support::heartbeat(&id(*which), *at));
        }
        index
    }
}

fn without_silence(tally: Tally) -> Tally {
    Tally {
        unreachable: 0,
        ..tally
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn counts_add_up_and_agree_with_a_recount_under_any_order_of_events(
        steps in prop::collection::vec(some_step(), 1..60)
    ) {
        let mut world = World::default();
        let mut index = FleetIndex::new(LivenessConfig::default(), UnixMillis(0));
        for step in steps {
            let input = world.step(step);
            index.apply(input, UnixMillis(world.now));
            prop_assert_eq!(index.violations(), 0);
        }
        for which in 0..DEPLOYMENTS {
            let view = index.view(&reference(&name(which)));
            let expected = world.recount(which);
            prop_assert_eq!(
                view.as_ref().map(|v| without_silence(v.tally)),
                expected.map(|(_, tally)| tally),
            );
        }
    }

    #[test]
    fn a_restart_comes_to_the_same_documents(
        steps in prop::collection::vec(some_step(), 1..60)
    ) {
        let mut world = World::default();
        let mut index = FleetIndex::new(LivenessConfig::default(), UnixMillis(0));
        // An invalid update is the one thing that objects alone do not tell; a test of its own
        // covers how it is carried over.
        let steps = steps.into_iter().filter(|s| !matches!(s, Step::Break(_)));
        for step in steps {
            let input = world.step(step);
            index.apply(input, UnixMillis(world.now));
        }
        let restarted = world.restarted();
        for which in 0..DEVICES {
            let device = device(&id(which));
            prop_assert_eq!(index.desired(&device), restarted.desired(&device));
        }
        for which in 0..DEPLOYMENTS {
            let (old, new) = (index.view(&reference(&name(which))), restarted.view(&reference(&name(which))));
            prop_assert_eq!(old.as_ref().map(|v| without_silence(v.tally)), new.as_ref().map(|v| without_silence(v.tally)));
            prop_assert_eq!(old.map(|v| v.last_failure.map(|f| f.device)), new.map(|v| v.last_failure.map(|f| f.device)));
        }
    }

    #[test]
    fn selectors_agree_with_a_naive_evaluator_in_both_directions(
        selector in some_selector(),
        labels in prop::collection::vec(some_labels(), DEVICES),
        moved in some_labels(),
    ) {
        let object = Object {
            target_all: selector.is_empty(),
            selector: serde_json::to_value(&selector).expect("json"),
            ..Object::new("w0")
        };
        let mut index = FleetIndex::new(LivenessConfig::default(), UnixMillis(0));
        let mut apply = |input| index.apply(input, UnixMillis(0));
        // Half of the devices come before the Deployment, half after; then one changes its labels.
        for (which, labels) in labels.iter().enumerate().take(DEVICES / 2) {
            apply(seen(which, labels));
        }
        apply(object.input());
        for (which, labels) in labels.iter().enumerate().skip(DEVICES / 2) {
            apply(seen(which, labels));
        }
        apply(seen(0, &moved));
        for (which, labels) in labels.iter().enumerate() {
            let labels = if which == 0 { &moved } else { labels };
            let runs = index.desired(&device(&id(which))).is_some_and(|d| !d.lines.is_empty());
            prop_assert_eq!(runs, naive(&selector, labels), "{:?} on {:?}", selector, labels);
        }
    }
}
