//! Samples of statuses while everything changes.

use std::time::{Duration, Instant};

use futures::stream::{FuturesUnordered, StreamExt as _};

use super::{Live, Span};
use crate::Error;

/// Deployments that are looked at anew in one second.
const LOOKED_AT: usize = 3;

/// Has devices leave a Deployment alone, three more each second, until its status is what the recount
/// says. All have to be within `limit`.
pub(in super::super) async fn look(live: &Live, span: Span, limit: Duration) -> Result<(), Error> {
    let mut random = fastrand::Rng::with_seed(live.scene.parameters.seed ^ 0x10_0c);
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    let (mut under_way, mut right, mut late) = (FuturesUnordered::new(), 0, 0);
    loop {
        let over = span.is_over();
        if over && under_way.is_empty() {
            break;
        }
        tokio::select! {
            _ = ticks.tick(), if !over => {
                let chosen = (0..LOOKED_AT).filter_map(|_| live.census.hold(&mut random));
                under_way.extend(chosen.map(|number| one(live, number, limit)));
            }
            Some(is_right) = under_way.next() => {
                if is_right { right += 1 } else { late += 1 }
            }
        }
    }
    let record = &live.scene.record;
    record.count("looks_right", right);
    record.count("looks_late", late);
    let what = format!(
        "statuses that rest become right within {} s",
        limit.as_secs()
    );
    let found = format!("{right} right, {late} late");
    record.check_time(&what, late == 0 && right > 0, found);
    Ok(())
}

async fn one(live: &Live, number: usize, limit: Duration) -> bool {
    let begun = Instant::now();
    let right = live.right((number, 0), limit, |_| true).await;
    live.census.release(number);
    match right {
        Ok(at) => {
            let took = at.duration_since(begun);
            live.scene.record.time("resting-status-right", took);
            true
        }
        Err(wrong) => {
            live.late(&wrong);
            false
        }
    }
}
