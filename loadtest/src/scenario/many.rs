//! Deployments for groups of very different size, overlapping, are made, changed and deleted while
//! devices report.

use super::live::{Live, Span, looks, reports, spent::Spent, turnover};
use super::{Scene, setup};
use crate::Error;
use crate::platform::Platform;

/// How long statuses may take, in the time of those that rest: devices have to be told, and to answer.
const ROUNDS: u32 = 3;

/// Does so for as long as the parameters say.
pub(super) async fn play(scene: &Scene, platform: &Platform) -> Result<(), Error> {
    let _sampler = platform.sample(&scene.record)?;
    let (live, mut agents) = Live::start(scene, platform).await?;
    setup::quiet(scene, platform).await?;
    let spent = Spent::by_now(scene, platform).await;
    scene.progress.say("Deployments change, and devices report");
    let (span, rest) = (Span::of(scene), scene.rest().limit());
    let reports = tokio::spawn(reports::report(live.clone(), span));
    tokio::try_join!(
        turnover::turn_over(&live, platform, span, rest * ROUNDS),
        looks::look(&live, span, rest),
        live.show(&mut agents, span),
    )?;
    reports.await?;
    reports::keep_back(&live).await;
    spent.note(scene, platform).await;
    live.finish(platform, &[]).await
}
