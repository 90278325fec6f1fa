//! What of an object is worth keeping: what people decided, and what cannot be found out again.

use std::collections::BTreeMap;

use kube::api::{DynamicObject, ObjectMeta};
use serde_json::{Value, json};

use super::kind::Kind;

/// Who writes the labels that a device claims; the rest are people's.
const OPERATOR: &str = "fleet-operator";

/// The object without what only its cluster knows; nothing if there is nothing to keep.
pub(super) fn saved(kind: Kind, object: &DynamicObject) -> Option<DynamicObject> {
    let given = &object.metadata;
    let mut metadata = ObjectMeta {
        name: given.name.clone(),
        namespace: given.namespace.clone(),
        labels: given.labels.clone(),
        annotations: given.annotations.clone(),
        ..ObjectMeta::default()
    };
    let keys: &[&str] = match kind {
        Kind::Secret => &["type", "immutable", "data"],
        Kind::Deployment => &["spec"],
        // Everything else of it comes from the device again; the API server wants a spec.
        Kind::Device => {
            let labels = of_people(given);
            if labels.is_empty() {
                return None;
            }
            metadata.labels = Some(labels);
            metadata.annotations = None;
            &[]
        }
        // The status says which key at the identity provider is the device's, and that it has changed
        // the one it asked with.
        Kind::Enrolment => &["spec", "status"],
    };
    let empty = (kind == Kind::Device).then(|| ("spec".to_owned(), json!({})));
    let found = keys.iter().filter_map(|key| {
        let value = object.data.get(key)?;
        Some(((*key).to_owned(), value.clone()))
    });
    Some(DynamicObject {
        types: Some(kube::api::TypeMeta {
            api_version: kind.resource().api_version,
            kind: kind.resource().kind,
        }),
        metadata,
        data: Value::Object(found.chain(empty).collect()),
    })
}

/// The labels that the operator did not write.
fn of_people(metadata: &ObjectMeta) -> BTreeMap<String, String> {
    let managers = metadata.managed_fields.iter().flatten();
    let operators = managers.filter(|entry| entry.manager.as_deref() == Some(OPERATOR));
    let written: Vec<_> = operators
        .filter_map(|entry| entry.fields_v1.as_ref())
        .map(|fields| &fields.0["f:metadata"]["f:labels"])
        .collect();
    let is_written = |key: &str| {
        let key = format!("f:{key}");
        written.iter().any(|labels| labels.get(&key).is_some())
    };
    let labels = metadata.labels.iter().flatten();
    labels
        .filter(|(key, _)| !is_written(key))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

/// A file of objects, such as kubectl would take.
pub(super) fn list(objects: &[DynamicObject]) -> Value {
    json!({"apiVersion": "v1", "kind": "List", "items": objects})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(value: Value) -> DynamicObject {
        serde_json::from_value(value).expect("an object")
    }

    #[test]
    fn of_a_deployment_what_somebody_wrote_is_kept() {
        let found = object(json!({
            "metadata": {
                "name": "web", "namespace": "shop", "uid": "1", "resourceVersion": "7",
                "creationTimestamp": "2026-01-01T00:00:00Z", "generation": 3,
                "finalizers": ["fleet.nationtech.io/devices"],
                "labels": {"team": "a"}, "annotations": {"why": "b"},
            },
            "spec": {"targetAll": true},
            "status": {"aggregate": {}},
        }));
        let kept = saved(Kind::Deployment, &found).expect("kept");
        let wanted = json!({
            "apiVersion": "fleet.nationtech.io/v1alpha1", "kind": "Deployment",
            "metadata": {
                "name": "web", "namespace": "shop",
                "labels": {"team": "a"}, "annotations": {"why": "b"},
            },
            "spec": {"targetAll": true},
        });
        assert_eq!(json!(kept), wanted);
    }

    #[test]
    fn of_a_device_the_labels_that_people_gave_it_are_kept() {
        let device = |labels: Value| {
            object(json!({
                "metadata": {
                    "name": "pi-7", "labels": labels,
                    "managedFields": [
                        {"manager": "fleet-operator", "operation": "Apply", "fieldsType": "FieldsV1",
                         "fieldsV1": {"f:metadata": {"f:labels": {"f:device-id": {}}}}},
                        {"manager": "kubectl", "operation": "Update", "fieldsType": "FieldsV1",
                         "fieldsV1": {"f:metadata": {"f:labels": {"f:site": {}}}}},
                    ],
                },
                "spec": {"inventory": {"architecture": "aarch64"}},
            }))
        };
        let kept = saved(
            Kind::Device,
            &device(json!({"device-id": "pi-7", "site": "x"})),
        );
        let wanted = json!({
            "apiVersion": "fleet.nationtech.io/v1alpha1", "kind": "Device",
            "metadata": {"name": "pi-7", "labels": {"site": "x"}}, "spec": {},
        });
        assert_eq!(json!(kept.expect("kept")), wanted);
        let none = saved(Kind::Device, &device(json!({"device-id": "pi-7"})));
        assert_eq!(none, None);
    }
}
