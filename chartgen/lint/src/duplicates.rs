//! What is there twice.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::object::Object;
use crate::options::Options;
use crate::pod::Pod;
use crate::report::Finding;
use crate::rule::Rule;
use crate::value::{list, text};

/// The same object twice in one release.
pub(crate) fn objects(objects: &[Object], options: &Options) -> Vec<Finding> {
    let mut first = BTreeMap::new();
    let mut found = Vec::new();
    for object in objects.iter().filter(|object| !object.name().is_empty()) {
        let namespace = match object.namespace() {
            "" => options.namespace.as_str(),
            named => named,
        };
        // The version does not count: it is the same object under two.
        let identity = (object.group(), object.kind(), namespace, object.name());
        if let Some(place) = first.insert(identity, &object.place) {
            let message = format!("is at {place} as well");
            found.push(Finding::new(Rule::DuplicateObject, object, message));
        }
    }
    found
}

/// Lists that the API server merges by a key (`x-kubernetes-list-map-keys`), and by which.
const OF_POD: [(&str, &[&str]); 6] = [
    ("volumes", &["name"]),
    ("imagePullSecrets", &["name"]),
    ("hostAliases", &["ip"]),
    (
        "topologySpreadConstraints",
        &["topologyKey", "whenUnsatisfiable"],
    ),
    ("schedulingGates", &["name"]),
    ("resourceClaims", &["name"]),
];
const OF_CONTAINER: [(&str, &[&str]); 4] = [
    ("env", &["name"]),
    ("ports", &["containerPort", "protocol"]),
    ("volumeMounts", &["mountPath"]),
    ("volumeDevices", &["devicePath"]),
];
const OF_SERVICE: [(&str, &[&str]); 1] = [("spec.ports", &["port", "protocol"])];

/// Two entries with the same key in such a list.
pub(crate) fn entries(object: &Object) -> Vec<Finding> {
    let mut found = Vec::new();
    if (object.group(), object.kind()) == ("", "Service") {
        lists(object, &object.value, &OF_SERVICE, None, &mut found);
    }
    let Some(pod) = Pod::in_object(object) else {
        return found;
    };
    lists(object, pod.spec, &OF_POD, None, &mut found);
    let mut names = BTreeSet::new();
    for container in pod.containers() {
        let name = text(container, "name");
        if !names.insert(name) {
            let message = format!("two containers are named {name:?}");
            found.push(Finding::new(Rule::DuplicateEntry, object, message));
        }
        lists(object, container, &OF_CONTAINER, Some(name), &mut found);
    }
    found
}

fn lists(
    object: &Object,
    holder: &Value,
    known: &[(&str, &[&str])],
    container: Option<&str>,
    found: &mut Vec<Finding>,
) {
    for (path, keys) in known {
        let mut seen = BTreeSet::new();
        for entry in list(holder, path) {
            let key: Vec<_> = keys.iter().map(|key| shown(entry, key)).collect();
            let key = key.join(", ");
            if !seen.insert(key.clone()) {
                let message = format!("{path} has two entries with {} {key}", keys.join(", "));
                found.push(Finding {
                    container: container.map(str::to_owned),
                    ..Finding::new(Rule::DuplicateEntry, object, message)
                });
            }
        }
    }
}

fn shown(entry: &Value, key: &str) -> String {
    match entry.get(key) {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        // The one key here that the server fills in.
        None if key == "protocol" => "TCP".to_owned(),
        None => String::new(),
    }
}
