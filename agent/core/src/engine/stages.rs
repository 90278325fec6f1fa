//! Where the time goes between the doorbell and a running container.

use std::collections::BTreeMap;
use std::time::Duration;

use fleet_contracts::DeploymentRef;
use fleet_contracts::payload::Phase;

use crate::Tick;

/// How long the parts of a step took, by name.
pub type Took = BTreeMap<&'static str, Duration>;

/// Where the time of a sync went.
#[derive(Debug, Clone, Copy, Default)]
pub struct Timing {
    /// For the manifest.
    pub manifest: Duration,
    /// For all entries.
    pub entries: Duration,
}

/// The way of one deployment.
#[derive(Debug, Clone)]
pub struct Stage {
    pub(super) began: Tick,
    /// Of its sync.
    pub sync: Timing,
    /// For the ledger.
    pub ledger: Duration,
    /// For its steps; of parallel ones the longest counts.
    pub took: Took,
}

/// The deployments on their way.
#[derive(Debug, Default)]
pub(super) struct Stages(BTreeMap<DeploymentRef, Stage>);

impl Stages {
    /// A change of this deployment was received by a sync that began then.
    pub(super) fn begin(&mut self, deployment: &DeploymentRef, began: Tick, sync: Timing) {
        let stage = Stage {
            began,
            sync,
            ledger: Duration::ZERO,
            took: Took::new(),
        };
        self.0.insert(deployment.clone(), stage);
    }

    /// The ledger was written.
    pub(super) fn stored(&mut self, took: Duration) {
        for stage in self.0.values_mut().filter(|s| s.ledger.is_zero()) {
            stage.ledger = took;
        }
    }

    /// A step ended.
    pub(super) fn step(&mut self, deployment: &DeploymentRef, took: &Took) {
        let Some(stage) = self.0.get_mut(deployment) else {
            return;
        };
        for (&name, &duration) in took {
            let longest = stage.took.entry(name).or_default();
            *longest = duration.max(*longest);
        }
    }

    /// The deployment reached a phase; gives where the time went if that is the end.
    pub(super) fn reached(&mut self, deployment: &DeploymentRef, phase: Phase) -> Option<Stage> {
        let up = matches!(phase, Phase::Starting | Phase::Running | Phase::Completed);
        up.then(|| self.0.remove(deployment)).flatten()
    }

    /// Deployments that are no longer wanted are on no way.
    pub(super) fn retain(&mut self, wanted: impl Fn(&DeploymentRef) -> bool) {
        self.0.retain(|deployment, _| wanted(deployment));
    }
}
