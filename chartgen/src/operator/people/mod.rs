//! Bindings of groups of people to the roles for people.
//!
//! A role has one binding in each place, whose subjects are all groups that have a part with it: so
//! a group that changes its part changes subjects, which can be changed, and no `roleRef`, which
//! cannot.

pub mod values;

use chartgen::tree::{Each, Item, Node, Part as Piece, entry, item};
use chartgen::{Cond, Document, Expr, Kind, Template, ValueRef, helpers, v};
use fleet_operator_core::rbac::{Part, Reach, USER_ROLES, UserRole};
use k8s_openapi::api::rbac::v1::{ClusterRoleBinding, RoleBinding};

use super::Values;
use super::metadata::labelling;
use crate::workload::metadata;
use crate::workload::rbac::role_ref;
use values::NamespacePeople;

const RBAC: &str = "rbac.authorization.k8s.io";

/// All of them.
pub(super) fn bindings() -> Template {
    let of = |reach| {
        USER_ROLES
            .iter()
            .filter(move |role| role.is_of(Part::Admin, reach))
    };
    let cluster = of(Reach::Cluster).map(cluster_binding);
    let namespaces = Piece::each(v!(Values, people.namespaces), |entry| {
        let bindings = of(Reach::Namespace).map(|role| binding(role, entry));
        bindings.collect::<Vec<_>>()
    });
    cluster.chain([namespaces]).collect()
}

/// Whether groups are given parts that need roles.
pub(super) fn are_given() -> Cond {
    let groups = CLUSTER.map(|(_, groups)| Cond::is(groups()));
    Cond::any(groups).or(Cond::is(v!(Values, people.namespaces)))
}

/// Where the groups of a part are among values.
type Groups<V> = fn() -> ValueRef<V>;

/// The groups of each part in the whole cluster.
const CLUSTER: [(Part, Groups<Values>); 4] = [
    (Part::DeviceViewer, || {
        v!(Values, people.cluster.device_viewers)
    }),
    (Part::Viewer, || v!(Values, people.cluster.viewers)),
    (Part::Editor, || v!(Values, people.cluster.editors)),
    (Part::Admin, || v!(Values, people.cluster.admins)),
];

/// The same in a namespace.
const NAMESPACE: [(Part, Groups<NamespacePeople>); 3] = [
    (Part::Viewer, || v!(NamespacePeople, viewers)),
    (Part::Editor, || v!(NamespacePeople, editors)),
    (Part::Admin, || v!(NamespacePeople, admins)),
];

fn cluster_binding(role: &UserRole) -> Piece<Document> {
    let parts = CLUSTER
        .iter()
        .filter(|(part, _)| role.is_of(*part, Reach::Cluster));
    let groups: Vec<Expr> = parts.map(|(_, groups)| groups().into()).collect();
    let binding = ClusterRoleBinding {
        metadata: metadata::cluster(),
        role_ref: role_ref("ClusterRole"),
        subjects: Some(Vec::new()),
    };
    bound(Document::new(&binding), role, groups)
}

fn binding(role: &UserRole, place: &Each) -> Piece<Document> {
    let parts = NAMESPACE
        .iter()
        .filter(|(part, _)| role.is_of(*part, Reach::Namespace));
    let groups: Vec<Expr> = parts
        .map(|(_, groups)| place.field(groups(), Kind::Seq))
        .collect();
    let binding = RoleBinding {
        metadata: metadata::namespaced(),
        role_ref: role_ref("ClusterRole"),
        subjects: Some(Vec::new()),
    };
    let namespace = place.field(v!(NamespacePeople, namespace), Kind::Str);
    let document = Document::new(&binding).bind("/metadata/namespace", namespace);
    bound(document, role, groups)
}

/// With a binding that nobody is in, nobody could tell a mistake from a decision: it is left out.
fn bound(document: Document, role: &UserRole, groups: Vec<Expr>) -> Piece<Document> {
    let name = || {
        let suffix = Expr::text(format!("-{}", role.suffix));
        Expr::concat([helpers::fullname(), suffix])
    };
    let anybody = Cond::any(groups.iter().cloned().map(Cond::is));
    let document = labelling()
        .anywhere(document)
        .bind("/metadata/name", name())
        .bind("/roleRef/name", name())
        .add_items("/subjects", groups.into_iter().map(subjects));
    Piece::when(anybody, [document.into()])
}

fn subjects(groups: Expr) -> Piece<Item> {
    Piece::each(groups, |group| {
        let subject = [
            entry("apiGroup", RBAC),
            entry("kind", "Group"),
            entry("name", group.str()),
        ];
        [item(Node::map(subject))]
    })
}
