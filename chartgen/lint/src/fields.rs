//! Fields that the API does not have.
//!
//! An object goes through its type of k8s-openapi and back: what is gone afterwards, the type did
//! not know. Types are those of one Kubernetes version (a feature of k8s-openapi that the final
//! program chooses); a field that is newer than it counts as unknown.

use k8s_openapi::Resource;
use k8s_openapi::serde::Serialize;
use k8s_openapi::serde::de::DeserializeOwned;
use serde_json::Value;

use crate::object::Object;
use crate::report::Finding;
use crate::rule::Rule;

/// How many wrong types are looked for in one object.
const MAX_WRONG: usize = 50;

/// Built-in groups: a version of them that is not known is gone, or too new.
const BUILT_IN: [&str; 17] = [
    "",
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "apiregistration.k8s.io",
    "apps",
    "autoscaling",
    "batch",
    "certificates.k8s.io",
    "coordination.k8s.io",
    "discovery.k8s.io",
    "extensions",
    "flowcontrol.apiserver.k8s.io",
    "networking.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "scheduling.k8s.io",
    "storage.k8s.io",
];

pub(crate) fn lint(object: &Object) -> Vec<Finding> {
    if object.kind().is_empty() || object.api_version().is_empty() {
        return Vec::new(); // found already
    }
    let Some(trip) = trip(object.api_version(), object.kind()) else {
        return vec![unchecked(object)];
    };
    let mut value = object.value.clone();
    let mut found = Vec::new();
    while found.len() < MAX_WRONG {
        match trip(&value) {
            Ok(known) => {
                let mut lost = Vec::new();
                lost_fields(&value, &known, "", &mut lost);
                let unknown = lost.into_iter().map(|path| {
                    Finding::new(
                        Rule::UnknownField,
                        object,
                        format!("there is no field {path}"),
                    )
                });
                found.extend(unknown);
                break;
            }
            Err(Mistyped { path, message }) => {
                found.push(Finding::new(
                    Rule::WrongType,
                    object,
                    format!("{path}: {message}"),
                ));
                // Without it the rest can be checked.
                if !remove(&mut value, &path) {
                    break;
                }
            }
        }
    }
    found
}

fn unchecked(object: &Object) -> Finding {
    let shown = format!("{} {}", object.api_version(), object.kind());
    if BUILT_IN.contains(&object.group()) {
        let message =
            format!("{shown} is not an API of current Kubernetes; its fields were not checked");
        return Finding::new(Rule::KindNotServed, object, message);
    }
    let message = format!("{shown} is a custom resource; its fields were not checked");
    Finding::new(Rule::KindNotChecked, object, message)
}

/// What is in `given` and not in `known`, by path. Values are not compared: times and quantities
/// have several spellings.
fn lost_fields(given: &Value, known: &Value, place: &str, lost: &mut Vec<String>) {
    match (given, known) {
        (Value::Object(given), Value::Object(known)) => {
            for (name, value) in given {
                let place = if place.is_empty() {
                    name.clone()
                } else {
                    format!("{place}.{name}")
                };
                match known.get(name) {
                    Some(known) => lost_fields(value, known, &place, lost),
                    None => lost.push(place),
                }
            }
        }
        (Value::Array(given), Value::Array(known)) => {
            for (index, (value, known)) in given.iter().zip(known).enumerate() {
                lost_fields(value, known, &format!("{place}[{index}]"), lost);
            }
        }
        _ => {}
    }
}

/// A field with a value of the wrong type.
struct Mistyped {
    path: String,
    message: String,
}

type Trip = fn(&Value) -> Result<Value, Mistyped>;

fn through<T: DeserializeOwned + Serialize>(value: &Value) -> Result<Value, Mistyped> {
    let typed: T = serde_path_to_error::deserialize(value).map_err(|error| Mistyped {
        path: error.path().to_string(),
        message: error.inner().to_string(),
    })?;
    serde_json::to_value(typed).map_err(|error| Mistyped {
        path: ".".to_owned(),
        message: error.to_string(),
    })
}

/// Removes what a path such as `spec.ports[0].port` leads to. Names with dots are not found.
fn remove(value: &mut Value, path: &str) -> bool {
    let steps: Vec<_> = path
        .split(['.', '['])
        .map(|step| step.trim_end_matches(']'))
        .collect();
    let Some((name, rest)) = steps.split_last() else {
        return false;
    };
    let mut holder = value;
    for step in rest {
        let next = match holder {
            Value::Object(map) => map.get_mut(*step),
            Value::Array(list) => step
                .parse()
                .ok()
                .and_then(|index: usize| list.get_mut(index)),
            _ => None,
        };
        match next {
            Some(next) => holder = next,
            None => return false,
        }
    }
    match holder {
        Value::Object(map) => map.remove(*name).is_some(),
        Value::Array(list) => match name.parse::<usize>() {
            Ok(index) if index < list.len() => {
                list.remove(index);
                true
            }
            _ => false,
        },
        _ => false,
    }
}

macro_rules! kinds {
    ($($($module:ident)::+ { $($name:ident)* })*) => {
        /// The round trip of a kind that k8s-openapi has a type for.
        fn trip(api_version: &str, kind: &str) -> Option<Trip> {
            use k8s_openapi::{api, apiextensions_apiserver, kube_aggregator};
            $({
                use $($module)::+ as module;
                $(if (api_version, kind) == (module::$name::API_VERSION, module::$name::KIND) {
                    return Some(through::<module::$name>);
                })*
            })*
            None
        }
    };
}

kinds! {
    api::core::v1 {
        ConfigMap Endpoints LimitRange Namespace PersistentVolume PersistentVolumeClaim Pod
        PodTemplate ReplicationController ResourceQuota Secret Service ServiceAccount Event Node
    }
    api::apps::v1 { ControllerRevision DaemonSet Deployment ReplicaSet StatefulSet }
    api::batch::v1 { CronJob Job }
    api::autoscaling::v1 { HorizontalPodAutoscaler }
    api::autoscaling::v2 { HorizontalPodAutoscaler }
    api::policy::v1 { PodDisruptionBudget }
    api::rbac::v1 { ClusterRole ClusterRoleBinding Role RoleBinding }
    api::networking::v1 { Ingress IngressClass NetworkPolicy IPAddress ServiceCIDR }
    api::discovery::v1 { EndpointSlice }
    api::coordination::v1 { Lease }
    api::scheduling::v1 { PriorityClass }
    api::node::v1 { RuntimeClass }
    api::certificates::v1 { CertificateSigningRequest }
    api::storage::v1 { CSIDriver CSINode CSIStorageCapacity StorageClass VolumeAttachment }
    api::flowcontrol::v1 { FlowSchema PriorityLevelConfiguration }
    api::admissionregistration::v1 {
        MutatingWebhookConfiguration ValidatingWebhookConfiguration ValidatingAdmissionPolicy
        ValidatingAdmissionPolicyBinding
    }
    apiextensions_apiserver::pkg::apis::apiextensions::v1 { CustomResourceDefinition }
    kube_aggregator::pkg::apis::apiregistration::v1 { APIService }
}
