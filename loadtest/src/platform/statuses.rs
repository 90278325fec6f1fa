//! Statuses against the recount.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use kube::ResourceExt as _;
use kube::api::ListParams;

use super::Platform;
use crate::Error;
use crate::fleet::{Counts, Fleet, Truth};
use crate::progress::Progress;

/// Between two looks at all statuses.
const LOOK: Duration = Duration::from_millis(500);

/// A status that is not what it has to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// Of which Deployment.
    pub name: String,
    /// What it says; none if there is none.
    pub found: Option<Counts>,
    /// What it has to say.
    pub expected: Counts,
}

impl Platform {
    /// What the statuses of all Deployments say now.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub async fn counts(&self) -> Result<BTreeMap<String, Option<Counts>>, Error> {
        let listed = self.deployments().list(&ListParams::default()).await;
        let listed = listed.map_err(Error::kube("list Deployments"))?;
        let counts = listed.into_iter().map(|object| {
            let current = |generation| generation == object.metadata.generation;
            let status = object.status.as_ref();
            let status = status.filter(|status| current(status.observed_generation));
            (object.name_any(), status.map(Counts::of))
        });
        Ok(counts.collect())
    }

    /// The statuses that differ from what `expected` says of each Deployment.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub async fn wrong(
        &self,
        fleet: &Fleet,
        expected: impl Fn(usize) -> Counts,
    ) -> Result<Vec<Wrong>, Error> {
        let found = self.counts().await?;
        let all = fleet.workloads.iter().enumerate();
        let wrong = all.filter_map(|(number, workload)| {
            let (name, expected) = (workload.reference.name.to_string(), expected(number));
            let found = found.get(&name).copied().flatten();
            (found != Some(expected)).then_some(Wrong {
                name,
                found,
                expected,
            })
        });
        Ok(wrong.collect())
    }

    /// Waits until all statuses are what the recount says; gives how long that took, or what is still
    /// wrong when the time is over.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub async fn settled(
        &self,
        fleet: &Fleet,
        truth: &Truth,
        limit: Duration,
        progress: &Progress,
    ) -> Result<Result<Duration, Vec<Wrong>>, Error> {
        let begun = Instant::now();
        loop {
            let wrong = self.wrong(fleet, |n| truth.recount(fleet, n)).await?;
            if wrong.is_empty() {
                return Ok(Ok(begun.elapsed()));
            }
            if begun.elapsed() > limit {
                return Ok(Err(wrong));
            }
            let all = fleet.workloads.len();
            progress.step(all - wrong.len(), all, "statuses are right");
            tokio::time::sleep(LOOK).await;
        }
    }
}
