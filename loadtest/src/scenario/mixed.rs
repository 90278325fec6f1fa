//! The soak: everything at low rates, for as long as one likes, and beside it operators that are killed
//! and connections that break.

use std::time::{Duration, Instant};

use super::live::leaks::Leaks;
use super::live::{Live, Span, looks, moves, reports, spent::Spent, turnover};
use super::{Scene, setup};
use crate::Error;
use crate::platform::{Platform, Sampler};

/// Between two restarts of the operator at most.
const RESTART: Duration = Duration::from_secs(600);
/// Between two losses of connections at most.
const LOSS: Duration = Duration::from_secs(30);
/// One of so many connections is lost at a time.
const LOST: usize = 100;
/// How long a status may take: nobody writes it while the operator starts again.
const LIMIT: Duration = Duration::from_secs(60);
/// What becomes of requests that were under way on a connection which is lost.
const UNANSWERED: [&str; 2] = ["request not answered", "report refused or not answered"];

/// Does so for as long as the parameters say.
pub(super) async fn play(scene: &Scene, platform: &Platform) -> Result<(), Error> {
    let sampler = platform.sample(&scene.record)?;
    let (live, mut agents) = Live::start(scene, platform).await?;
    setup::quiet(scene, platform).await?;
    let leaks = Leaks::new(scene, platform).await?;
    let before = leaks.sample().await?;
    let spent = Spent::by_now(scene, platform).await;
    scene.progress.say("everything happens now and then");
    let (span, from) = (Span::of(scene), scene.record.elapsed());
    let reports = tokio::spawn(reports::report(live.clone(), span));
    let clients = agents.clients.clone();
    let ((), _, (), (), (), (), ()) = tokio::try_join!(
        restart(scene, platform, span, &sampler),
        lose(scene, &clients, span),
        turnover::turn_over(&live, platform, span, LIMIT),
        moves::carry(&live, span),
        looks::look(&live, span, LIMIT),
        live.show(&mut agents, span),
        leaks.watch(span),
    )?;
    reports.await?;
    reports::keep_back(&live).await;
    spent.note(scene, platform).await;
    let to = from + span.length;
    leaks.rises(from.as_secs_f64(), to.as_secs_f64());
    live.finish(platform, &UNANSWERED).await?;
    setup::quiet(scene, platform).await?;
    leaks.compare(&before).await?;
    drop(sampler);
    drop(agents);
    Ok(())
}

/// Stops and kills the operator, in turn. Not in the second half: how memory rises is seen there.
async fn restart(
    scene: &Scene,
    platform: &Platform,
    span: Span,
    sampler: &Sampler,
) -> Result<(), Error> {
    let (pause, mut count) = ((span.length / 6).min(RESTART), 0);
    while pause * (count + 1) < span.length / 2 {
        span.wait_for(pause * (count + 1)).await;
        let begun = Instant::now();
        if count % 2 == 0 {
            platform.operator.stop().await?;
        } else {
            platform.operator.kill().await?;
        }
        platform.operator.start()?;
        sampler.renew(platform)?;
        platform.leads().await?;
        count += 1;
        let kind = if count % 2 == 0 { "killed" } else { "stopped" };
        let name = format!("{kind}-operator-leads-again");
        scene.record.time(&name, begun.elapsed());
    }
    scene.record.count("operator_restarts", count.into());
    Ok(())
}

/// Breaks some connections, now and then.
async fn lose(
    scene: &Scene,
    clients: &[fleet_bus::async_nats::Client],
    span: Span,
) -> Result<u64, Error> {
    let mut random = fastrand::Rng::with_seed(scene.parameters.seed ^ 0x1055);
    let pause = (span.length / 4).min(LOSS);
    let (mut turn, mut lost) = (1, 0);
    while span.wait_for(pause * turn).await {
        let some = random.choose_multiple(clients, clients.len().div_ceil(LOST));
        for client in some {
            let done = client.force_reconnect().await;
            done.map_err(Error::bus("lose a connection"))?;
            lost += 1;
        }
        turn += 1;
    }
    scene.record.count("connections_lost", lost);
    Ok(lost)
}
