//! From what is known of a cluster to what is wrong with it. Nothing here asks anything.

mod cluster;
mod fleet;
mod identity;
mod keys;
mod pods;
mod versions;
mod workloads;

#[cfg(test)]
mod tests;

use super::facts::{Component, Fact, Snapshot, Unread, Why, Workload};
use super::finding::{Check, Finding, Reason, Report};

pub use cluster::OLDEST_SERVER;

/// Whether the platform is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It is going to be installed.
    Before,
    /// It is there, or should be.
    After,
}

impl Stage {
    /// What it seems to be: after, as soon as something of ours runs there.
    pub fn of(snapshot: &Snapshot) -> Self {
        let ours = |w: &Workload| matches!(w.component, Component::Operator | Component::Callout);
        match &snapshot.workloads {
            Ok(workloads) if workloads.iter().any(ours) => Self::After,
            Ok(_) => Self::Before,
            // Whoever may not see them does not install either.
            Err(_) => Self::After,
        }
    }
}

/// Looks at everything that matters at this stage; none takes what the stage seems to be.
pub fn diagnose(snapshot: &Snapshot, stage: Option<Stage>) -> Report {
    let stage = stage.unwrap_or_else(|| Stage::of(snapshot));
    let mut findings = cluster::api_server(snapshot);
    // Without it everything else would only say the same.
    let reached = findings.iter().all(|f| f.reason != Reason::Unreachable);
    if reached {
        let rest = Check::ALL.iter().skip(1);
        findings.extend(rest.flat_map(|&check| run(check, snapshot, stage)));
    }
    Report {
        namespace: snapshot.namespace.clone(),
        findings,
    }
}

fn run(check: Check, snapshot: &Snapshot, stage: Stage) -> Vec<Finding> {
    match (check, stage) {
        (Check::ApiServer, _) => cluster::api_server(snapshot),
        (Check::Namespace, _) => cluster::namespace(snapshot),
        (Check::Definitions, _) => cluster::definitions(snapshot, stage),
        (Check::Storage, _) => cluster::storage(snapshot, stage),
        (Check::Secrets, Stage::Before) => keys::awaited(snapshot),
        (Check::Secrets, Stage::After) => {
            let mut findings = keys::secrets(snapshot);
            findings.extend(workloads::unfinished(snapshot, check, Component::AuthJob));
            findings
        }
        (Check::PublicKeys, _) => keys::public(snapshot, stage),
        (Check::Permissions, Stage::Before) => cluster::permissions(snapshot),
        (Check::Operator, Stage::Before) => vec![workloads::not_installed(snapshot)],
        // Rights are those of who installs; the rest is not there yet.
        (Check::Permissions, Stage::After) | (_, Stage::Before) => vec![],
        (Check::Operator, Stage::After) => workloads::operator(snapshot),
        (Check::Callout, _) => workloads::component(snapshot, check, Component::Callout),
        (Check::Enrolment, _) => workloads::component(snapshot, check, Component::Enrolment),
        (Check::Nats, _) => workloads::component(snapshot, check, Component::Nats),
        (Check::OpenBao, _) => workloads::openbao(snapshot),
        (Check::Zitadel, _) => identity::zitadel(snapshot),
        (Check::Versions, _) => versions::versions(snapshot),
        (Check::Devices, _) => fleet::devices(snapshot),
        (Check::Deployments, _) => fleet::deployments(snapshot),
        (Check::Enrolments, _) => fleet::enrolments(snapshot),
    }
}

/// What is not known is said; it is neither good nor bad.
fn unread(check: Check, unread: &Unread) -> Finding {
    let what = &unread.what;
    match &unread.why {
        Why::Forbidden => {
            let message = format!("this user may not read {what}, so it was not checked");
            Finding::new(check, Reason::NotPermitted, message)
        }
        Why::Failed(cause) => {
            let message = format!("cannot read {what}: {cause}");
            Finding::new(check, Reason::Unreadable, message)
        }
    }
}

/// The fact, or the finding that it is not known.
fn known<T>(check: Check, fact: &Fact<T>) -> Result<&T, Vec<Finding>> {
    fact.as_ref().map_err(|why| vec![unread(check, why)])
}

/// `1 device`, `3 devices`.
fn counted(number: usize, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}
