//! Service account, roles and bindings. The rules and their reasons are the operator's own.

use chartgen::tree::{Item, Node, Part, entry, item};
use chartgen::{Cond, Document, Expr, helpers, v};
use fleet_operator_core::rbac::{GRANTS, Grant, Names, Scope, USER_ROLES, UserRole};
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{
    ClusterRole, ClusterRoleBinding, Role, RoleBinding, RoleRef, Subject,
};

use super::metadata::{self, Overlay as _};
use super::values::Values;

pub(super) fn service_account() -> Document {
    let account = ServiceAccount {
        metadata: metadata::namespaced(),
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    };
    Document::new(&account)
        .in_namespace()
        .bind("/metadata/name", helpers::service_account_name())
        .splice(
            "/metadata/annotations",
            v!(Values, service_account.annotations),
        )
        .document_when(v!(Values, service_account.create))
}

/// The operator's own roles with their bindings.
pub(super) fn operator() -> [Document; 4] {
    let create = || Cond::is(v!(Values, rbac.create));
    let role = Role {
        metadata: metadata::namespaced(),
        rules: Some(Vec::new()),
    };
    let cluster_role = ClusterRole {
        metadata: metadata::cluster(),
        rules: Some(Vec::new()),
        aggregation_rule: None,
    };
    [
        Document::new(&cluster_role)
            .labelled()
            .bind("/metadata/name", helpers::fullname())
            .add_items("/rules", rules(GRANTS, Scope::Cluster))
            .document_when(create()),
        Document::new(&ClusterRoleBinding {
            metadata: metadata::cluster(),
            role_ref: role_ref("ClusterRole"),
            subjects: Some(vec![subject()]),
        })
        .labelled()
        .bind("/metadata/name", helpers::fullname())
        .bind("/roleRef/name", helpers::fullname())
        .bind("/subjects/0/name", helpers::service_account_name())
        .bind("/subjects/0/namespace", Expr::release_namespace())
        .document_when(create()),
        Document::new(&role)
            .in_namespace()
            .bind("/metadata/name", helpers::fullname())
            .add_items("/rules", rules(GRANTS, Scope::LeaseNamespace))
            .document_when(create()),
        Document::new(&RoleBinding {
            metadata: metadata::namespaced(),
            role_ref: role_ref("Role"),
            subjects: Some(vec![subject()]),
        })
        .in_namespace()
        .bind("/metadata/name", helpers::fullname())
        .bind("/roleRef/name", helpers::fullname())
        .bind("/subjects/0/name", helpers::service_account_name())
        .bind("/subjects/0/namespace", Expr::release_namespace())
        .document_when(create()),
    ]
}

/// Roles for people; one document each.
pub(super) fn people() -> Vec<Document> {
    USER_ROLES.iter().map(user_role).collect()
}

fn user_role(role: &UserRole) -> Document {
    let mut metadata = metadata::cluster();
    metadata
        .labels
        .get_or_insert_default()
        .extend(role.labels());
    let object = ClusterRole {
        metadata,
        rules: Some(Vec::new()),
        aggregation_rule: None,
    };
    // Roles may have names of any length. Cut to that of a label, those of two releases with long
    // names would be the same, and roles are the cluster's.
    let suffix = Expr::text(format!("-{}", role.suffix));
    Document::new(&object)
        .labelled()
        .bind(
            "/metadata/name",
            Expr::concat([helpers::fullname(), suffix]),
        )
        .comment("/rules", sentence(role.purpose))
        .add_items("/rules", rules(role.grants, Scope::Cluster))
        .document_when(v!(Values, rbac.user_roles))
}

/// The rules of one scope, each below its reason.
fn rules(grants: &[Grant], scope: Scope) -> Vec<Part<Item>> {
    let grants = grants.iter().filter(|grant| grant.scope == scope);
    grants
        .map(|grant| item(rule(grant)).comment(sentence(grant.reason)))
        .collect()
}

/// The Lease is called as the release's other objects are.
fn rule(grant: &Grant) -> Node {
    let list = |items: Vec<String>| Node::seq(items.into_iter().map(item));
    let verbs = grant.verbs.iter().map(|v| v.as_str().to_owned()).collect();
    let mut entries = vec![
        entry("apiGroups", list(vec![grant.api_group.to_owned()])),
        entry("resources", list(vec![grant.resource.to_owned()])),
        entry("verbs", list(verbs)),
    ];
    if grant.names == Names::Lease {
        let names = Node::seq([item(helpers::fullname())]);
        entries.insert(2, entry("resourceNames", names));
    }
    Node::map(entries)
}

pub(super) fn role_ref(kind: &str) -> RoleRef {
    RoleRef {
        api_group: Some("rbac.authorization.k8s.io".to_owned()),
        kind: kind.to_owned(),
        name: String::new(),
    }
}

fn subject() -> Subject {
    Subject {
        kind: "ServiceAccount".to_owned(),
        name: String::new(),
        namespace: Some(String::new()),
        api_group: None,
    }
}

/// Reasons begin in lower case, to be read after a colon.
fn sentence(reason: &str) -> String {
    let mut letters = reason.chars();
    let first = letters.next().map(|c| c.to_uppercase().to_string());
    format!("{}{}.", first.unwrap_or_default(), letters.as_str())
}
