//! Whether the parts of the platform run.

use super::pods::{newest, one_line, why};
use super::{Check, Finding, Reason, Snapshot, counted, known};
use crate::doctor::facts::{Component, Pod, Workload};

/// Before an installation.
pub(super) fn not_installed(snapshot: &Snapshot) -> Finding {
    let message = format!("nothing of the platform runs in {} yet", snapshot.namespace);
    Finding::fine(Check::Operator, message)
}

/// The operator, without which nothing goes on.
pub(super) fn operator(snapshot: &Snapshot) -> Vec<Finding> {
    let check = Check::Operator;
    let workloads = match known(check, &snapshot.workloads) {
        Ok(workloads) => workloads,
        Err(findings) => return findings,
    };
    if workloads.iter().any(|w| w.component == Component::Operator) {
        return component(snapshot, check, Component::Operator);
    }
    let namespace = &snapshot.namespace;
    let finding = if workloads.is_empty() {
        let message = format!("nothing of the platform runs in namespace {namespace}");
        Finding::new(check, Reason::NotInstalled, message)
    } else {
        let message =
            format!("namespace {namespace} has other parts of the platform, but no operator");
        Finding::new(check, Reason::OperatorMissing, message)
    };
    vec![finding]
}

/// One part.
pub(super) fn component(snapshot: &Snapshot, check: Check, part: Component) -> Vec<Finding> {
    let workloads = match known(check, &snapshot.workloads) {
        Ok(workloads) => workloads,
        Err(findings) => return findings,
    };
    let of_part: Vec<_> = workloads.iter().filter(|w| w.component == part).collect();
    if of_part.is_empty() {
        let message = format!("none in namespace {}", snapshot.namespace);
        return vec![Finding::fine(check, message)];
    }
    let findings = of_part
        .iter()
        .map(|workload| judged(snapshot, check, workload));
    findings.flatten().collect()
}

/// Jobs of ours that have not come to their end.
pub(super) fn unfinished(snapshot: &Snapshot, check: Check, job: Component) -> Vec<Finding> {
    let workloads = snapshot.workloads.iter().flatten();
    let open = workloads.filter(|w| w.component == job && w.ready < w.wanted);
    open.flat_map(|workload| judged(snapshot, check, workload))
        .collect()
}

/// `OpenBao` may be ready, as the chart can be told, and yet keep everything to itself.
pub(super) fn openbao(snapshot: &Snapshot) -> Vec<Finding> {
    let check = Check::OpenBao;
    let pods = snapshot.pods.iter().flatten();
    let pods: Vec<_> = pods
        .filter(|pod| Component::of(&pod.labels) == Some(Component::OpenBao) && !pod.ending)
        .collect();
    let closed: Vec<_> = pods
        .iter()
        .filter_map(|pod| closed(snapshot, pod))
        .collect();
    if !closed.is_empty() {
        return closed;
    }
    let mut findings = component(snapshot, check, Component::OpenBao);
    findings.extend(unfinished(snapshot, check, Component::Provision));
    let is_here = findings.iter().any(|finding| finding.object.is_some());
    if let Err(unknown) = &snapshot.pods
        && is_here
    {
        // Ready it may be, and closed all the same.
        findings.retain(|finding| finding.reason != Reason::Fine);
        findings.push(super::unread(check, unknown));
        findings.dedup();
    }
    findings
}

fn closed(snapshot: &Snapshot, pod: &Pod) -> Option<Finding> {
    let label = |wanted: &str| {
        let ending = format!("-{wanted}");
        let mut labels = pod.labels.iter();
        labels.find_map(|(name, value)| name.ends_with(&ending).then_some(value.as_str()))
    };
    // What its readiness probe prints, where OpenBao does not write labels.
    let event = newest(snapshot, "Pod", &pod.namespace, &pod.name);
    let said = event.filter(|e| e.reason == "Unhealthy" && !pod.ready);
    let said = said.map(|e| one_line(&e.message)).unwrap_or_default();
    let (namespace, name) = (&pod.namespace, &pod.name);
    let about = |finding: Finding| finding.about(format!("pod/{name}"));
    if label("initialized") == Some("false") || said.contains("Initialized false") {
        let message = "it was never initialized, so it has no policies to give";
        let remedy = format!(
            "kubectl -n {namespace} exec {name} -- bao operator init; then fleet-auth provision openbao"
        );
        let finding = Finding::new(Check::OpenBao, Reason::OpenBaoUninitialized, message);
        return Some(about(finding.mend(remedy)));
    }
    if label("sealed") == Some("true") || said.contains("Sealed true") {
        let message =
            "it is sealed: the callout lets only those in whose policy it has read before";
        let remedy = format!(
            "check that the Secret with its seal key is the one it was initialized with, then kubectl -n {namespace} delete pod {name}"
        );
        let finding = Finding::new(Check::OpenBao, Reason::OpenBaoSealed, message);
        return Some(about(finding.mend(remedy)));
    }
    None
}

