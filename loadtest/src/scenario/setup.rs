//! From an empty platform to a fleet that is known, has its Deployments, and has reported on them.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use fleet_bus::async_nats::Subject;
use fleet_contracts::payload::Phase;
use tokio::task::JoinSet;

use super::Scene;
use crate::Error;
use crate::platform::{Platform, until};
use crate::report::Connections;
use crate::wire::{Lane, Line, Stored, Writer, each, multiplexed};

/// Connections of a multiplexed fleet, and tasks that devices are shared among: as many as a bus has
/// servers at most.
pub(super) const LANES: usize = 3;
/// Reports of a lane under way at once, while a fleet is set up.
const WINDOW: usize = 512;
/// Between two signs of life of a device, as agents have it.
const HEARTBEAT: Duration = Duration::from_secs(30);
/// Between two looks for reports that nobody answered.
const EXPIRY: Duration = Duration::from_secs(1);

/// A lane with its place among the others.
#[derive(Debug)]
pub(super) struct Share<T = usize> {
    pub(super) lane: Lane<T>,
    number: usize,
}

impl<T> Share<T> {
    /// The devices it speaks for.
    pub(super) fn devices(&self, scene: &Scene) -> Vec<usize> {
        scene.fleet.share(self.number, LANES).collect()
    }
}

/// The place of a device among those of its share.
pub(super) const fn local(device: usize) -> usize {
    device / LANES
}

/// A fleet that is known, has its Deployments, and has reported on all of them: its shares, and the
/// signs of life that it gives for as long as the heart is kept. How long each step took is noted.
pub(super) async fn prepare(
    scene: &Scene,
    platform: &Platform,
) -> Result<(Vec<Share>, Heart), Error> {
    let shares = connect(scene, platform).await?;
    let heart = beat(scene, &shares);
    let announced = announce(scene, platform, shares);
    let shares = noted(scene, "registered_seconds", announced).await?;
    noted(scene, "roll_out_seconds", roll_out(scene, platform)).await?;
    let reported = async {
        let shares = report(scene, shares).await?;
        right(scene, platform, "every report is in its status").await?;
        Ok(shares)
    };
    let shares = noted(scene, "first_reports_seconds", reported).await?;
    Ok((shares, heart))
}

/// Does a step and notes how long it took.
pub(super) async fn noted<T>(
    scene: &Scene,
    figure: &str,
    step: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let begun = Instant::now();
    let done = step.await?;
    scene.record.figure(figure, begun.elapsed().as_secs_f64());
    Ok(done)
}

/// Connects the devices as the parameters say.
pub(super) async fn connect<T>(scene: &Scene, platform: &Platform) -> Result<Vec<Share<T>>, Error> {
    let files = fleet_bench_kit::machine::raise_open_files();
    scene
        .progress
        .say(&format!("the devices connect (at most {files} open files)"));
    let lines = match scene.parameters.connections {
        Connections::Multiplexed => multiplexed(&platform.bed, LANES, &scene.ramp).await?,
        Connections::Each => {
            let door = platform.door.as_ref();
            each(&platform.bed, door, &scene.fleet, &scene.ramp).await?
        }
    };
    let mut shares: Vec<Vec<Line>> = (0..LANES).map(|_| Vec::new()).collect();
    for (number, line) in lines.into_iter().enumerate() {
        shares[number % LANES].push(line);
    }
    let share = |(number, lines)| Share {
        lane: Lane::new(lines),
        number,
    };
    Ok(shares.into_iter().enumerate().map(share).collect())
}

/// Signs of life of all devices, for as long as this lives: without them a fleet that takes minutes to
/// set up would be stale by then.
pub(super) struct Heart(tokio::task::JoinHandle<()>);

