//! A Deployment for everyone is made, changed and deleted: how long until every device has applied it.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use fleet_api::{Deployment, DeploymentSpec, TargetSelector};

use super::Scene;
use super::agents::Agents;
use crate::Error;
use crate::device::What;
use crate::fleet::score;
use crate::platform::{Platform, until};

pub(super) const NAME: &str = "fanout";
/// For all devices to apply a change, and for the status to say so.
pub(super) const LIMIT: Duration = Duration::from_secs(180);

/// What a round does to each device: a Deployment comes, changes, goes.
const CHANGES: u64 = 3;

/// Does so again and again until the time is over, at least once.
pub(super) async fn play(scene: &Scene, platform: &Platform) -> Result<(), Error> {
    let _sampler = platform.sample(&scene.record)?;
    let mut agents = Agents::running(scene, platform).await?;
    let record = &scene.record;
    let (begun, span) = (
        Instant::now(),
        Duration::from_secs(scene.parameters.seconds),
    );
    let cpu = record.cpu();
    let (mut round, mut changes) = (0, 0);
    while round == 0 || begun.elapsed() < span {
        let all = scene.parameters.devices;
        scene.progress.say(&format!("round {}", round + 1));
        for (change, version) in [("create", 1), ("change", 2)] {
            let image = format!("registry.invalid/load/fanout:r{round}v{version}");
            let object = everywhere(&image)?;
            let at = Instant::now();
            platform.apply(&object).await?;
            let wanted = What::Runs(image);
            applied(scene, &mut agents, change, &wanted, at).await?;
            succeeded(scene, platform, change, at).await?;
        }
        let at = Instant::now();
        platform.delete(NAME).await?;
        let wanted = What::Removed(NAME.to_owned());
        applied(scene, &mut agents, "delete", &wanted, at).await?;
        gone(scene, platform, at).await?;
        round += 1;
        changes += CHANGES * u64::try_from(all).unwrap_or(u64::MAX);
        let found = format!("{round} rounds of {all} devices");
        record.figure("rounds", f64::from(round));
        scene.progress.say(&found);
    }
    record.cpu_for_each(&cpu, "change", changes);
    let errors = record.notes().errors.clone();
    record.check(
        "every device applied every change, without an error",
        errors.is_empty(),
        format!("{errors:?}"),
    );
    Ok(())
}

/// Waits until every device did it, and notes when each did.
async fn applied(
    scene: &Scene,
    agents: &mut Agents,
    change: &str,
    wanted: &What,
    begun: Instant,
) -> Result<(), Error> {
    let all = scene.parameters.devices;
    let (mut done, name) = (HashSet::new(), format!("{change}-applied"));
    while done.len() < all {
        let left = LIMIT.saturating_sub(begun.elapsed());
        match tokio::time::timeout(left.min(Duration::from_secs(1)), agents.applied.recv()).await {
            Ok(Some(applied)) if applied.what == *wanted => {
                let took = applied.at.saturating_duration_since(begun);
                if done.insert(applied.device) {
                    scene.record.time(&name, took);
                }
            }
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => {
                if let Some(error) = agents.failure() {
                    return Err(error);
                }
                if left.is_zero() {
                    let missing = all - done.len();
                    (0..missing).for_each(|_| scene.record.error("change not applied in time"));
                    return Ok(());
                }
            }
        }
        scene.progress.step(done.len(), all, &name);
    }
    let took = begun.elapsed().as_secs_f64();
    scene
        .progress
        .say(&format!("{change}: applied by all after {took:.2} s"));
    Ok(())
}

/// Waits until the status says that all devices run it.
pub(super) async fn succeeded(
    scene: &Scene,
    platform: &Platform,
    change: &str,
    begun: Instant,
) -> Result<(), Error> {
    let all = i64::try_from(scene.parameters.devices).unwrap_or(i64::MAX);
    let api = platform.deployments();
    let said = || async {
        let object = api.get(NAME).await.ok();
        let status = object.and_then(|object| {
            let status = object.status?;
            (status.observed_generation == object.metadata.generation).then_some(status)
        });
        status.is_some_and(|status| status.aggregate.succeeded == all)
    };
    until(LIMIT, "the status says that all devices run it", said).await?;
    let name = format!("{change}-in-status");
    scene.record.time(&name, begun.elapsed());
    Ok(())
}

async fn gone(scene: &Scene, platform: &Platform, begun: Instant) -> Result<(), Error> {
    let api = platform.deployments();
    let gone = || async { matches!(api.get_opt(NAME).await, Ok(None)) };
    until(LIMIT, "the Deployment is gone", gone).await?;
    scene.record.time("delete-finished", begun.elapsed());
    Ok(())
}

pub(super) fn everywhere(image: &str) -> Result<Deployment, Error> {
    let spec = DeploymentSpec {
        target_selector: TargetSelector::default(),
        target_all: true,
        score: score(image)?,
    };
    let mut object = Deployment::new(NAME, spec);
    object.metadata.namespace = Some(crate::fleet::NAMESPACE.to_owned());
    Ok(object)
}
