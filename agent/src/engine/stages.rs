//! Where the time goes between the doorbell and a running container: one line per deployment.

use std::collections::BTreeMap;
use std::time::Duration;

use fleet_contracts::payload::Phase;
use fleet_contracts::{DeploymentRef, Revision};

use super::steps::Took;
use crate::bus::Timing;

/// The deployments on their way.
#[derive(Debug, Default)]
pub(super) struct Stages(BTreeMap<DeploymentRef, Stage>);

#[derive(Debug)]
struct Stage {
    timing: Timing,
    ledger: Duration,
    took: Took,
}

impl Stages {
    /// A change of this deployment was received.
    pub(super) fn begin(&mut self, deployment: &DeploymentRef, timing: Timing) {
        let stage = Stage {
            timing,
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

    /// A step ended. Of parallel ones the longest counts.
    pub(super) fn step(&mut self, deployment: &DeploymentRef, took: &Took) {
        let Some(stage) = self.0.get_mut(deployment) else {
            return;
        };
        for (&name, &duration) in took {
            let longest = stage.took.entry(name).or_default();
            *longest = duration.max(*longest);
        }
    }

    /// The deployment reached a phase; logs where the time went if that is the end.
    pub(super) fn reached(&mut self, deployment: &DeploymentRef, revision: Revision, phase: Phase) {
        let up = matches!(phase, Phase::Starting | Phase::Running | Phase::Completed);
        let Some(stage) = up.then(|| self.0.remove(deployment)).flatten() else {
            return;
        };
        let millis = |d: Duration| format!("{:.1}", d.as_secs_f64() * 1000.0);
        let part = |name| millis(stage.took.get(name).copied().unwrap_or_default());
        tracing::info!(
            %deployment,
            revision = revision.short(),
            manifest_ms = millis(stage.timing.manifest),
            entries_ms = millis(stage.timing.entries),
            ledger_ms = millis(stage.ledger),
            image_ms = part("image"),
            remove_ms = part("remove"),
            create_ms = part("create"),
            start_ms = part("start"),
            total_ms = millis(stage.timing.began.elapsed()),
            "applied"
        );
    }

    /// Deployments that are no longer wanted are on no way.
    pub(super) fn retain(&mut self, wanted: impl Fn(&DeploymentRef) -> bool) {
        self.0.retain(|deployment, _| wanted(deployment));
    }
}
