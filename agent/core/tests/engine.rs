#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

//! What a device does, input by input.

use std::collections::BTreeMap;

use fleet_agent_core::engine::{Effect, Engine, Input, Moment, Settings, Timing};
use fleet_agent_core::sync::SyncError;
use fleet_agent_core::{Observed, Tick};
use fleet_contracts::UnixMillis;
use fleet_contracts::signing::ManifestSigner;

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
