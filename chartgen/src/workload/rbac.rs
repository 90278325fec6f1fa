//! Service accounts, roles and bindings. The rules and their reasons are the programs' own.

use chartgen::tree::{Item, Node, Part, entry, item};
use chartgen::{Cond, Document, Expr, ValueRef};
use fleet_rbac::Grant;
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{
    ClusterRole, ClusterRoleBinding, Role, RoleBinding, RoleRef, Subject,
};

use super::metadata::{self, Labelling};

/// Where in the values a service account is.
#[derive(Debug, Clone)]
pub(crate) struct AccountRefs<V> {
    pub(crate) account: ValueRef<V>,
    pub(crate) create: ValueRef<V>,
    pub(crate) annotations: ValueRef<V>,
}

/// The settings of a service account, at the top of the values or in a group of them.
macro_rules! account_refs {
    ($values:ty $(, $group:ident)?) => {
        $crate::workload::rbac::AccountRefs {
            account: chartgen::v!($values, $($group.)? service_account),
            create: chartgen::v!($values, $($group.)? service_account.create),
            annotations: chartgen::v!($values, $($group.)? service_account.annotations),
        }
    };
}
pub(crate) use account_refs;

/// The service account.
pub(crate) fn service_account<V>(labelling: &Labelling, refs: &AccountRefs<V>) -> Document {
    let account = ServiceAccount {
        metadata: metadata::namespaced(),
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    };
    labelling
        .in_namespace(Document::new(&account))
        .bind(
            "/metadata/name",
            labelling.program.account_name(refs.account.clone()),
        )
        .splice("/metadata/annotations", refs.annotations.clone())
        .document_when(refs.create.clone())
}

/// What a program may do everywhere, and its binding.
pub(crate) fn cluster_role<V>(
    labelling: &Labelling,
    refs: &AccountRefs<V>,
    rules: Vec<Part<Item>>,
    create: &Cond,
) -> [Document; 2] {
    let role = ClusterRole {
        metadata: metadata::cluster(),
        rules: Some(Vec::new()),
        aggregation_rule: None,
    };
    let binding = ClusterRoleBinding {
        metadata: metadata::cluster(),
        role_ref: role_ref("ClusterRole"),
        subjects: Some(vec![subject()]),
    };
    let name = || labelling.program.fullname();
    [
        labelling
            .anywhere(Document::new(&role))
            .bind("/metadata/name", name())
            .add_items("/rules", rules)
            .document_when(create.clone()),
        bound(labelling.anywhere(Document::new(&binding)), labelling, refs)
            .document_when(create.clone()),
    ]
}

/// What a program may do in a namespace, and its binding.
pub(crate) fn role<V>(
    labelling: &Labelling,
    refs: &AccountRefs<V>,
    rules: Vec<Part<Item>>,
    create: &Cond,
) -> [Document; 2] {
    let role = Role {
        metadata: metadata::namespaced(),
        rules: Some(Vec::new()),
    };
    let binding = RoleBinding {
        metadata: metadata::namespaced(),
        role_ref: role_ref("Role"),
        subjects: Some(vec![subject()]),
    };
    let name = || labelling.program.fullname();
    [
        labelling
            .in_namespace(Document::new(&role))
            .bind("/metadata/name", name())
            .add_items("/rules", rules)
            .document_when(create.clone()),
        bound(
            labelling.in_namespace(Document::new(&binding)),
            labelling,
            refs,
        )
        .document_when(create.clone()),
    ]
}

/// The binding to a role of the cluster's own.
pub(crate) fn bound_to<V>(labelling: &Labelling, refs: &AccountRefs<V>, role: &str) -> Document {
    let binding = ClusterRoleBinding {
        metadata: metadata::cluster(),
        role_ref: RoleRef {
            name: role.to_owned(),
            ..role_ref("ClusterRole")
        },
        subjects: Some(vec![subject()]),
    };
    let program = labelling.program;
    let (_, suffix) = role.split_once(':').unwrap_or(("", role));
    labelling
        .anywhere(Document::new(&binding))
        .bind("/metadata/name", program.fullname_with(suffix))
        .bind(
            "/subjects/0/name",
            program.account_name(refs.account.clone()),
        )
        .bind("/subjects/0/namespace", Expr::release_namespace())
}

/// Role and account are called as the program's other objects are.
fn bound<V>(binding: Document, labelling: &Labelling, refs: &AccountRefs<V>) -> Document {
    let program = labelling.program;
    binding
        .bind("/metadata/name", program.fullname())
        .bind("/roleRef/name", program.fullname())
        .bind(
            "/subjects/0/name",
            program.account_name(refs.account.clone()),
        )
        .bind("/subjects/0/namespace", Expr::release_namespace())
}

/// The rules of one scope, each below its reason; `names` says how the objects of a rule are called
/// that is not about all.
pub(crate) fn rules<S: PartialEq, N: Copy>(
    grants: &[Grant<S, N>],
    scope: &S,
    names: impl Fn(N) -> Option<Node>,
) -> Vec<Part<Item>> {
    let grants = grants.iter().filter(|grant| grant.scope == *scope);
    grants
        .map(|grant| item(rule(grant, names(grant.names))).comment(sentence(grant.reason)))
        .collect()
}

fn rule<S, N>(grant: &Grant<S, N>, names: Option<Node>) -> Node {
    let list = |items: Vec<String>| Node::seq(items.into_iter().map(item));
    let verbs = grant.verbs.iter().map(|v| v.as_str().to_owned()).collect();
    let mut entries = vec![
        entry("apiGroups", list(vec![grant.api_group.to_owned()])),
        entry("resources", list(vec![grant.resource.to_owned()])),
        entry("verbs", list(verbs)),
    ];
    if let Some(names) = names {
        entries.insert(2, entry("resourceNames", names));
    }
    Node::map(entries)
}

/// A reference to a role whose name the overlay fills in.
pub(crate) fn role_ref(kind: &str) -> RoleRef {
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
pub(crate) fn sentence(reason: &str) -> String {
    let mut letters = reason.chars();
    let first = letters.next().map(|c| c.to_uppercase().to_string());
    format!("{}{}.", first.unwrap_or_default(), letters.as_str())
}
