//! How long changes take, and where one is: scenarios over index and mirror.
#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

mod support;

use std::sync::Arc;

use fleet_api::trace::{Trace, TraceQuery, Verdict};
use fleet_contracts::payload::Phase;
use fleet_contracts::reason::RefusalReason;
use fleet_contracts::signing::ManifestSigner;
use fleet_contracts::{Generation, UnixMillis};
use fleet_operator_core::index::{Heard, LivenessConfig, Passed, Stage};
use fleet_operator_core::mirror::{ManifestWrite, Mirror};
use fleet_operator_core::trace::{Question, trace};
use fleet_operator_core::{FleetIndex, Input};
use serde_json::json;
use support::{Object, device, heartbeat, heartbeat_following, reference, report, seen};

/// An index that measures, the stream, and a clock.
struct World {
    index: FleetIndex,
    mirror: Mirror,
    now: u64,
}

impl World {
    fn new(devices: &[&str]) -> Self {
        let config = LivenessConfig { stale_after: 1_000 };
        let signer = Arc::new(ManifestSigner::from_seed(&[1; 32]));
        let mut world = Self {
            index: FleetIndex::new(config, UnixMillis(0)),
            mirror: Mirror::new(signer, vec![]),
            now: 0,
        };
        for device in devices {
            world.apply(seen(device, &[("region", "eu")]));
            world.apply(heartbeat(device, 0));
        }
        world.index.measure(true);
        world
    }

    fn apply(&mut self, input: Input) -> Vec<Passed> {
        self.index.apply(input, UnixMillis(self.now)).passed
    }

    /// Writes the manifest of a device.
    fn write(&mut self, name: &str) -> Vec<Passed> {
        let (id, now) = (device(name), UnixMillis(self.now));
        let desired = self.index.desired(&id);
        let plan = self.mirror.plan(&id, desired.as_ref(), now);
        let plan = plan.expect("a plan");
        let Some(ManifestWrite::Put { manifest, .. }) = plan.manifest else {
            return vec![];
        };
        self.mirror
            .manifest_stored(plan.epoch, &manifest, self.now + 1);
        self.index.manifest_stored(&manifest, now)
    }

    fn report(&mut self, name: &str, object: &Object, phase: Phase) -> Vec<Passed> {
        self.apply(report(
            name,
            &object.name,
            object.revision(),
            phase,
            self.now,
        ))
    }

    fn trace(&self, object: &Object, name: &str) -> Option<Trace> {
        let question = Question {
            deployment: &reference(&object.name),
            device: &device(name),
            query: &TraceQuery {
                uid: object.uid.clone(),
                generation: object.generation,
            },
        };
        trace(&self.index, &self.mirror, question, UnixMillis(self.now))
    }

    fn verdict(&self, object: &Object, name: &str) -> Option<(Verdict, Option<String>)> {
        let trace = self.trace(object, name)?;
        Some((trace.verdict, trace.reason))
    }
}

fn passed(stage: Stage, after: u64) -> Vec<Passed> {
    vec![Passed { stage, after }]
}

fn plain(verdict: Verdict) -> (Verdict, Option<String>) {
    (verdict, None)
}

#[test]
fn each_device_passes_each_stage_of_a_change_once() {
    let mut world = World::new(&["a", "b"]);
    let web = Object::new("web");
    world.now = 100;
    assert_eq!(world.apply(web.input()), []);
    world.now = 130;
    assert_eq!(world.write("a"), passed(Stage::Written, 30));
    world.now = 150;
    assert_eq!(
        world.report("a", &web, Phase::Pending),
        passed(Stage::Reported, 50)
    );
    assert_eq!(world.report("a", &web, Phase::Pending), []);
    world.now = 400;
    assert_eq!(
        world.report("a", &web, Phase::Running),
        passed(Stage::Applied, 300)
    );
    assert_eq!(world.report("a", &web, Phase::Running), []);

    // A new revision begins again; what comes late about the old one says nothing.
    let newer = web.clone().image("web:v2");
    world.now = 500;
    world.apply(newer.input());
    assert_eq!(world.report("b", &web, Phase::Running), []);
    world.now = 510;
    let both = [passed(Stage::Reported, 10), passed(Stage::Applied, 10)].concat();
    assert_eq!(world.report("b", &newer, Phase::Running), both);
}

#[test]
fn what_is_no_change_or_not_heard_is_not_measured() {
    let mut world = World::new(&["a", "b"]);
    let web = Object::new("web");
    // b falls silent before the change, a after it.
    world.now = 500;
    world.apply(heartbeat("a", 500));
    world.now = 1_200;
    world.apply(Input::Tick);
    world.apply(web.input());
    assert_eq!(world.report("b", &web, Phase::Running), []);
    world.now = 2_000;
    world.apply(Input::Tick);
    assert_eq!(world.report("a", &web, Phase::Running), []);

    // It comes by its labels, an hour later.
    world.now = 3_600_000;
    world.apply(seen("c", &[("region", "eu")]));
    assert_eq!(world.report("c", &web, Phase::Running), []);

    // A replica that does not lead measures nothing.
    let newer = web.image("web:v2");
    world.index.measure(false);
    world.apply(newer.input());
    assert_eq!(world.report("c", &newer, Phase::Running), []);
}

