//! What the API server gets to see of a busy fleet, and of the operator itself.
#![allow(clippy::expect_used, reason = "test code")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fleet_contracts::payload::Phase;
use fleet_testbed::{Operator, OperatorOptions};
use futures::StreamExt as _;
use kube::runtime::{WatchStreamExt as _, watcher};
use serde_json::json;
use support::{Stage, eventually};

const DEVICES: usize = 20;
/// How long the devices change their mind.
const SPAN: Duration = Duration::from_secs(4);

/// Counts every version of Deployments that the API server tells of.
fn count_versions(stage: &Stage) -> Arc<AtomicU64> {
    let seen = Arc::new(AtomicU64::new(0));
    let (counter, api) = (seen.clone(), stage.deployments());
    tokio::spawn(async move {
        // Without a back-off it would spin when the client ends before it, and never let go.
        let changes = watcher(api, watcher::Config::default()).default_backoff();
        let changes = changes.touched_objects();
        let mut changes = std::pin::pin!(changes);
        while changes.next().await.is_some() {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    });
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_is_written_at_most_once_a_second_and_only_if_it_changes() {
    let stage = Stage::open("rate").await;
    let _operator = stage.operator("operator");
    let names: Vec<_> = (0..DEVICES).map(|i| format!("dev-{i}")).collect();
    for name in &names {
        stage.announce(name, &[("region", "eu")]).await;
    }
    let web = stage
        .deploy("web", &json!({"region": "eu"}), "web:v1")
        .await;
    let all = i64::try_from(DEVICES).expect("few");
    stage.wait_counts("web", [all, 0, 0, all, 0]).await;

    let (seen, start) = (count_versions(&stage), Instant::now());
    let mut reports = 0_u64;
    while start.elapsed() < SPAN {
        for name in &names {
            let phase = if reports.is_multiple_of(3) {
                Phase::Failed
            } else {
                Phase::Running
            };
            stage.report(name, "web", web, phase).await;
            reports += 1;
        }
    }
    let changing = start.elapsed().as_secs();
    for name in &names {
        stage.report(name, "web", web, Phase::Running).await;
    }
    stage.wait_counts("web", [all, all, 0, 0, 0]).await;
    let patches = seen.load(Ordering::Relaxed);
    assert!(
        reports > 10 * patches,
        "{reports} reports, {patches} patches"
    );
    // One more for the object as the watch found it, one for the last state, one for the edges.
    assert!(patches <= changing + 3, "{patches} patches in {changing} s");

    // The same said again changes nothing: a later change is the next version, not one of many.
    for name in names.iter().cycle().take(10 * DEVICES) {
        stage.report(name, "web", web, Phase::Running).await;
    }
    stage.report("dev-0", "web", web, Phase::Failed).await;
    stage.wait_counts("web", [all, all - 1, 1, 0, 0]).await;
    let last = || async { seen.load(Ordering::Relaxed) };
    eventually("one more version", patches + 1, last).await;
}

/// The HTTP status of a page.
async fn status(operator: &Operator, path: &str) -> Option<u16> {
    let answer = operator.page(path).await?;
    answer.split(' ').nth(1)?.parse().ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn ready_means_that_every_watch_is_there_and_a_stop_releases_the_lease() {
    let stage = Stage::open("probes").await;
    let nats = stage.bed.nats().expect("has a bus");
    let replica = |name| OperatorOptions::replica(name).args(["--lease-duration", "60"]);
    let operator = stage.bed.start_operator(replica("first")).expect("starts");
    let status = |path: &'static str| status(&operator, path);
    eventually("ready", Some(200), || status("/readyz")).await;
    nats.stop().await.expect("stopped");
    eventually("not ready without the bus", Some(503), || status("/readyz")).await;
    eventually("alive without the bus", Some(200), || status("/healthz")).await;
    nats.start().await.expect("started");
    eventually("ready again", Some(200), || status("/readyz")).await;

    // The lease would hold for a minute; a clean stop gives it up at once.
    operator.stop().await.expect("stopped");
    let start = Instant::now();
    let second = stage.bed.start_operator(replica("second")).expect("starts");
    stage.announce("dev-1", &[("region", "eu")]).await;
    let web = stage
        .deploy("web", &json!({"region": "eu"}), "web:v1")
        .await;
    stage.wait_runs("dev-1", &[("web", web)]).await;
    assert!(
        start.elapsed() < Duration::from_secs(30),
        "{:?}",
        start.elapsed()
    );
    drop(second);
}
