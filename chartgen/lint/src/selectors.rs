//! Selectors and the labels they must find.

use serde_json::Value;

use crate::object::Object;
use crate::report::Finding;
use crate::rule::Rule;
use crate::value::{at, entries, list, text, texts};

/// A workload whose selector does not match its own pods: the API server refuses it.
pub(crate) fn lint(object: &Object) -> Vec<Finding> {
    let selector = match (object.group(), object.kind()) {
        ("apps", "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet") => "spec.selector",
        ("", "ReplicationController") => return replication_controller(object),
        _ => return Vec::new(),
    };
    let labels = at(&object.value, "spec.template.metadata.labels");
    let mut found = Vec::new();
    let mut refuse =
        |message: String| found.push(Finding::new(Rule::SelectorMismatch, object, message));
    let equal = format!("{selector}.matchLabels");
    for (key, value) in entries(&object.value, &equal) {
        if let Some(message) = wrong_label(labels, key, value) {
            refuse(message);
        }
    }
    let expressions = list(&object.value, &format!("{selector}.matchExpressions"));
    for expression in expressions
        .iter()
        .filter(|expression| !holds(expression, labels))
    {
        refuse(format!("the template's labels do not satisfy {expression}"));
    }
    if entries(&object.value, &equal).next().is_none() && expressions.is_empty() {
        refuse("the selector is empty".to_owned());
    }
    found
}

fn replication_controller(object: &Object) -> Vec<Finding> {
    let labels = at(&object.value, "spec.template.metadata.labels");
    let wrong = entries(&object.value, "spec.selector")
        .filter_map(|(key, value)| wrong_label(labels, key, value));
    wrong
        .map(|message| Finding::new(Rule::SelectorMismatch, object, message))
        .collect()
}

fn label<'a>(labels: Option<&'a Value>, key: &str) -> Option<&'a str> {
    labels?.get(key)?.as_str()
}

fn wrong_label(labels: Option<&Value>, key: &str, wanted: &Value) -> Option<String> {
    let found = label(labels, key);
    if found == wanted.as_str() {
        return None;
    }
    Some(match found {
        Some(found) => format!(
            "selects {key}={}, the template has {found:?}",
            shown(wanted)
        ),
        None => format!(
            "selects {key}={}, which the template does not have",
            shown(wanted)
        ),
    })
}

fn shown(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

fn holds(expression: &Value, labels: Option<&Value>) -> bool {
    let found = label(labels, text(expression, "key"));
    let listed =
        || found.is_some_and(|found| texts(expression, "values").any(|value| value == found));
    match text(expression, "operator") {
        "In" => listed(),
        "NotIn" => !listed(),
        "Exists" => found.is_some(),
        "DoesNotExist" => found.is_none(),
        _ => false,
    }
}
