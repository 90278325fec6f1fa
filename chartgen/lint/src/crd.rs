//! Custom resource definitions.

use serde_json::Value;

use crate::object::Object;
use crate::options::Options;
use crate::report::Finding;
use crate::rule::Rule;
use crate::value::{at, is_true, list, text};

const ARGO_OPTIONS: &str = "argocd.argoproj.io/sync-options";
const ARGO_WANTED: [&str; 3] = ["Prune=false", "Delete=false", "ServerSideApply=true"];

pub(crate) fn is_crd(object: &Object) -> bool {
    (object.group(), object.kind()) == ("apiextensions.k8s.io", "CustomResourceDefinition")
}

pub(crate) fn lint(object: &Object, options: &Options) -> Vec<Finding> {
    let mut found = Vec::new();
    if !is_crd(object) {
        return found;
    }
    let mut refuse = |rule, message: String| found.push(Finding::new(rule, object, message));
    let size = object.value.to_string().len();
    if size >= options.crd_limit {
        refuse(
            Rule::CrdSize,
            format!("takes {size} bytes; the limit is {}", options.crd_limit),
        );
    }
    if is_true(&object.value, "spec.preserveUnknownFields") {
        refuse(
            Rule::CrdSchema,
            "spec.preserveUnknownFields is true".to_owned(),
        );
    }
    for message in list(&object.value, "spec.versions")
        .iter()
        .filter_map(version)
    {
        refuse(Rule::CrdSchema, message);
    }
    if options.crd_keep && object.annotation("helm.sh/resource-policy") != "keep" {
        refuse(
            Rule::CrdKeep,
            "has no annotation helm.sh/resource-policy: keep".to_owned(),
        );
    }
    if options.crd_argo {
        let given: Vec<_> = object
            .annotation(ARGO_OPTIONS)
            .split(',')
            .map(str::trim)
            .collect();
        let missing: Vec<_> = ARGO_WANTED
            .into_iter()
            .filter(|option| !given.contains(option))
            .collect();
        if !missing.is_empty() {
            refuse(
                Rule::CrdArgo,
                format!("{ARGO_OPTIONS} lacks {}", missing.join(",")),
            );
        }
    }
    found
}

fn version(version: &Value) -> Option<String> {
    let name = text(version, "name");
    let Some(schema) = at(version, "schema.openAPIV3Schema") else {
        return Some(format!("version {name} has no schema"));
    };
    let kind = text(schema, "type");
    if kind != "object" {
        return Some(format!(
            "the schema of version {name} is not of type object"
        ));
    }
    unstructural(schema, "")
        .map(|place| format!("the schema of version {name} has no type at {place:?}"))
}

/// The first place that a structural schema needs a type at and has none.
fn unstructural(schema: &Value, place: &str) -> Option<String> {
    let free = [
        "x-kubernetes-preserve-unknown-fields",
        "x-kubernetes-int-or-string",
    ]
    .iter()
    .any(|name| schema.get(*name) == Some(&Value::Bool(true)));
    if text(schema, "type").is_empty() && !free {
        return Some(place.to_owned());
    }
    children(schema).find_map(|(name, child)| unstructural(child, &format!("{place}.{name}")))
}

/// The schemas inside a schema: properties, entries, values.
pub(crate) fn children(schema: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let properties = schema.get("properties").and_then(Value::as_object);
    let properties = properties
        .into_iter()
        .flatten()
        .map(|(name, child)| (name.as_str(), child));
    let items = schema.get("items").map(|child| ("[]", child));
    let values = schema
        .get("additionalProperties")
        .filter(|child| child.is_object());
    properties
        .chain(items)
        .chain(values.map(|child| ("*", child)))
}
