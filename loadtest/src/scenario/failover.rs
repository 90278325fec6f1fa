//! Who leads is taken away, again and again, while the fleet reports and a change is on its way.
//!
//! Devices are the agent's own code, whose containers are stuck now and then, so that there is something to
//! report all the time. In each round a Deployment for everyone is changed in the moment of the blow. The
//! round ends once every device runs the change, and every status is what a recount of the acknowledged
//! reports says; what was lost is then looked for on the bus itself.

mod blow;
mod recount;

use std::collections::HashSet;
use std::time::{Duration, Instant};

use fleet_contracts::Revision;

use super::agents::Agents;
use super::fanout::everywhere;
use super::{Scene, verdict};
use crate::Error;
use crate::device::{Unrest, What};
use crate::platform::Platform;
use blow::{Blow, Struck};

/// The Deployment for everyone.
const NAME: &str = "failover";
/// What is asked for: another operator leads so soon after one was killed.
const TARGET: Duration = Duration::from_secs(10);
/// For one round.
const LIMIT: Duration = Duration::from_secs(300);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(50);

/// Does so until the time is over, and once for each kind of blow at least.
pub(super) async fn play(scene: &Scene, platform: &Platform) -> Result<(), Error> {
    let parameters = &scene.parameters;
    let unrest = Unrest::new(parameters.hertz.unwrap_or(1.0));
    let scene = &Scene {
        unrest: Some(unrest.clone()),
        ..scene.clone()
    };
    let sampler = platform.sample(&scene.record)?;
    let mut agents = Agents::running(scene, platform).await?;
    let mut stage = Stage {
        scene,
        platform,
        unrest: &unrest,
        agents: &mut agents,
    };
    stage.begin().await?;
    let (begun, span) = (Instant::now(), Duration::from_secs(parameters.seconds));
    let blows = Blow::of(&parameters.kill);
    let mut rounds = 0;
    while rounds < blows.len() || begun.elapsed() < span {
        stage.round(rounds, blows[rounds % blows.len()]).await?;
        sampler.renew(platform)?;
        rounds += 1;
        scene.record.figure("rounds", count(rounds));
    }
    finish(scene, platform, &blows).await;
    Ok(())
}

/// What a round works with.
struct Stage<'a> {
    scene: &'a Scene,
    platform: &'a Platform,
    unrest: &'a Unrest,
    agents: &'a mut Agents,
}