fn judged(snapshot: &Snapshot, check: Check, workload: &Workload) -> Vec<Finding> {
    let Workload {
        kind,
        namespace,
        name,
        wanted,
        ready,
        ..
    } = workload;
    let about = |finding: Finding| finding.about(format!("{kind}/{name}"));
    if *wanted == 0 {
        let finding = Finding::new(check, Reason::ScaledToZero, "it is asked to run no pods");
        let remedy = format!("kubectl -n {namespace} scale {kind} {name} --replicas=1");
        return vec![about(finding.mend(remedy))];
    }
    if ready >= wanted {
        let version = workload.version.as_deref();
        let version = version.map_or_else(String::new, |version| format!(", version {version}"));
        let message = format!("{ready} of {wanted} ready{version}");
        return vec![about(Finding::fine(check, message))];
    }
    let mut findings = Vec::new();
    if let Some(message) = refusal(snapshot, workload) {
        findings.push(about(refused(check, workload, &message)));
    }
    if let Err(unknown) = &snapshot.pods {
        findings.push(super::unread(check, unknown));
    }
    let pods = pods(snapshot, workload);
    let waiting = pods.iter().filter(|pod| !pod.ready && !pod.succeeded);
    findings.extend(waiting.map(|pod| why(check, snapshot, pod)));
    if findings.is_empty() {
        let message = format!("{ready} of {} ready", counted_pods(*wanted));
        findings.push(about(Finding::new(check, Reason::Starting, message)));
    }
    findings
}

fn counted_pods(number: i32) -> String {
    counted(usize::try_from(number).unwrap_or_default(), "pod")
}

/// The pods of a workload, those that are going left out.
fn pods<'a>(snapshot: &'a Snapshot, workload: &Workload) -> Vec<&'a Pod> {
    let prefix = format!("{}-", workload.name);
    let pods = snapshot.pods.iter().flatten();
    pods.filter(|pod| {
        pod.namespace == workload.namespace
            && pod.name.starts_with(&prefix)
            && Component::of(&pod.labels) == Some(workload.component)
            && !pod.ending
    })
    .collect()
}

/// Why no further pod can be made: by the workload's own status, else by what its controller said
/// last.
fn refusal(snapshot: &Snapshot, workload: &Workload) -> Option<String> {
    if let Some(message) = &workload.refused {
        return Some(message.clone());
    }
    let existing = pods(snapshot, workload).len();
    if existing >= usize::try_from(workload.wanted).unwrap_or_default() {
        return None;
    }
    let prefix = format!("{}-", workload.name);
    let controls = |kind: &str| ["ReplicaSet", "StatefulSet", "Job"].contains(&kind);
    let mut events = snapshot.events.iter().flatten().rev();
    let last = events.find(|event| {
        event.namespace == workload.namespace
            && controls(&event.kind)
            && (event.name == workload.name || event.name.starts_with(&prefix))
    })?;
    (last.reason == "FailedCreate").then(|| last.message.clone())
}

fn refused(check: Check, workload: &Workload, message: &str) -> Finding {
    let message = one_line(message);
    let namespace = &workload.namespace;
    let finding = Finding::new(check, Reason::PodRefused, message.as_str());
    if message.contains("violates PodSecurity") {
        return finding.mend(format!(
            "use the chart's own security contexts, or look at what the namespace demands: kubectl get namespace {namespace} --show-labels"
        ));
    }
    if message.contains("security context constraint") {
        return finding.mend(
            "leave user and group ids out of the values (values-okd.yaml), or grant the account a constraint that fits",
        );
    }
    if message.contains("exceeded quota") {
        return finding.mend(format!("kubectl -n {namespace} describe resourcequota"));
    }
    finding
}
