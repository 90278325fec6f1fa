//! Why a pod is not ready, in the node's and the cluster's own words.

use fleet_keys::identity::MAP_NAME;
use jiff::SignedDuration;

use super::{Check, Finding, Reason, Snapshot, counted, identity};
use crate::doctor::facts::{Container, Event, Pod};

/// A pod that is younger is given the time to come up.
const STARTS: SignedDuration = SignedDuration::from_secs(60);

/// What a node says when it cannot get an image.
const IMAGE: [&str; 5] = [
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
    "RegistryUnavailable",
];

/// The newest Event about an object that is no good news.
pub(super) fn newest<'a>(
    snapshot: &'a Snapshot,
    kind: &str,
    namespace: &str,
    name: &str,
) -> Option<&'a Event> {
    let events = snapshot.events.iter().flatten().rev();
    let mut about = events.filter(|e| e.kind == kind && e.namespace == namespace && e.name == name);
    about.find(|event| !GOOD.contains(&event.reason.as_str()))
}

/// Reasons of Events that only say how things go on.
const GOOD: [&str; 9] = [
    "Scheduled",
    "Pulling",
    "Pulled",
    "Created",
    "Started",
    "SuccessfulAttachVolume",
    "WaitForFirstConsumer",
    "Killing",
    "ExternalProvisioning",
];

/// Why a pod is not ready; the check it counts for is its component's.
pub(super) fn why(check: Check, snapshot: &Snapshot, pod: &Pod) -> Finding {
    let (reason, message) = cause(snapshot, pod);
    let (namespace, name) = (&pod.namespace, &pod.name);
    let finding = Finding::new(check, reason, message).about(format!("pod/{name}"));
    match reason {
        Reason::CrashLoop => {
            let container = crashed(pod).map_or("", |c| c.name.as_str());
            finding.mend(format!(
                "kubectl -n {namespace} logs {name} -c {container} --previous"
            ))
        }
        Reason::NotReady => finding.mend(format!("kubectl -n {namespace} logs {name}")),
        Reason::WaitsForSecret if finding.message.contains(MAP_NAME) => {
            let remedy = identity::brings(snapshot, MAP_NAME);
            let of_it = finding.clone();
            remedy.map_or(finding, |remedy| of_it.mend(remedy))
        }
        Reason::PodUnschedulable | Reason::ContainerNotStarted => {
            finding.mend(format!("kubectl -n {namespace} describe pod {name}"))
        }
        _ => finding,
    }
}

fn cause(snapshot: &Snapshot, pod: &Pod) -> (Reason, String) {
    if let Some(found) = pod.containers.iter().find_map(waits) {
        return found;
    }
    if let Some(message) = &pod.unschedulable {
        return (Reason::PodUnschedulable, message.clone());
    }
    let event = newest(snapshot, "Pod", &pod.namespace, &pod.name);
    if let Some(event) = event
        && let Some(found) = unmounted(event)
    {
        return found;
    }
    if let Some(container) = crashed(pod)
        && container.restarts > 0
    {
        return (Reason::CrashLoop, crash(container));
    }
    let young = pod
        .since
        .is_none_or(|since| snapshot.now.duration_since(since) < STARTS);
    match event {
        _ if young => (Reason::Starting, "it is coming up".to_owned()),
        Some(event) => (Reason::NotReady, unready(pod, &event.message)),
        None => (
            Reason::NotReady,
            unready(pod, "it does not say that it is ready"),
        ),
    }
}

/// The probe's word, which is often a number, and that of the program itself.
fn unready(pod: &Pod, probed: &str) -> String {
    let mut containers = pod.containers.iter();
    let said = containers.find_map(|container| container.last_words.as_deref());
    let said = said.map_or_else(String::new, |said| format!("; it said last: {said}"));
    one_line(&format!("{probed}{said}"))
}

/// What a container waits for.
fn waits(container: &Container) -> Option<(Reason, String)> {
    let (reason, message) = container.waits.as_ref()?;
    let name = &container.name;
    if IMAGE.contains(&reason.as_str()) {
        let said = format!(
            "{reason}: the node cannot get image {}: {message}",
            container.image
        );
        return Some((Reason::ImageNotPulled, one_line(&said)));
    }
    match reason.as_str() {
        "CrashLoopBackOff" => Some((Reason::CrashLoop, crash(container))),
        "CreateContainerConfigError" if names_object(message) => {
            let said = format!("container {name} waits: {message}");
            Some((Reason::WaitsForSecret, one_line(&said)))
        }
        "CreateContainerConfigError" | "CreateContainerError" | "RunContainerError" => {
            let said = format!("container {name}, {reason}: {message}");
            Some((Reason::ContainerNotStarted, one_line(&said)))
        }
        // On its way, or kept back by a volume, which Events tell.
        _ => None,
    }
}

/// Whether the kubelet misses a Secret or `ConfigMap`, or an entry of one.
fn names_object(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    let object = message.contains("secret") || message.contains("configmap");
    let missing = ["not found", "non-existent", "couldn't find key"];
    object && missing.iter().any(|words| message.contains(words))
}

/// A volume that cannot be had, or a sandbox that cannot be made.
fn unmounted(event: &Event) -> Option<(Reason, String)> {
    let said = || one_line(&event.message);
    match event.reason.as_str() {
        "FailedMount" if names_object(&event.message) => Some((Reason::WaitsForSecret, said())),
        "FailedMount" | "FailedAttachVolume" | "FailedCreatePodSandBox" => {
            Some((Reason::ContainerNotStarted, said()))
        }
        _ => None,
    }
}

fn crashed(pod: &Pod) -> Option<&Container> {
    pod.containers.iter().find(|c| c.ended.is_some())
}

fn crash(container: &Container) -> String {
    let ended = container.ended.as_deref().unwrap_or("ended");
    let starts = u32::try_from(container.restarts).unwrap_or_default();
    let starts = counted(starts as usize, "restart");
    let name = &container.name;
    let said = container.last_words.as_deref();
    let said = said.map_or_else(String::new, |said| format!("; it said last: {said}"));
    one_line(&format!("container {name} {ended}; {starts}{said}"))
}

/// Messages of nodes have lines; a table has not.
pub(super) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
