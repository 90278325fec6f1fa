//! Deployments are created, changed and deleted.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use fleet_api::Deployment;
use futures::stream::{FuturesUnordered, StreamExt as _};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::json;

use super::{Live, Span};
use crate::Error;
use crate::platform::Platform;

/// Writes whose statuses are waited for at once; what more is due waits.
const WINDOW: usize = 64;

/// What is done to one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    /// There is one more, for a group that another one has.
    Create,
    /// It has another image.
    Version,
    /// It is for another group.
    Select,
    /// It is gone.
    Delete,
}

/// In turn, so that there are always about as many.
const TURNS: [Change; 5] = [
    Change::Create,
    Change::Version,
    Change::Select,
    Change::Delete,
    Change::Version,
];

impl Change {
    const fn latency(self) -> &'static str {
        match self {
            Self::Create => "create-right",
            Self::Version => "change-right",
            Self::Select => "select-right",
            Self::Delete => "delete-finished",
        }
    }
}

/// Writes at a rate, each time to a Deployment that nobody else looks at, and waits until its status is
/// exactly right: what the recount says, and every device has reported on what it is now.
pub(in super::super) async fn turn_over(
    live: &Live,
    platform: &Platform,
    span: Span,
    limit: Duration,
) -> Result<(), Error> {
    let parameters = &live.scene.parameters;
    let Some(rate) = parameters.changes.filter(|rate| *rate > 0.0) else {
        return Ok(());
    };
    let mut random = fastrand::Rng::with_seed(parameters.seed ^ 0x7042);
    let mut ticks = tokio::time::interval(Duration::from_secs_f64(1.0 / rate));
    let (mut under_way, mut turns) = (FuturesUnordered::new(), TURNS.iter().cycle());
    let (mut right, mut late) = (0, 0);
    loop {
        let over = span.is_over();
        if over && under_way.is_empty() {
            break;
        }
        tokio::select! {
            _ = ticks.tick(), if !over && under_way.len() < WINDOW => {
                let change = turns.next().copied().unwrap_or(Change::Version);
                let fork = random.fork();
                live.scene.record.done("Deployment writes", span.second(), 1);
                under_way.push(one(live, platform, change, fork, limit));
            }
            Some(outcome) = under_way.next() => {
                if outcome? { right += 1 } else { late += 1 }
            }
        }
    }
    let record = &live.scene.record;
    record.count("writes_right", right);
    record.count("writes_late", late);
    let what = format!("what is written is right within {} s", limit.as_secs());
    let found = format!("{right} right, {late} late");
    record.check_time(&what, late == 0 && right > 0, found);
    Ok(())
}

/// Does one; gives whether it was right in time.
async fn one(
    live: &Live,
    platform: &Platform,
    change: Change,
    mut random: fastrand::Rng,
    limit: Duration,
) -> Result<bool, Error> {
    let census = &live.census;
    let workloads = &live.scene.fleet.workloads;
    let label = workloads[random.usize(0..workloads.len())].label.clone();
    let number = match change {
        Change::Create => Some(census.create(label.clone())?),
        _ => census.hold(&mut random),
    };
    let Some(number) = number else {
        return Ok(true);
    };
    let begun = Instant::now();
    let generation = match change {
        Change::Create => create(live, platform, number).await?,
        Change::Version => {
            census.change(number)?;
            let labels = BTreeMap::new();
            patch(live, platform, number, labels).await?
        }
        Change::Select => {
            let before = census.select(number, label.clone());
            // In a merge, null takes away.
            let mut labels: BTreeMap<_, _> =
                before.into_iter().map(|(key, _)| (key, None)).collect();
            labels.insert(label.0, Some(label.1));
            patch(live, platform, number, labels).await?
        }
        Change::Delete => {
            census.delete(number);
            delete(platform, number).await?;
            0
        }
    };
    let right = if change == Change::Delete {
        let gone = live.gone(number, limit).await;
        gone.ok_or_else(|| format!("load-{number:05} is not gone"))
    } else {
        let all_said = |counts: crate::fleet::Counts| counts.pending == 0;
        live.right((number, generation), limit, all_said).await
    };
    census.release(number);
    let right = right.map(|at| at.duration_since(begun));
    match &right {
        Ok(took) => {
            live.scene.record.time(change.latency(), *took);
            if change != Change::Delete {
                live.scene.record.time("write-right", *took);
            }
        }
        Err(wrong) => live.late(&format!("{change:?}: {wrong}")),
    }
    Ok(right.is_ok())
}

async fn create(live: &Live, platform: &Platform, number: usize) -> Result<i64, Error> {
    let Some(object) = live.census.object(number) else {
        return Ok(0);
    };
    let api = platform.deployments();
    let made = api.create(&PostParams::default(), &object).await;
    let made = made.map_err(Error::kube("create a Deployment"))?;
    Ok(made.metadata.generation.unwrap_or_default())
}

/// Writes the image as it is to be, and these labels of the selector.
async fn patch(
    live: &Live,
    platform: &Platform,
    number: usize,
    labels: BTreeMap<String, Option<String>>,
) -> Result<i64, Error> {
    let Some(object) = live.census.object(number) else {
        return Ok(0);
    };
    let patch = json!({"spec": {
        "score": object.spec.score,
        "targetSelector": {"matchLabels": labels},
    }});
    let (api, name) = (platform.deployments(), format!("load-{number:05}"));
    let patch = Patch::Merge(patch);
    let made = api.patch(&name, &PatchParams::default(), &patch).await;
    let made: Deployment = made.map_err(Error::kube("change a Deployment"))?;
    Ok(made.metadata.generation.unwrap_or_default())
}

async fn delete(platform: &Platform, number: usize) -> Result<(), Error> {
    let (api, name) = (platform.deployments(), format!("load-{number:05}"));
    let done = api.delete(&name, &DeleteParams::default()).await;
    done.map(drop).map_err(Error::kube("delete a Deployment"))
}
