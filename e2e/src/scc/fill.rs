//! What OpenShift fills in where a pod says nothing.
//!
//! JSON patches, because an apply configuration would overwrite what is set. They come in steps:
//! each sees what the last one made, so that a later one may rely on parents being there.

use serde_json::{Value, json};

use super::{IdRange, constraints};

/// The lists of containers that a new pod can have.
const LISTS: [&str; 2] = ["containers", "initContainers"];

pub(super) fn policy(range: IdRange) -> Value {
    let steps = [pod(range), contexts(), capabilities(), containers(range)];
    let mutations: Vec<_> = steps
        .into_iter()
        .map(
            |expression| json!({"patchType": "JSONPatch", "jsonPatch": {"expression": expression}}),
        )
        .collect();
    json!({
        "failurePolicy": "Fail",
        "reinvocationPolicy": "IfNeeded",
        "matchConstraints": constraints(&["CREATE"], &["pods"]),
        "mutations": mutations,
    })
}

/// `add` at a fixed path, if a condition holds.
fn add_if(condition: &str, path: &str, value: &str) -> String {
    format!("({condition} ? [JSONPatch{{op: \"add\", path: \"{path}\", value: {value}}}] : [])")
}

/// `add` at a path below each container of a list for which a condition on it holds.
fn add_to_each(list: &str, condition: impl Fn(&str) -> String, path: &str, value: &str) -> String {
    let all = format!("object.spec.{list}");
    let condition = condition(&format!("{all}[i].securityContext"));
    format!(
        "(has({all}) ? lists.range(size({all})).filter(i, {condition}).map(i, \
         JSONPatch{{op: \"add\", path: \"/spec/{list}/\" + string(i) + \
         \"/securityContext{path}\", value: {value}}}) : [])"
    )
}

fn pod(range: IdRange) -> String {
    let lacks = |field: &str| {
        format!("!has(object.spec.securityContext) || !has(object.spec.securityContext.{field})")
    };
    [
        add_if(
            "!has(object.spec.securityContext)",
            "/spec/securityContext",
            "Object.spec.securityContext{}",
        ),
        add_if(
            &lacks("fsGroup"),
            "/spec/securityContext/fsGroup",
            &range.start.to_string(),
        ),
        add_if(
            &lacks("seccompProfile"),
            "/spec/securityContext/seccompProfile",
            "Object.spec.securityContext.seccompProfile{type: \"RuntimeDefault\"}",
        ),
    ]
    .join(" + ")
}

/// Every container gets a security context.
fn contexts() -> String {
    let each = LISTS.map(|list| {
        let empty = format!("Object.spec.{list}.securityContext{{}}");
        add_to_each(list, |context| format!("!has({context})"), "", &empty)
    });
    each.join(" + ")
}

/// Every container drops all capabilities, and whatever it drops itself.
fn capabilities() -> String {
    let each = LISTS.map(|list| {
        let path = "/capabilities";
        let all = format!("Object.spec.{list}.securityContext.capabilities{{drop: [\"ALL\"]}}");
        let none = |context: &str| format!("!has({context}.capabilities)");
        let no_drop = |context: &str| {
            format!("has({context}.capabilities) && !has({context}.capabilities.drop)")
        };
        let others = |context: &str| {
            let drop = format!("{context}.capabilities.drop");
            format!("has({context}.capabilities) && has({drop}) && !(\"ALL\" in {drop})")
        };
        [
            add_to_each(list, none, path, &all),
            add_to_each(list, no_drop, &format!("{path}/drop"), "[\"ALL\"]"),
            add_to_each(list, others, &format!("{path}/drop/-"), "\"ALL\""),
        ]
        .join(" + ")
    });
    each.join(" + ")
}

/// What a container leaves open and the pod does not say either.
fn containers(range: IdRange) -> String {
    let both_lack = |field: &'static str| {
        move |context: &str| {
            format!("!has({context}.{field}) && !has(object.spec.securityContext.{field})")
        }
    };
    let lacks_escalation = |context: &str| format!("!has({context}.allowPrivilegeEscalation)");
    let start = range.start.to_string();
    let each = LISTS.map(|list| {
        [
            add_to_each(list, both_lack("runAsUser"), "/runAsUser", &start),
            add_to_each(list, both_lack("runAsNonRoot"), "/runAsNonRoot", "true"),
            add_to_each(list, lacks_escalation, "/allowPrivilegeEscalation", "false"),
        ]
        .join(" + ")
    });
    each.join(" + ")
}
