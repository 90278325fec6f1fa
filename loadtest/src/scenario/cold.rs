//! The operator starts on a full fleet, and on reports that came while it was away.

use std::time::{Duration, Instant};

use fleet_bench_kit::process::{cpu_seconds, rss_mib};

use super::{Scene, setup, verdict};
use crate::Error;
use crate::platform::{Platform, until};

/// Fills the platform, stops the operator, has devices report, and starts it again.
pub(super) async fn play(scene: &Scene, platform: &Platform) -> Result<(), Error> {
    let record = &scene.record;
    let sampler = platform.sample(record)?;
    let (shares, _heart) = setup::prepare(scene, platform).await?;
    scene.progress.say("the operator stops; devices report");
    platform.operator.stop().await?;
    let _shares = setup::fail_some(scene, shares).await?;
    scene.progress.say("the operator starts");
    let begun = Instant::now();
    platform.operator.start()?;
    sampler.renew(platform)?;
    let ready = || platform.is_ready();
    until(scene.long(), "the operator is ready", ready).await?;
    record.figure("ready_seconds", begun.elapsed().as_secs_f64());
    platform.leads().await?;
    record.figure("leading_seconds", begun.elapsed().as_secs_f64());
    finish(scene, platform, begun).await
}

async fn finish(scene: &Scene, platform: &Platform, begun: Instant) -> Result<(), Error> {
    let record = &scene.record;
    let what = "statuses become what devices said while nobody listened";
    let settled = verdict::settled(scene, platform, scene.long(), what).await?;
    if settled.is_some() {
        let seconds = begun.elapsed().as_secs_f64();
        record.figure("statuses_right_seconds", seconds);
    }
    if let Some(pid) = platform.operator.service().pid() {
        // It may have ended; the check above has said so then.
        if let (Ok(memory), Ok(cpu)) = (rss_mib(pid), cpu_seconds(pid)) {
            record.figure("operator_memory_mib", memory);
            record.figure("operator_cpu_seconds", cpu);
        }
    }
    // What it writes after the statuses is part of what a start costs.
    let quiet = Instant::now();
    setup::quiet(scene, platform).await?;
    let rest: Duration = quiet.elapsed();
    record.figure("quiet_after_seconds", rest.as_secs_f64());
    verdict::no_errors(scene);
    Ok(())
}
