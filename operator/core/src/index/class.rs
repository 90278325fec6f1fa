use fleet_contracts::Revision;
use fleet_contracts::payload::Phase;

use super::input::Report;

/// What a report means for the Deployment's counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Succeeded,
    Failed,
    Pending,
}

/// A report counts only at the revision the device should run.
pub(super) fn classify(assigned: Revision, report: Option<&Report>) -> Class {
    match report {
        Some(report) if report.revision == assigned => match report.phase {
            Phase::Running | Phase::Completed => Class::Succeeded,
            Phase::Failed => Class::Failed,
            Phase::Pending | Phase::Starting | Phase::Unknown => Class::Pending,
        },
        Some(_) | None => Class::Pending,
    }
}