#[test]
fn a_change_of_the_selector_leaves_earlier_instants_alone() {
    let mut world = World::new(&["a"]);
    world.apply(seen("z", &[("region", "us")]));
    world.apply(heartbeat("z", 0));
    let web = Object::new("web");
    world.now = 100;
    world.apply(web.input());
    world.now = 200;
    let mut wider = web.clone();
    wider.generation += 1;
    wider.selector = json!({"matchExpressions": [{"key": "region", "operator": "Exists"}]});
    world.apply(wider.input());
    world.now = 300;
    assert_eq!(
        world.report("a", &web, Phase::Pending),
        passed(Stage::Reported, 200)
    );
    assert_eq!(world.report("z", &web, Phase::Pending), []);
}

#[test]
fn the_verdict_is_the_first_thing_that_a_change_waits_for() {
    let mut world = World::new(&["a"]);
    let web = Object::new("web");
    assert_eq!(world.verdict(&web, "a"), None);
    world.apply(web.input());
    assert_eq!(world.verdict(&web, "a"), Some(plain(Verdict::NotWritten)));
    assert_eq!(
        world.verdict(&web, "x"),
        Some(plain(Verdict::DeviceUnknown))
    );
    let newer = web.clone().image("web:v2");
    assert_eq!(world.verdict(&newer, "a"), Some(plain(Verdict::NotSeen)));
    let mut namesake = web.clone();
    namesake.uid = "another".to_owned();
    assert_eq!(world.verdict(&namesake, "a"), None);

    world.now = 10;
    world.write("a");
    assert_eq!(world.verdict(&web, "a"), Some(plain(Verdict::OnItsWay)));
    let generation = world.trace(&web, "a").and_then(|t| t.written.generation);
    let follows = |generation| heartbeat_following("a", generation, 10);
    world.apply(follows(Generation(1)));
    assert_eq!(world.verdict(&web, "a"), Some(plain(Verdict::OnItsWay)));
    world.apply(follows(generation.expect("written")));
    assert_eq!(world.verdict(&web, "a"), Some(plain(Verdict::Applying)));
    world.report("a", &web, Phase::Failed);
    let failed = Some((Verdict::ApplyFailed, Some("ImageNotFound".to_owned())));
    assert_eq!(world.verdict(&web, "a"), failed);
    world.report("a", &web, Phase::Running);
    assert_eq!(world.verdict(&web, "a"), Some(plain(Verdict::Applied)));
    assert_eq!(
        world.trace(&web, "a").and_then(|t| t.seen.since),
        Some(UnixMillis(0))
    );

    // It refuses the next manifest, then falls silent; what it runs stays what it runs.
    world.apply(newer.input());
    world.now = 20;
    world.write("a");
    world.apply(Input::Heartbeat {
        device: device("a"),
        heard: Heard {
            received: UnixMillis(20),
            follows: generation.expect("written"),
            refusal: Some(fleet_contracts::payload::Refusal {
                reason: RefusalReason::BadSignature,
                message: "no key".to_owned(),
                at: UnixMillis(0),
            }),
        },
    });
    let refuses = Some((Verdict::DeviceRefuses, Some("BadSignature".to_owned())));
    assert_eq!(world.verdict(&newer, "a"), refuses);
    world.apply(heartbeat("a", 20));
    world.now = 5_000;
    world.apply(Input::Tick);
    assert_eq!(
        world.verdict(&newer, "a"),
        Some(plain(Verdict::DeviceSilent))
    );
    world.report("a", &newer, Phase::Completed);
    assert_eq!(world.verdict(&newer, "a"), Some(plain(Verdict::Applied)));
}

#[test]
fn who_is_not_meant_is_told_which_rule_keeps_it_out() {
    let mut world = World::new(&["a"]);
    let rules = json!({"matchLabels": {"region": "eu"}, "matchExpressions": [
        {"key": "site", "operator": "In", "values": ["x", "y"]},
        {"key": "region", "operator": "NotIn", "values": ["eu"]},
        {"key": "tier", "operator": "Exists"},
        {"key": "old", "operator": "DoesNotExist"}]});
    let web = Object::new("web").selector(rules);
    world.apply(web.input());
    let trace = world.trace(&web, "a").expect("an answer");
    assert_eq!(trace.verdict, Verdict::NotMatched);
    let unmet = trace.target.unmet.iter();
    let unmet: Vec<_> = unmet
        .map(|u| (u.rule.as_str(), u.found.as_deref()))
        .collect();
    let expected = [
        ("site in (x,y)", None),
        ("region!=eu", Some("eu")),
        ("tier", None),
    ];
    assert_eq!(unmet, expected);

    let broken = Object::new("broken").broken();
    world.apply(broken.input());
    let (verdict, reason) = world.verdict(&broken, "a").expect("an answer");
    assert_eq!(verdict, Verdict::SpecRefused);
    assert_eq!(reason.as_deref(), Some("InvalidScore"));
}