impl Stage<'_> {
    /// The Deployment for everyone runs, and both operators are there.
    async fn begin(&mut self) -> Result<(), Error> {
        let (at, image) = (Instant::now(), "registry.invalid/load/failover:first");
        let revision = self.change(image).await?;
        self.applied(image, at, "").await?;
        self.settled(revision, at).await?;
        self.whole().await
    }

    /// One blow, and all that has to be right after it.
    async fn round(&mut self, number: usize, blow: Blow) -> Result<(), Error> {
        let (record, progress) = (&self.scene.record, &self.scene.progress);
        progress.say(&format!("round {}: {}", number + 1, blow.words()));
        self.reporting().await?;
        while self.agents.applied.try_recv().is_ok() {}
        let image = format!("registry.invalid/load/failover:r{number}");
        let before = self.unrest.reports();
        let at = Instant::now();
        let (struck, revision) =
            tokio::join!(blow.strike(self.platform, record), self.change(&image));
        let (struck, revision) = (struck?, revision?);
        self.applied(&image, at, blow.name()).await?;
        self.unrest.turn(false);
        let converged = self.settled(revision, at).await?;
        record.time(&format!("converged-{}", blow.name()), converged);
        let seconds = at.elapsed().as_secs();
        let second = usize::try_from(record.elapsed().as_secs()).unwrap_or(0);
        let reports = self.unrest.reports() - before;
        record.done("reports-in-rounds", second, reports);
        progress.say(&format!(
            "converged after {:.1} s; {reports} reports in {seconds} s",
            converged.as_secs_f64()
        ));
        let lost = recount::lost(self.platform, self.unrest).await?;
        (0..lost).for_each(|_| record.error("report lost"));
        self.mend(struck).await?;
        self.whole().await
    }

    async fn change(&self, image: &str) -> Result<Revision, Error> {
        let mut object = everywhere(image)?;
        object.metadata.name = Some(NAME.to_owned());
        self.platform.apply(&object).await?;
        Ok(object.spec.score.revision())
    }

    /// Waits until the fleet reports: as many reports as there are devices.
    async fn reporting(&self) -> Result<(), Error> {
        self.unrest.turn(true);
        let (begun, all) = (Instant::now(), self.scene.parameters.devices as u64);
        let wanted = self.unrest.reports() + all;
        while self.unrest.reports() < wanted {
            self.in_time(begun, "the fleet reports")?;
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    /// Waits until every device runs this, and notes when each did.
    async fn applied(&mut self, image: &str, at: Instant, blow: &str) -> Result<(), Error> {
        let (all, wanted) = (self.scene.parameters.devices, What::Runs(image.to_owned()));
        let mut done = HashSet::new();
        while done.len() < all {
            self.in_time(at, "every device runs what was changed")?;
            let heard = tokio::time::timeout(LOOK, self.agents.applied.recv()).await;
            match heard {
                Ok(Some(applied))
                    if applied.what == wanted && done.insert(applied.device.clone()) =>
                {
                    let took = applied.at.saturating_duration_since(at);
                    if !blow.is_empty() {
                        self.scene.record.time(&format!("applied-{blow}"), took);
                    }
                }
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => {
                    if let Some(error) = self.agents.failure() {
                        return Err(error);
                    }
                }
            }
            let figures = format!("devices run it; {} reports", self.unrest.reports());
            self.scene.progress.step(done.len(), all, &figures);
        }
        Ok(())
    }

    /// Waits until nobody has anything to say any more and every status is right; since when that took.
    async fn settled(&self, everyone: Revision, at: Instant) -> Result<Duration, Error> {
        let all = self.scene.fleet.workloads.len() + 1;
        loop {
            let (owing, wrong) = (self.unrest.owing(), self.wrong(everyone).await);
            if owing == 0 && wrong.as_ref().is_ok_and(|wrong| *wrong == 0) {
                return Ok(at.elapsed());
            }
            let wrong = wrong.unwrap_or(all);
            let figures = format!("statuses are right; {owing} devices owe reports");
            self.scene.progress.step(all - wrong, all, &figures);
            let what = format!("every status is right: {wrong} are wrong, {owing} devices owe");
            self.in_time(at, &what)?;
            tokio::time::sleep(LOOK).await;
        }
    }

    /// How many statuses are not what the recount says.
    async fn wrong(&self, everyone: Revision) -> Result<usize, Error> {
        recount::wrong(self.scene, self.platform, self.unrest, (NAME, everyone)).await
    }

    /// Brings back what was struck.
    async fn mend(&self, struck: Struck<'_>) -> Result<(), Error> {
        match struck {
            Struck::Operator(operator) => operator.start()?,
            Struck::Server(number) => {
                let nats = self.platform.bed.nats()?;
                nats.start_server(number).await?;
            }
        }
        Ok(())
    }

    /// Waits until all operators and all servers of the bus are there, and somebody leads.
    async fn whole(&self) -> Result<(), Error> {
        let (begun, platform) = (Instant::now(), self.platform);
        loop {
            let ready = platform.is_ready().await && platform.leader().await.is_some();
            if ready && platform.bus_is_whole().await {
                return Ok(());
            }
            self.in_time(begun, "what was struck is back")?;
            tokio::time::sleep(LOOK).await;
        }
    }

    fn in_time(&self, since: Instant, what: &str) -> Result<(), Error> {
        if since.elapsed() < LIMIT {
            return Ok(());
        }
        self.scene.record.error("not in time");
        let what = what.to_owned();
        Err(Error::Timeout { what, limit: LIMIT })
    }
}

/// What has to hold over all rounds.
async fn finish(scene: &Scene, platform: &Platform, blows: &[Blow]) {
    let record = &scene.record;
    for name in blows.iter().map(|blow| blow.name()) {
        for what in ["leaderless", "applied", "converged"] {
            let most = {
                let notes = record.notes();
                let times = notes.latencies.get(&format!("{what}-{name}"));
                times.and_then(fleet_bench_kit::Histogram::max_ms)
            };
            if let Some(most) = most {
                let figure = format!("{what}_{}_max_seconds", name.replace('-', "_"));
                record.figure(&figure, most / 1_000.0);
            }
        }
    }
    let killed = record
        .notes()
        .figures
        .get("leaderless_killed_max_seconds")
        .copied();
    if let Some(seconds) = killed {
        let limit = TARGET.as_secs_f64();
        let what = format!("another operator leads within {limit} s of a kill");
        record.check_time(&what, seconds <= limit, format!("{seconds:.2} s at most"));
    }
    let lost = record.notes().errors.get("report lost").copied();
    let lost = lost.unwrap_or(0);
    record.count("reports_lost", lost);
    record.check("no report is lost", lost == 0, format!("{lost} are"));
    verdict::operator_is_sound(scene, platform).await;
    // While nobody leads a stream it takes nothing, and devices try again.
    if !blows.contains(&Blow::Server) {
        verdict::no_errors(scene);
    }
}

fn count(rounds: usize) -> f64 {
    f64::from(u32::try_from(rounds).unwrap_or(u32::MAX))
}
