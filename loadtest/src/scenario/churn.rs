//! Every device reports, again and again, while statuses are held against a recount.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::drive::{Drive, Pace};
use super::rest::{self, Looks};
use super::setup::{self, Share};
use super::{Scene, raw, verdict};
use crate::Error;
use crate::platform::Platform;

/// Between two drawings of the progress.
const SHOW: Duration = Duration::from_millis(250);

/// Brings up the fleet, has it report, and checks all counts.
pub(super) async fn play(scene: &Scene, platform: &Platform) -> Result<(), Error> {
    let _sampler = platform.sample(&scene.record)?;
    let record = &scene.record;
    scene.progress.say("measuring what the bus does by itself");
    let raw = raw::measure(scene, platform).await?;
    record.figure("raw_per_second", raw);
    let (shares, _heart) = setup::prepare(scene, platform).await?;
    let events = platform.metric("fleet_operator_events_total").await;
    let (begun, cpu) = (Instant::now(), record.cpu());
    let (stored, looks) = churn(scene, platform, shares).await?;
    let seconds = begun.elapsed().as_secs_f64();
    record.cpu_for_each(&cpu, "report", stored);
    record.figure("reports_per_second", of(stored) / seconds);
    record.figure("reports_over_raw", of(stored) / seconds / raw);
    record.count("looks_right", looks.right);
    record.count("looks_late", looks.late);
    let (found, held) = (format!("{looks:?}"), looks.late == 0 && looks.right > 0);
    let seconds = scene.rest().seconds;
    let what = format!("statuses that rest become right within {seconds} s");
    record.check_time(&what, held, found);
    finally(scene, platform).await?;
    let whole = begun.elapsed().as_secs_f64();
    let later = platform.metric("fleet_operator_events_total").await;
    if let (Some(before), Some(after)) = (events, later) {
        record.figure("operator_events_per_second", (after - before) / whole);
    }
    Ok(())
}

/// The reports, and beside them the looks at statuses and the progress.
async fn churn(
    scene: &Scene,
    platform: &Platform,
    shares: Vec<Share>,
) -> Result<(u64, Looks), Error> {
    let span = Duration::from_secs(scene.parameters.seconds);
    let pace = Pace {
        begun: Instant::now(),
        span,
        stored: Arc::new(AtomicU64::new(0)),
    };
    scene
        .progress
        .say(&format!("the devices report for {} s", span.as_secs()));
    let mut tasks = JoinSet::new();
    for share in shares {
        tasks.spawn(Drive::new(scene.clone(), share, pace.clone()).run());
    }
    let driving = async {
        while let Some(outcome) = tasks.join_next().await {
            outcome??;
        }
        Ok::<_, Error>(())
    };
    let showing = show(scene, &pace);
    let watching = rest::watch(scene, platform, span);
    let (driven, looks, ()) = tokio::join!(driving, watching, showing);
    driven?;
    Ok((pace.stored.load(Ordering::Relaxed), looks))
}

async fn show(scene: &Scene, pace: &Pace) {
    let mut ticks = tokio::time::interval(SHOW);
    let all = usize::try_from(pace.span.as_secs()).unwrap_or(usize::MAX);
    while pace.begun.elapsed() < pace.span {
        ticks.tick().await;
        let seconds = pace.begun.elapsed().as_secs_f64();
        let stored = of(pace.stored.load(Ordering::Relaxed));
        let errors: u64 = scene.record.notes().errors.values().sum();
        let figures = format!("{:.0} reports/s, {errors} errors", stored / seconds);
        let done = usize::try_from(pace.begun.elapsed().as_secs()).unwrap_or(all);
        scene.progress.step(done, all, &figures);
    }
}

/// All statuses have to be exactly right in the end, and nothing was refused on the way.
async fn finally(scene: &Scene, platform: &Platform) -> Result<(), Error> {
    let what = "in the end every status is what the recount says";
    if let Some(took) = verdict::settled(scene, platform, scene.patience(), what).await? {
        scene.record.figure("settle_seconds", took.as_secs_f64());
    }
    verdict::operator_is_sound(scene, platform).await;
    verdict::no_errors(scene);
    Ok(())
}

/// For figures.
fn of(count: u64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
