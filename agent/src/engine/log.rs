//! The device's log.

use std::time::Duration;

use fleet_agent_core::engine::Note;
use fleet_agent_core::engine::note::Stage;

/// Writes a line.
pub(super) fn write(note: Note) {
    match note {
        Note::Connected => tracing::info!("connected to the bus"),
        Note::Disconnected => tracing::warn!("disconnected from the bus; running from the ledger"),
        Note::FromLedger {
            generation,
            deployments,
        } => tracing::info!(generation, deployments, "running from the ledger"),
        Note::NoLedger => tracing::info!("no ledger yet; waiting for the first manifest"),
        Note::Refused { reason, message } => tracing::error!(%reason, message, "refused"),
        Note::NoManifest => tracing::debug!("no manifest on the bus; keeping what runs"),
        Note::SyncFailed(error) => tracing::warn!(error, "sync failed; will be tried again"),
        Note::Following {
            generation,
            deployments,
        } => tracing::info!(generation, deployments, "following a new manifest"),
        Note::Rewritten => {
            tracing::info!("the manifest was written again; so is what was reported");
        }
        Note::State { deployment, state } => {
            let (phase, message) = (state.phase, state.message);
            let reason = state.reason.map_or("", |r| r.as_str());
            tracing::info!(%deployment, ?phase, reason, message, "state");
        }
        Note::Removed(deployment) => tracing::info!(%deployment, "removed"),
        Note::Applied {
            deployment,
            revision,
            stage,
            total,
            ..
        } => applied(&deployment, revision.short().as_ref(), &stage, total),
        Note::NotReported(error) => tracing::warn!(error, "not reported; will be tried again"),
        Note::StepFailed {
            service,
            reason,
            message,
        } => tracing::warn!(%service, %reason, message, "step failed"),
        Note::PodmanAway(error) => tracing::warn!(error, "podman is not available"),
        Note::PodmanBack => tracing::info!("podman answers again"),
    }
}

fn applied(
    deployment: &fleet_contracts::DeploymentRef,
    revision: &str,
    stage: &Stage,
    total: Duration,
) {
    let millis = |d: Duration| format!("{:.1}", d.as_secs_f64() * 1000.0);
    let part = |name| millis(stage.took.get(name).copied().unwrap_or_default());
    tracing::info!(
        %deployment,
        revision,
        manifest_ms = millis(stage.sync.manifest),
        entries_ms = millis(stage.sync.entries),
        ledger_ms = millis(stage.ledger),
        image_ms = part("image"),
        remove_ms = part("remove"),
        create_ms = part("create"),
        start_ms = part("start"),
        total_ms = millis(total),
        "applied"
    );
}
