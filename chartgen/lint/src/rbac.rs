//! Rights that a chart should not ask for.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::object::Object;
use crate::options::Options;
use crate::report::Finding;
use crate::rule::Rule;
use crate::value::{list, text, texts};

const GROUP: &str = "rbac.authorization.k8s.io";
/// Groups with everybody in them, or with every right.
const WIDE_GROUPS: [&str; 4] = [
    "system:masters",
    "system:authenticated",
    "system:unauthenticated",
    "system:serviceaccounts",
];

pub(crate) fn lint(objects: &[Object], options: &Options) -> Vec<Finding> {
    let accounts = service_accounts(objects, options);
    let mut found = Vec::new();
    for object in objects.iter().filter(|object| object.group() == GROUP) {
        match object.kind() {
            "Role" | "ClusterRole" => role(object, &mut found),
            "RoleBinding" | "ClusterRoleBinding" => binding(object, &accounts, options, &mut found),
            _ => {}
        }
    }
    found
}

fn role(object: &Object, found: &mut Vec<Finding>) {
    for (index, rule) in list(&object.value, "rules").iter().enumerate() {
        let mut refuse = |which, message: String| {
            found.push(Finding::new(
                which,
                object,
                format!("rule {}: {message}", index + 1),
            ));
        };
        let has = |list: &str, wanted: &str| texts(rule, list).any(|item| item == wanted);
        for place in ["verbs", "resources", "apiGroups"] {
            if has(place, "*") {
                refuse(Rule::RbacWildcard, format!("{place} has the wildcard *"));
            }
        }
        for part in texts(rule, "resources").filter(|name| *name != "*" && name.contains('*')) {
            refuse(
                Rule::RbacWildcard,
                format!("resources has the wildcard {part}"),
            );
        }
        for path in texts(rule, "nonResourceURLs").filter(|path| path.contains('*')) {
            refuse(
                Rule::RbacWildcard,
                format!("nonResourceURLs has the wildcard {path}"),
            );
        }
        for verb in ["escalate", "bind", "impersonate"] {
            if has("verbs", verb) {
                refuse(Rule::RbacEscalation, format!("allows to {verb}"));
            }
        }
        // With names it is narrow; a Role reaches one namespace.
        let everywhere = object.kind() == "ClusterRole" && list(rule, "resourceNames").is_empty();
        if everywhere && has("apiGroups", "") && has("resources", "secrets") {
            for verb in ["get", "list", "watch"] {
                if has("verbs", verb) {
                    refuse(
                        Rule::RbacSecrets,
                        format!("allows to {verb} Secrets in all namespaces"),
                    );
                }
            }
        }
    }
}

/// Namespace and name.
type Account = (String, String);

fn service_accounts(objects: &[Object], options: &Options) -> BTreeSet<Account> {
    let accounts = objects
        .iter()
        .filter(|object| (object.group(), object.kind()) == ("", "ServiceAccount"));
    accounts
        .map(|object| {
            let namespace = or_default(object.namespace(), options);
            (namespace, object.name().to_owned())
        })
        .collect()
}

fn or_default(namespace: &str, options: &Options) -> String {
    match namespace {
        "" => options.namespace.clone(),
        named => named.to_owned(),
    }
}

fn binding(
    object: &Object,
    accounts: &BTreeSet<Account>,
    options: &Options,
    found: &mut Vec<Finding>,
) {
    let mut refuse = |rule, message: String| found.push(Finding::new(rule, object, message));
    if text(&object.value, "roleRef.name") == "cluster-admin" {
        refuse(Rule::RbacBinding, "binds cluster-admin".to_owned());
    }
    for subject in list(&object.value, "subjects") {
        let name = text(subject, "name");
        match text(subject, "kind") {
            "Group" if is_wide(name) => {
                refuse(Rule::RbacBinding, format!("binds the group {name}"));
            }
            "User" if name == "system:anonymous" => {
                refuse(
                    Rule::RbacBinding,
                    "binds the user system:anonymous".to_owned(),
                );
            }
            "ServiceAccount" => {
                if let Some(message) = missing(subject, accounts, options) {
                    refuse(Rule::RbacSubjectMissing, message);
                }
            }
            _ => {}
        }
    }
}

fn is_wide(group: &str) -> bool {
    WIDE_GROUPS.contains(&group)
}

fn missing(subject: &Value, accounts: &BTreeSet<Account>, options: &Options) -> Option<String> {
    let namespace = or_default(text(subject, "namespace"), options);
    let name = text(subject, "name").to_owned();
    let message = format!("its service account {namespace}/{name} is not among the manifests");
    (!accounts.contains(&(namespace, name))).then_some(message)
}
