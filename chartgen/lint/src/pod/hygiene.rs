//! What works without, and works better with.

use serde_json::Value;

use super::{Pod, Violation};
use crate::object::Object;
use crate::rule::Rule;
use crate::value::{at, flag, is_true, list, text};

pub(super) fn check(object: &Object, pod: Pod<'_>) -> Vec<Violation> {
    let mut found = Vec::new();
    if at(pod.spec, "automountServiceAccountToken").is_none() {
        let message = "does not say automountServiceAccountToken";
        found.push(Violation::of_pod(
            Rule::ServiceAccountTokenImplicit,
            message,
        ));
    }
    if flag(pod.spec, "enableServiceLinks") != Some(false) {
        let message = "enableServiceLinks is not false";
        found.push(Violation::of_pod(Rule::ServiceLinks, message));
    }
    let runs_for_ever = [
        "Deployment",
        "StatefulSet",
        "DaemonSet",
        "ReplicaSet",
        "ReplicationController",
    ]
    .contains(&object.kind());
    for container in list(pod.spec, "containers")
        .iter()
        .chain(list(pod.spec, "initContainers"))
    {
        of_container(container, &mut found);
    }
    for container in list(pod.spec, "containers")
        .iter()
        .filter(|_| runs_for_ever)
    {
        for probe in ["readinessProbe", "livenessProbe"] {
            if at(container, probe).is_none() {
                let message = format!("has no {probe}");
                found.push(Violation::of_container(
                    Rule::ProbeMissing,
                    container,
                    message,
                ));
            }
        }
    }
    found
}

fn of_container(container: &Value, found: &mut Vec<Violation>) {
    for resource in ["cpu", "memory"] {
        // A limit alone is the request as well.
        let given = |kind: &str| at(container, &format!("resources.{kind}.{resource}")).is_some();
        if !given("requests") && !given("limits") {
            let message = format!("requests no {resource}");
            found.push(Violation::of_container(
                Rule::ResourcesMissing,
                container,
                message,
            ));
        }
    }
    if !is_true(container, "securityContext.readOnlyRootFilesystem") {
        let message = "readOnlyRootFilesystem is not true";
        found.push(Violation::of_container(
            Rule::RootFilesystemWritable,
            container,
            message,
        ));
    }
    let image = text(container, "image");
    if let Some(message) = moving_image(image) {
        found.push(Violation::of_container(Rule::ImageTag, container, message));
    }
}

fn moving_image(image: &str) -> Option<String> {
    if image.contains('@') {
        return None;
    }
    // A colon before the last slash is the registry's port.
    let name = image.rsplit('/').next().unwrap_or_default();
    match name.split_once(':') {
        Some((_, "latest")) => Some(format!("the image {image:?} has the tag latest")),
        Some((_, tag)) if !tag.is_empty() => None,
        _ => Some(format!("the image {image:?} has no tag")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_that_move_are_found() {
        for image in ["web", "r.example:5000/web", "r.example/web:latest", ""] {
            assert!(moving_image(image).is_some(), "{image}");
        }
        for image in ["web:1", "r.example:5000/web:v1.2", "web@sha256:00"] {
            assert_eq!(moving_image(image), None, "{image}");
        }
    }
}
