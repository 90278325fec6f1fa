//! Two releases of the same chart: what an upgrade from one to the other would break.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::crd::{children, is_crd};
use crate::object::{Manifests, Object};
use crate::report::{Finding, Report};
use crate::rule::Rule;
use crate::value::{at, is_true, list, text};

/// Fields that the API server does not let change, by group and kind.
fn immutable(object: &Object) -> &'static [&'static str] {
    match (object.group(), object.kind()) {
        ("apps", "Deployment" | "DaemonSet" | "ReplicaSet") => &["spec.selector"],
        ("apps", "StatefulSet") => &[
            "spec.selector",
            "spec.serviceName",
            "spec.podManagementPolicy",
            "spec.volumeClaimTemplates",
        ],
        ("batch", "Job") => &["spec.selector", "spec.template", "spec.completionMode"],
        ("", "PersistentVolumeClaim") => &[
            "spec.accessModes",
            "spec.selector",
            "spec.storageClassName",
            "spec.volumeMode",
            "spec.volumeName",
        ],
        ("", "Service") => &["spec.clusterIP"],
        ("", "Secret") => &["type"],
        ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") => &["roleRef"],
        ("storage.k8s.io", "StorageClass") => &[
            "provisioner",
            "parameters",
            "reclaimPolicy",
            "volumeBindingMode",
        ],
        ("scheduling.k8s.io", "PriorityClass") => &["value", "preemptionPolicy"],
        ("apiextensions.k8s.io", "CustomResourceDefinition") => &[
            "spec.group",
            "spec.scope",
            "spec.names.plural",
            "spec.names.kind",
        ],
        _ => &[],
    }
}

/// What would go wrong in an upgrade from `old` to `new`, as findings about the new objects.
pub fn compare(old: &Manifests, new: &Manifests) -> Report {
    let before: BTreeMap<_, _> = old
        .objects
        .iter()
        .map(|object| (identity(object), object))
        .collect();
    let mut findings = Vec::new();
    for object in &new.objects {
        let Some(old) = before.get(&identity(object)) else {
            continue;
        };
        // Hooks are deleted before they are created anew.
        if !object.is_hook() {
            fields(old, object, &mut findings);
        }
        if is_crd(object) {
            versions(old, object, &mut findings);
        }
        let keep = |object: &Object| object.annotation("helm.sh/resource-policy") == "keep";
        if keep(old) && !keep(object) {
            let message = "the annotation helm.sh/resource-policy: keep is gone";
            findings.push(Finding::new(Rule::UpgradeKeepRemoved, object, message));
        }
    }
    let mut report = Report {
        objects: new.objects.len(),
        findings,
    };
    report.sort();
    report
}

fn identity(object: &Object) -> (&str, &str, &str, &str) {
    (
        object.group(),
        object.kind(),
        object.namespace(),
        object.name(),
    )
}

fn fields(old: &Object, new: &Object, findings: &mut Vec<Finding>) {
    let is_immutable = |object: &Object| is_true(&object.value, "immutable");
    if is_immutable(old)
        && ["data", "binaryData", "stringData"]
            .iter()
            .any(|path| differ(old, new, path))
    {
        let message = "is immutable, and its data changed";
        findings.push(Finding::new(Rule::UpgradeImmutableField, new, message));
    }
    for path in immutable(new).iter().filter(|path| differ(old, new, path)) {
        let message = match (shown(old, path), shown(new, path)) {
            (before, after) if before.len() + after.len() < 160 => {
                format!("{path} was {before} and is {after}")
            }
            _ => format!("{path} changed"),
        };
        findings.push(Finding::new(Rule::UpgradeImmutableField, new, message));
    }
}

fn differ(old: &Object, new: &Object, path: &str) -> bool {
    // Leaving an address out means to keep the one the server gave.
    let given_by_server = path == "spec.clusterIP" && text(&new.value, path).is_empty();
    at(&old.value, path) != at(&new.value, path) && !given_by_server
}

fn shown(object: &Object, path: &str) -> String {
    at(&object.value, path).map_or_else(|| "not set".to_owned(), Value::to_string)
}

fn versions(old: &Object, new: &Object, findings: &mut Vec<Finding>) {
    for version in list(&old.value, "spec.versions")
        .iter()
        .filter(|v| is_true(v, "served"))
    {
        let name = text(version, "name");
        let now = list(&new.value, "spec.versions")
            .iter()
            .find(|v| text(v, "name") == name);
        let Some(now) = now.filter(|v| is_true(v, "served")) else {
            let message = format!("version {name} is not served any more");
            findings.push(Finding::new(Rule::UpgradeCrdVersionRemoved, new, message));
            continue;
        };
        let schema = |version| at(version, "schema.openAPIV3Schema");
        if let (Some(before), Some(after)) = (schema(version), schema(now)) {
            let mut gone = Vec::new();
            removed(before, after, "", &mut gone);
            for path in gone {
                let message = format!("version {name} has no {path} any more");
                findings.push(Finding::new(Rule::UpgradeCrdFieldRemoved, new, message));
            }
        }
    }
}

fn removed(before: &Value, after: &Value, place: &str, gone: &mut Vec<String>) {
    if after.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(true)) {
        return;
    }
    for (name, child) in children(before) {
        let place = format!("{place}.{name}");
        match children(after).find(|(other, _)| *other == name) {
            Some((_, now)) => removed(child, now, &place, gone),
            None => gone.push(place),
        }
    }
}
