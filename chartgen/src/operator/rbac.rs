//! Service account, roles and bindings. The rules and their reasons are the operator's own.

use chartgen::tree::{Item, Node, Part, item};
use chartgen::{Cond, Document, Expr, helpers, v};
use fleet_operator_core::rbac::{GRANTS, Grant, Names, Scope, USER_ROLES, UserRole};
use k8s_openapi::api::rbac::v1::ClusterRole;

use super::metadata::labelling;
use super::monitoring;
use super::values::Values;
use crate::workload::metadata;
use crate::workload::rbac::{self, account_refs, sentence};

pub(super) fn service_account() -> Document {
    rbac::service_account(&labelling(), &account_refs!(Values))
}

/// The operator's own roles with their bindings.
pub(super) fn operator() -> Vec<Document> {
    let create = Cond::is(v!(Values, rbac.create));
    let refs = account_refs!(Values);
    let everywhere = rules(GRANTS, Scope::Cluster);
    let beside_the_lease = rules(GRANTS, Scope::LeaseNamespace);
    rbac::cluster_role(&labelling(), &refs, everywhere, &create)
        .into_iter()
        .chain(rbac::role(&labelling(), &refs, beside_the_lease, &create))
        .collect()
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
    labelling()
        .anywhere(Document::new(&object))
        .bind(
            "/metadata/name",
            Expr::concat([helpers::fullname(), suffix]),
        )
        .comment("/rules", sentence(role.purpose))
        .add_items("/rules", rules(role.grants, Scope::Cluster))
        .document_when(v!(Values, rbac.user_roles))
}

/// The rules of one scope. The Lease is called as the release's other objects are.
fn rules(grants: &[Grant], scope: Scope) -> Vec<Part<Item>> {
    rbac::rules(grants, &scope, |names| match names {
        Names::Any => None,
        Names::Lease => Some(Node::seq([item(helpers::fullname())])),
        Names::Pages => Some(Node::seq([item(monitoring::proxied())])),
    })
}