impl Drop for Heart {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Begins to send signs of life.
fn beat(scene: &Scene, shares: &[Share]) -> Heart {
    let connections = scene.fleet.devices.iter().enumerate().map(|(device, _)| {
        let share = &shares[device % LANES];
        share.lane.connection(local(device))
    });
    let (connections, fleet) = (connections.collect::<Vec<_>>(), scene.fleet.clone());
    let count = u32::try_from(connections.len()).unwrap_or(u32::MAX);
    let mut ticks = tokio::time::interval(HEARTBEAT / count.max(1));
    Heart(tokio::spawn(async move {
        for (device, connection) in fleet.devices.iter().zip(&connections).cycle() {
            ticks.tick().await;
            let (subject, payload) = Writer::heartbeat(device);
            // The next one comes in any case.
            let _ = connection.publish(subject, payload).await;
        }
    }))
}

/// Every device says what it is.
async fn announce(
    scene: &Scene,
    platform: &Platform,
    shares: Vec<Share>,
) -> Result<Vec<Share>, Error> {
    let count = scene.fleet.devices.len();
    scene
        .progress
        .say(&format!("{count} devices say what they are"));
    let announced = on_all(scene, shares, |scene, mut share| async move {
        let devices = share.devices(&scene);
        let fleet = scene.fleet.clone();
        let make = |device: usize| (local(device), Writer::info(&fleet.devices[device]));
        deliver(&scene, &mut share.lane, devices, make, |_| {}).await?;
        Ok(share)
    });
    let shares = announced.await?;
    registered(scene, platform).await?;
    Ok(shares)
}

/// Waits until every device is a resource, and nothing is left to be written about any.
pub(super) async fn registered(scene: &Scene, platform: &Platform) -> Result<(), Error> {
    let count = scene.fleet.devices.len();
    let known = || async {
        let known = platform.metric("fleet_devices").await.map(whole);
        let known = known.unwrap_or_default();
        scene.progress.step(known, count, "devices are resources");
        known == count
    };
    until(scene.long(), "the operator knows all devices", known).await?;
    quiet(scene, platform).await
}

/// All Deployments are made, and everything that follows from them is on the bus and in the statuses.
async fn roll_out(scene: &Scene, platform: &Platform) -> Result<(), Error> {
    let fleet = &scene.fleet;
    scene.progress.say(&format!(
        "{} Deployments for {} pairs are made",
        fleet.workloads.len(),
        fleet.pairs.len()
    ));
    platform.create(fleet).await?;
    right(scene, platform, "every Deployment matches its devices").await?;
    quiet(scene, platform).await
}

/// Every device reports that it runs everything.
async fn report(scene: &Scene, shares: Vec<Share>) -> Result<Vec<Share>, Error> {
    scene.progress.say("the devices report for the first time");
    say(scene, shares, Phase::Running, 1).await
}

/// Every device reports that its every third Deployment failed.
pub(super) async fn fail_some(scene: &Scene, shares: Vec<Share>) -> Result<Vec<Share>, Error> {
    say(scene, shares, Phase::Failed, 3).await
}

async fn say(
    scene: &Scene,
    shares: Vec<Share>,
    phase: Phase,
    every: usize,
) -> Result<Vec<Share>, Error> {
    on_all(scene, shares, move |scene, mut share| async move {
        let devices = share.devices(&scene);
        let pairs = devices
            .into_iter()
            .flat_map(|device| scene.fleet.devices[device].pairs.clone().step_by(every));
        let make = |pair: usize| {
            let message = scene.writer.state(&scene.fleet, pair, phase);
            (local(scene.fleet.pairs[pair].device), message)
        };
        let stored = |pair| scene.truth.stored(&scene.fleet, pair, phase);
        deliver(&scene, &mut share.lane, pairs, make, stored).await?;
        Ok(share)
    })
    .await
}

/// Waits until all statuses are what the recount says.
async fn right(scene: &Scene, platform: &Platform, what: &str) -> Result<(), Error> {
    let settled = platform.settled(&scene.fleet, &scene.truth, scene.long(), &scene.progress);
    match settled.await? {
        Ok(took) => {
            scene
                .progress
                .say(&format!("{what}, after {:.1} s", took.as_secs_f64()));
            Ok(())
        }
        Err(wrong) => Err(Error::Timeout {
            what: format!("{what}: {} are wrong, such as {:?}", wrong.len(), wrong[0]),
            limit: scene.long(),
        }),
    }
}

/// Waits until the operator has nothing left to write.
pub(super) async fn quiet(scene: &Scene, platform: &Platform) -> Result<(), Error> {
    let idle = || async { platform.metric("fleet_operator_queue_depth").await == Some(0.0) };
    until(scene.long(), "the operator has written everything", idle).await
}

/// A count as metrics have it.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts of devices"
)]
fn whole(count: f64) -> usize {
    count as usize
}

async fn on_all<F, T>(
    scene: &Scene,
    shares: Vec<Share>,
    each: impl Fn(Scene, Share) -> F,
) -> Result<Vec<T>, Error>
where
    F: Future<Output = Result<T, Error>> + Send + 'static,
    T: Send + 'static,
{
    let mut tasks = JoinSet::new();
    for share in shares {
        tasks.spawn(each(scene.clone(), share));
    }
    let mut done = Vec::new();
    while let Some(outcome) = tasks.join_next().await {
        done.push(outcome??);
    }
    Ok(done)
}

/// Sends everything, again and again until it is stored.
async fn deliver(
    scene: &Scene,
    lane: &mut Lane<usize>,
    tags: impl IntoIterator<Item = usize>,
    make: impl Fn(usize) -> (usize, (Subject, Bytes)),
    mut stored: impl FnMut(usize),
) -> Result<(), Error> {
    let mut waiting: VecDeque<usize> = tags.into_iter().collect();
    loop {
        while lane.under_way() < WINDOW
            && let Some(tag) = waiting.pop_front()
        {
            let (device, message) = make(tag);
            lane.send(device, tag, message).await?;
        }
        if lane.under_way() == 0 {
            return Ok(());
        }
        let answers = match tokio::time::timeout(EXPIRY, lane.answer()).await {
            Ok(answer) => vec![answer],
            Err(_) => lane.expired(),
        };
        for answer in answers {
            if answer.stored() == Some(Stored::Yes) {
                stored(answer.tag);
            } else {
                scene.record.error("set-up write refused or unanswered");
                waiting.push_back(answer.tag);
            }
        }
    }
}
