//! Account, roles and bindings of the check, there only while it runs.

use chartgen::tree::{Item, Node, Part, item};
use chartgen::{Document, Expr, helpers, v};
use fleet_check_core::rbac::{GRANTS, Scope};
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{
    ClusterRole, ClusterRoleBinding, Role, RoleBinding, RoleRef, Subject,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::{enabled, metadata};
use crate::platform::names;
use crate::platform::values::Values;
use crate::workload::hook;
use crate::workload::rbac::{role_ref, rules};

/// Before the pod: roles, and then who has them.
const ROLES: i8 = -20;
const BINDINGS: i8 = -10;

/// All of them.
pub(in crate::platform) fn documents() -> Vec<Document> {
    let account = ServiceAccount {
        metadata: metadata(),
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    };
    let account = made(Document::new(&account), ROLES, release());
    let cluster = [cluster_role(), cluster_binding()];
    // Two namespaces may be one; then the names keep the roles apart.
    let tokens = v!(Values, auth.enrolment_tokens.namespace);
    let beside = role(Scope::Deployment, names::CHECK, &release());
    let of_tokens = role(Scope::Tokens, TOKENS, &tokens.into());
    let all = [account].into_iter().chain(cluster).chain(beside);
    all.chain(of_tokens).collect()
}

const TOKENS: &str = "fleet-check-tokens";

fn release() -> Expr {
    Expr::release_namespace()
}

fn made(document: Document, weight: i8, namespace: Expr) -> Document {
    anywhere(document, weight).bind("/metadata/namespace", namespace)
}

fn anywhere(document: Document, weight: i8) -> Document {
    hook::test(document, weight)
        .splice("/metadata/labels", helpers::component_labels("check"))
        .document_when(enabled())
}

/// The check's own rules, each with its reason.
fn granted(scope: Scope) -> Vec<Part<Item>> {
    rules(GRANTS, &scope, |names| {
        let names = fleet_rbac::Names::names(names, &())?;
        Some(Node::seq(names.into_iter().map(item)))
    })
}

fn cluster_role() -> Document {
    let role = ClusterRole {
        metadata: without_namespace(),
        rules: Some(Vec::new()),
        aggregation_rule: None,
    };
    anywhere(Document::new(&role), ROLES).add_items("/rules", granted(Scope::Cluster))
}

fn cluster_binding() -> Document {
    let binding = ClusterRoleBinding {
        metadata: without_namespace(),
        role_ref: named("ClusterRole", names::CHECK),
        subjects: Some(vec![subject()]),
    };
    anywhere(Document::new(&binding), BINDINGS).bind("/subjects/0/namespace", release())
}

fn role(scope: Scope, name: &str, namespace: &Expr) -> [Document; 2] {
    let called = || ObjectMeta {
        name: Some(name.to_owned()),
        ..metadata()
    };
    let role = Role {
        metadata: called(),
        rules: Some(Vec::new()),
    };
    let binding = RoleBinding {
        metadata: called(),
        role_ref: named("Role", name),
        subjects: Some(vec![subject()]),
    };
    [
        made(Document::new(&role), ROLES, namespace.clone()).add_items("/rules", granted(scope)),
        made(Document::new(&binding), BINDINGS, namespace.clone())
            .bind("/subjects/0/namespace", release()),
    ]
}

fn without_namespace() -> ObjectMeta {
    ObjectMeta {
        namespace: None,
        ..metadata()
    }
}

fn named(kind: &str, name: &str) -> RoleRef {
    RoleRef {
        name: name.to_owned(),
        ..role_ref(kind)
    }
}

fn subject() -> Subject {
    Subject {
        kind: "ServiceAccount".to_owned(),
        name: names::CHECK.to_owned(),
        namespace: Some(String::new()),
        api_group: None,
    }
}
