//! The bus is killed and started again, and every device comes back at once.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use fleet_contracts::DeviceId;

use super::Scene;
use super::agents::Agents;
use super::fanout::{LIMIT, NAME, everywhere, succeeded};
use crate::Error;
use crate::device::{Applied, What};
use crate::platform::Platform;

/// What devices have to run that they could not be told of while the bus was away.
const IMAGE: &str = "registry.invalid/load/storm:v1";
/// Beyond the longest pause that a device has drawn before its last attempt.
const SLACK: Duration = Duration::from_secs(5);

/// Between two looks whether it takes too long.
const LOOK: Duration = Duration::from_secs(1);

/// Has the bus be away for as long as the parameters say, with a change meanwhile.
pub(super) async fn play(scene: &Scene, platform: &Platform) -> Result<(), Error> {
    let sampler = platform.sample(&scene.record)?;
    let mut agents = Agents::running(scene, platform).await?;
    let record = &scene.record;
    let (away, nats) = (
        Duration::from_secs(scene.parameters.seconds),
        platform.bed.nats()?,
    );
    while agents.applied.try_recv().is_ok() {}
    scene.ramp.reset();
    scene.progress.say("the bus is killed");
    nats.kill().await.map_err(fleet_testbed::Error::from)?;
    platform.apply(&everywhere(IMAGE)?).await?;
    tokio::time::sleep(away).await;
    scene.progress.say("the bus starts again");
    let begun = Instant::now();
    nats.start().await.map_err(fleet_testbed::Error::from)?;
    record.figure("server_start_seconds", begun.elapsed().as_secs_f64());
    sampler.renew(platform)?;
    let back = returned(scene, &mut agents, Instant::now()).await?;

    let ramp = scene.ramp.longest();
    record.figure("ramp_seconds", ramp.as_secs_f64());
    record.figure("back_seconds", back.as_secs_f64());
    let what = "every device is back within the longest pause it has drawn and 5 s";
    record.check_time(what, back <= ramp + SLACK, format!("{back:?} of {ramp:?}"));
    let right = succeeded(scene, platform, "storm", begun).await;
    let right = right.and(Agents::all_run(scene, platform).await);
    let found = right
        .as_ref()
        .map_or_else(ToString::to_string, |()| "all".to_owned());
    record.check(
        "no report is lost: every status is right",
        right.is_ok(),
        found,
    );
    platform.delete(NAME).await
}

/// Something that every device does once.
struct Milestone {
    name: &'static str,
    what: What,
    done: HashSet<DeviceId>,
}

impl Milestone {
    fn new(name: &'static str, what: What) -> Self {
        let done = HashSet::new();
        Self { name, what, done }
    }
}

/// Waits until all are connected, have told everything and run what is new; gives when the last connected.
async fn returned(scene: &Scene, agents: &mut Agents, begun: Instant) -> Result<Duration, Error> {
    let all = scene.parameters.devices;
    let mut milestones = [
        Milestone::new("connected", What::Connected),
        Milestone::new("told", What::Told),
        Milestone::new("applied", What::Runs(IMAGE.to_owned())),
    ];
    let mut back = Duration::ZERO;
    while milestones.iter().any(|m| m.done.len() < all) {
        if begun.elapsed() > LIMIT {
            for m in &milestones {
                let late = format!("not {} in time", m.name);
                (m.done.len()..all).for_each(|_| scene.record.error(&late));
            }
            return Ok(LIMIT);
        }
        scene
            .progress
            .step(milestones[0].done.len(), all, "devices are back");
        let Ok(event) = tokio::time::timeout(LOOK, agents.applied.recv()).await else {
            continue;
        };
        let Some(Applied { device, what, at }) = event else {
            return Err(agents
                .failure()
                .unwrap_or_else(|| Error::Fleet("it stopped".to_owned())));
        };
        let took = at.saturating_duration_since(begun);
        let reached = milestones.iter_mut().find(|m| m.what == what);
        if let Some(m) = reached
            && m.done.insert(device)
        {
            scene.record.time(m.name, took);
            if m.what == What::Connected {
                back = back.max(took);
            }
        }
    }
    Ok(back)
}
