//! The identity provider, and what the Job that sets it up has to bring forth.

use fleet_keys::identity::{ADMINISTRATOR_NAME, MAP_NAME, TOKEN_NAME};

use super::{Check, Finding, Snapshot, workloads};
use crate::doctor::facts::Component;

/// It may run elsewhere; the Job that sets it up runs here.
pub(super) fn zitadel(snapshot: &Snapshot) -> Vec<Finding> {
    let check = Check::Zitadel;
    let mut findings = workloads::component(snapshot, check, Component::Zitadel);
    findings.extend(workloads::unfinished(snapshot, check, Component::Identity));
    findings
}

/// What to do where an object is missing that has to do with it.
pub(super) fn brings(snapshot: &Snapshot, object: &str) -> Option<String> {
    let namespace = &snapshot.namespace;
    let workloads = snapshot.workloads.iter().flatten();
    let mut jobs = workloads.filter(|w| w.component == Component::Identity);
    let job = jobs.next().map(|job| &job.name);
    match (object, job) {
        (MAP_NAME | TOKEN_NAME, Some(job)) => Some(format!(
            "job/{job} makes it: kubectl -n {namespace} logs job/{job}; if it is done and the object is gone, \
             change a value, such as auth.zitadelJob.podAnnotations, to let it run again"
        )),
        (MAP_NAME, None) => Some(
            "set auth.zitadelJob.enabled, which finds the ids out, or auth.oidc.issuer, project and \
             organisation; docs/install/identity.md"
                .to_owned(),
        ),
        (ADMINISTRATOR_NAME, Some(_)) => Some(format!(
            "Zitadel's own set-up makes it, at its first installation only: look at its job; if it was lost, \
             make a token for an administrator in Zitadel's console, and kubectl -n {namespace} create secret \
             generic {ADMINISTRATOR_NAME} --from-file=pat=FILE"
        )),
        _ => None,
    }
}
