#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

//! What a device does, input by input.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use fleet_agent_core::engine::{Effect, Engine, Input, Item, Moment, Settings, Timing, Took};
use fleet_agent_core::ledger::{Content, Signed};
use fleet_agent_core::sync::{Fetched, SyncError};
use fleet_agent_core::trust::Learned;
use fleet_agent_core::{
    Body, Container, ContainerId, Done, Observed, Outcome, RunState, Step, Tick,
};
use fleet_contracts::kv::Bucket;
use fleet_contracts::payload::{DeviceState, Phase, decode};
use fleet_contracts::signing::ManifestSigner;
use fleet_contracts::{DeploymentRef, Generation, Manifest, Revision, UnixMillis};

struct Device {
    engine: Engine,
    now: u64,
}

fn moment(now: u64, dice: &mut dyn FnMut() -> f64) -> Moment<'_> {
    Moment {
        now: Tick(now),
        wall: UnixMillis(1_800_000_000_000 + now),
        dice,
    }
}

impl Device {
    fn new() -> Self {
        let settings = Settings {
            device: "dev-1".parse().expect("an id"),
            labels: BTreeMap::new(),
            trusted: vec![ManifestSigner::from_seed(&[7; 32]).trusted()],
            heartbeat: 30_000,
            default_host_ip: None,
        };
        let mut dice = || 0.5;
        Self {
            engine: Engine::new(settings, Ok(None), &mut moment(0, &mut dice)),
            now: 0,
        }
    }

    fn tell(&mut self, input: Input) -> Vec<Effect> {
        let mut dice = || 0.5;
        let mut at = moment(self.now, &mut dice);
        self.engine.handle(input, &mut at);
        self.engine.advance(&mut at)
    }

    /// Waits until it wants to come again.
    fn wait(&mut self) -> Vec<Effect> {
        let mut dice = || 0.5;
        self.now = self.engine.due().0.max(self.now);
        self.engine.advance(&mut moment(self.now, &mut dice))
    }
}

fn no_answer() -> Input {
    Input::Synced {
        result: Err(SyncError::NoAnswer("no answer".to_owned())),
        timing: Timing::default(),
    }
}

/// A device that follows one Deployment, and has listed its containers: there are none.
fn following() -> (Device, Vec<Effect>) {
    let mut device = Device::new();
    device.tell(Input::Connected);
    device.tell(Input::Listed {
        epoch: 0,
        result: Ok(Observed::default()),
    });
    let synced = Input::Synced {
        result: Ok(Fetched {
            content: Some(content()),
            refused: None,
        }),
        timing: Timing::default(),
    };
    let mut effects = device.tell(synced);
    effects.extend(device.tell(Input::Stored(Ok(Duration::ZERO))));
    (device, effects)
}

fn content() -> Content {
    let reference: DeploymentRef = "shop.web".parse().expect("a reference");
    let score = serde_json::json!({
        "PodmanV0": {"services": [{"name": "web", "image": "registry.invalid/web:1"}]}
    });
    let revision = Revision::of(&score);
    let manifest = Manifest {
        schema_version: 1,
        device: "dev-1".parse().expect("an id"),
        generation: Generation(1),
        deployments: [(reference.clone(), revision)].into(),
        order: vec![reference.clone()],
        announced_keys: vec![],
        retired_keys: vec![],
    };
    let body = Body {
        revision,
        score: Arc::new(score),
    };
    Content {
        manifest,
        signed: Signed::default(),
        bodies: [(reference, body)].into(),
        learned: Learned::default(),
        departed: BTreeSet::new(),
    }
}

/// The phases that are reported.
fn reports(effects: &[Effect]) -> Vec<Phase> {
    let parcels = effects.iter().filter_map(|effect| match effect {
        Effect::Send(parcels) => Some(parcels),
        _ => None,
    });
    let bodies = parcels.flatten().filter_map(|parcel| match parcel.item {
        Item::State(_) => parcel.body.as_ref(),
        Item::Info => None,
    });
    let states = bodies.map(|body| decode::<DeviceState>(Bucket::DeviceState, body));
    states.map(|state| state.expect("a state").phase).collect()
}

fn run_of(effects: Vec<Effect>) -> Step {
    let step = |effect| match effect {
        Effect::Run(step) => Some(step),
        _ => None,
    };
    effects.into_iter().find_map(step).expect("a step")
}

/// A step that did what it should.
fn done(step: &Step) -> Input {
    let (service, done) = match step {
        Step::EnsureImage(service) => (service, Done::ImageReady),
        Step::Run(service) => {
            let container = Container {
                key: service.key.clone(),
                hash: Some(service.hash),
                name: service.container_name.clone(),
                state: RunState::Running { started: 0 },
                ports: vec![],
            };
            let id = ContainerId("c1".into());
            (service, Done::Created { id, container })
        }
        other => panic!("not expected: {other:?}"),
    };
    Input::Done {
        step: (step.key().clone(), step.lane()),
        outcome: Outcome {
            key: service.key.clone(),
            hash: Some(service.hash),
            done,
        },
        took: Took::new(),
    }
}

fn syncs(effects: &[Effect]) -> usize {
    let sync = |effect: &&Effect| matches!(effect, Effect::Sync(_));
    effects.iter().filter(sync).count()
}

#[test]
fn a_sync_that_failed_is_tried_again_and_ever_more_seldom() {
    let mut device = Device::new();
    assert_eq!(syncs(&device.tell(Input::Connected)), 1);
    let mut gaps = vec![];
    for _ in 0..4 {
        device.tell(no_answer());
        let failed = device.now;
        while syncs(&device.wait()) == 0 {}
        gaps.push(device.now - failed);
    }
    assert_eq!(gaps, [300, 600, 1_200, 2_400]);
}

#[test]
fn without_a_connection_a_failed_sync_does_not_turn_in_a_circle() {
    let mut device = Device::new();
    device.tell(Input::Connected);
    device.tell(Input::Listed {
        epoch: 0,
        result: Ok(Observed::default()),
    });
    device.tell(Input::Disconnected);
    device.tell(no_answer());
    let mut turns = 0;
    while device.now < 10_000 {
        assert_eq!(syncs(&device.wait()), 0);
        turns += 1;
        assert!(turns < 10, "it comes back at once, again and again");
    }
    assert_eq!(syncs(&device.tell(Input::Connected)), 1);
}

#[test]
fn what_is_soon_there_is_reported_once() {
    let (mut device, mut effects) = following();
    // Whatever it takes to have it run.
    loop {
        assert_eq!(reports(&effects), [], "nothing to say yet");
        let step = run_of(effects);
        effects = device.tell(done(&step));
        if !reports(&effects).is_empty() {
            break;
        }
    }
    assert_eq!(reports(&effects), [Phase::Running]);
}

#[test]
fn what_takes_longer_is_reported_as_on_its_way_after_a_second() {
    let (mut device, effects) = following();
    assert_eq!(reports(&effects), []);
    let mut said = vec![];
    while said.is_empty() {
        said = reports(&device.wait());
        assert!(device.now <= 1_000, "late");
    }
    assert_eq!((said, device.now), (vec![Phase::Pending], 1_000));
}

#[test]
fn what_is_held_back_while_podman_is_away_does_not_turn_in_a_circle() {
    let (mut device, _) = following();
    device.tell(Input::ContainersChanged);
    device.tell(Input::Listed {
        epoch: 0,
        result: Err("podman is away".to_owned()),
    });
    let mut turns = 0;
    while device.now < 9_000 {
        device.wait();
        turns += 1;
        assert!(turns < 10, "it comes back at once, again and again");
    }
}
