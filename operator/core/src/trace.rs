//! Where a change is on its way to a device, and what it waits for.
//!
//! The answer is computed from what index and mirror hold when somebody asks; nothing is kept for it,
//! so it costs nothing while nobody does.

use fleet_api::trace::{
    HeardStage, ReportedStage, SeenStage, TargetStage, Trace, TraceQuery, Verdict, WrittenStage,
};
use fleet_contracts::payload::Phase;
use fleet_contracts::{DeploymentRef, DeviceId, UnixMillis};

use crate::FleetIndex;
use crate::admit::Lifecycle;
use crate::index::{Pair, PairDevice, Reachability, Report};
use crate::mirror::Mirror;

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The Deployment.
    pub deployment: &'a DeploymentRef,
    /// The device.
    pub device: &'a DeviceId,
    /// Which state of the Deployment is meant.
    pub query: &'a TraceQuery,
}

/// What verdict, reason and words say together.
struct Finding {
    verdict: Verdict,
    reason: Option<String>,
    message: String,
}

impl Finding {
    fn plain(verdict: Verdict) -> Self {
        Self {
            verdict,
            reason: None,
            message: String::new(),
        }
    }

    fn because(verdict: Verdict, reason: &impl ToString, message: &impl ToString) -> Self {
        Self {
            verdict,
            reason: Some(reason.to_string()),
            message: message.to_string(),
        }
    }
}

/// Answers; `None` if there is no such Deployment, or if it has another uid: whoever does not know
/// it has not read the object.
pub fn trace(
    index: &FleetIndex,
    mirror: &Mirror,
    question: Question<'_>,
    now: UnixMillis,
) -> Option<Trace> {
    let Question {
        deployment,
        device,
        query,
    } = question;
    let pair = index.pair(deployment, device)?;
    if pair.uid != query.uid {
        return None;
    }
    let written = mirror.line(device, deployment);
    let oversize = || {
        let desired = index.desired(device);
        mirror.plan(device, desired.as_ref(), now).err()
    };
    let finding = before_the_device(&pair, query).unwrap_or_else(|| match &pair.device {
        None => Finding::plain(Verdict::DeviceUnknown),
        Some(device) if device.assigned.is_none() => Finding::plain(Verdict::NotMatched),
        Some(device) => on_the_device(device, &written).unwrap_or_else(|| match oversize() {
            Some(error) => Finding::because(Verdict::NotWritten, &error.reason(), &error),
            None => Finding::plain(Verdict::NotWritten),
        }),
    });
    let found = pair.device.as_ref();
    Some(Trace {
        deployment: deployment.clone(),
        device: device.clone(),
        at: now,
        verdict: finding.verdict,
        reason: finding.reason,
        message: finding.message,
        problems: Vec::new(),
        seen: SeenStage {
            generation: pair.generation,
            revision: pair.revision,
            since: pair.since,
        },
        target: TargetStage {
            revision: found.and_then(|device| device.assigned),
            unmet: found.map(|device| device.unmet.clone()).unwrap_or_default(),
        },
        written,
        heard: found.map(heard).unwrap_or_default(),
        reported: found.and_then(|device| device.report.as_ref().map(reported)),
    })
}

/// What stops a change at the Deployment itself.
fn before_the_device(pair: &Pair, query: &TraceQuery) -> Option<Finding> {
    if pair.generation < query.generation {
        return Some(Finding::plain(Verdict::NotSeen));
    }
    if let Some(refusal) = &pair.refusal {
        let (reason, message) = (&refusal.reason, &refusal.message);
        return Some(Finding::because(Verdict::SpecRefused, reason, message));
    }
    (pair.lifecycle == Lifecycle::Deleting).then(|| Finding::plain(Verdict::Removing))
}

/// How far a device is that should run a revision; `None` if the bus does not hold it yet.
fn on_the_device(device: &PairDevice, written: &WrittenStage) -> Option<Finding> {
    let report = device.report.as_ref();
    let current = report.filter(|report| Some(report.revision) == device.assigned);
    // What it runs counts whatever else is so: it may have gone silent since.
    if current.is_some_and(|report| matches!(report.phase, Phase::Running | Phase::Completed)) {
        return Some(Finding::plain(Verdict::Applied));
    }
    if written.revision != device.assigned {
        return None;
    }
    if let Some(refusal) = &device.refusal {
        let (reason, message) = (&refusal.reason, &refusal.message);
        return Some(Finding::because(Verdict::DeviceRefuses, reason, message));
    }
    if device.reachability == Reachability::Stale {
        return Some(Finding::plain(Verdict::DeviceSilent));
    }
    if let Some(report) = current {
        return Some(working(report));
    }
    let follows = device.follows >= written.generation;
    let verdict = if follows {
        Verdict::Applying
    } else {
        Verdict::OnItsWay
    };
    Some(Finding::plain(verdict))
}

/// While an attempt after a failure is under way, the failure is still what there is to know.
fn working(report: &Report) -> Finding {
    match (report.phase, report.reason) {
        (_, Some(reason)) => Finding::because(Verdict::ApplyFailed, &reason, &report.message),
        (Phase::Failed, None) => Finding::plain(Verdict::ApplyFailed),
        _ => Finding::plain(Verdict::Applying),
    }
}

fn heard(device: &PairDevice) -> HeardStage {
    HeardStage {
        stale: device.reachability == Reachability::Stale,
        last: device.last_seen,
        follows: device.follows,
        refusal: device.refusal.clone(),
    }
}

fn reported(report: &Report) -> ReportedStage {
    ReportedStage {
        revision: report.revision,
        phase: report.phase,
        reason: report.reason.map(|reason| reason.to_string()),
        message: report.message.clone(),
        received: report.received,
    }
}
