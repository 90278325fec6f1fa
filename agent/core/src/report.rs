//! What the device says about each deployment.

use std::sync::Arc;

use fleet_contracts::payload::{DeviceState, Phase, SCHEMA_VERSION, ServiceState};
use fleet_contracts::{DeploymentRef, DeviceReason, UnixMillis};

use crate::desired::{Desired, DesiredDeployment, DesiredService, Problem};
use crate::health::Verdict;
use crate::memory::{CRASH_LOOP, Memory};
use crate::observed::{Observed, RunState};
use crate::plan::restarts;

/// One state for each deployment, as of `at`.
///
/// `podman` says why podman cannot be asked at the moment, if so.
pub fn report(
    desired: &Desired,
    observed: &Observed,
    memory: &Memory,
    podman: Option<&Problem>,
    at: UnixMillis,
) -> Vec<(DeploymentRef, DeviceState)> {
    let state = |d: &DesiredDeployment| {
        (
            d.reference.clone(),
            deployment(d, observed, memory, podman, at),
        )
    };
    desired.deployments.iter().map(state).collect()
}

/// Whether two states say the same, apart from when.
pub fn same(a: &DeviceState, b: &DeviceState) -> bool {
    a.revision == b.revision
        && a.phase == b.phase
        && a.reason == b.reason
        && a.message == b.message
        && a.services == b.services
}

fn deployment(
    deployment: &DesiredDeployment,
    observed: &Observed,
    memory: &Memory,
    podman: Option<&Problem>,
    at: UnixMillis,
) -> DeviceState {
    let services: Vec<_> = deployment
        .services
        .iter()
        .map(|s| service(s, observed, memory))
        .collect();
    let own = deployment.problem.as_ref().or(podman);
    let failed = services.iter().find_map(|(_, problem)| problem.as_ref());
    let problem = own.or(failed);
    let phases: Vec<Phase> = services.iter().map(|(s, _)| s.phase).collect();
    DeviceState {
        schema_version: SCHEMA_VERSION,
        revision: deployment.revision,
        phase: if own.is_some() {
            Phase::Failed
        } else {
            overall(&phases)
        },
        reason: problem.map(|p| p.reason),
        message: problem
            .map(|p| p.message.chars().take(1000).collect())
            .unwrap_or_default(),
        at,
        services: services.into_iter().map(|(s, _)| s).collect(),
    }
}

fn overall(phases: &[Phase]) -> Phase {
    let any = |phase| phases.contains(&phase);
    if any(Phase::Failed) {
        Phase::Failed
    } else if any(Phase::Pending) {
        Phase::Pending
    } else if any(Phase::Starting) {
        Phase::Starting
    } else if any(Phase::Running) {
        Phase::Running
    } else {
        Phase::Completed
    }
}

fn service(
    service: &Arc<DesiredService>,
    observed: &Observed,
    memory: &Memory,
) -> (ServiceState, Option<Problem>) {
    let track = memory.track(&service.key);
    let current = observed
        .of(&service.key)
        .find(|(_, c)| c.hash == Some(service.hash));
    let (phase, problem) = phase(service, current.map(|(_, c)| c.state), memory);
    let exited = current.and_then(|(_, c)| match c.state {
        RunState::Exited { code } => Some(code),
        _ => None,
    });
    let state = ServiceState {
        name: service.key.service.clone(),
        phase,
        restarts: track.map_or(0, |t| t.restarts),
        container: current.map(|(id, _)| id.short().to_owned()),
        exit_code: exited.or_else(|| track.and_then(|t| t.exit_code)),
    };
    (state, problem)
}

fn phase(
    service: &DesiredService,
    state: Option<RunState>,
    memory: &Memory,
) -> (Phase, Option<Problem>) {
    let Some(track) = memory.track(&service.key) else {
        return (Phase::Pending, None);
    };
    if let Some(trouble) = &track.trouble {
        let message = format!(
            "service {}: {}",
            service.key.service, trouble.failure.message
        );
        return (
            Phase::Failed,
            Some(Problem {
                reason: trouble.failure.reason,
                message,
            }),
        );
    }
    let failed = |reason, message| (Phase::Failed, Some(Problem { reason, message }));
    let (name, ended) = (&service.key.service, track.exit_code.unwrap_or_default());
    if let Some(RunState::Exited { code }) = state
        && !restarts(service.spec.restart_policy, code)
    {
        let message =
            format!("service {name} ended with code {code} and its restart policy leaves it so");
        return if code == 0 {
            (Phase::Completed, None)
        } else {
            failed(DeviceReason::Exited, message)
        };
    }
    if track.crashes >= CRASH_LOOP {
        let message =
            format!("service {name} ends again and again, last with code {ended}; see its log");
        return failed(DeviceReason::CrashLoop, message);
    }
    match state {
        None => (Phase::Pending, None),
        Some(RunState::Running { .. }) if service.spec.healthcheck.is_none() => {
            (Phase::Running, None)
        }
        Some(RunState::Running { .. }) => match track.health.verdict {
            Verdict::Healthy => (Phase::Running, None),
            Verdict::Starting => (Phase::Starting, None),
            Verdict::Unhealthy => {
                let error = &track.health.last_error;
                failed(
                    DeviceReason::Unhealthy,
                    format!("service {name} fails its healthcheck: {error}"),
                )
            }
        },
        Some(_) => (Phase::Starting, None),
    }
}
