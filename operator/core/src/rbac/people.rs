//! Roles for people.
//!
//! Deployments are namespaced, so they join Kubernetes' own `view`, `edit` and `admin` by
//! aggregation: whoever may edit a namespace may deploy from it.
//!
//! Devices are not. They belong to the cluster, and a `RoleBinding` of `view` in some namespace
//! could not show them anyway. Aggregated, they would come only to holders of a *cluster-wide*
//! `edit`, who never asked for them, with the power to relabel: a label decides which Deployments
//! of all namespaces run on a device. So Devices have roles of their own, bound on purpose.
//!
//! Who is bound to what is said by [`Part`]s: a part of a person is several of these roles. No role
//! repeats what another has, so that it can be told from the bindings who may do something.

use std::collections::BTreeMap;

use super::{DEPLOYMENTS, DEVICES, ENROLMENTS, Grant, Names, Scope, Verb, cluster};

const READ: &[Verb] = &[Verb::Get, Verb::List, Verb::Watch];

/// A role that Kubernetes brings, and that ours can join.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuiltInRole {
    /// Reads a namespace.
    View,
    /// Changes a namespace.
    Edit,
    /// Owns a namespace.
    Admin,
}

impl BuiltInRole {
    /// The label by which a role joins it.
    pub const fn label(self) -> &'static str {
        match self {
            Self::View => "rbac.authorization.k8s.io/aggregate-to-view",
            Self::Edit => "rbac.authorization.k8s.io/aggregate-to-edit",
            Self::Admin => "rbac.authorization.k8s.io/aggregate-to-admin",
        }
    }
}

/// What somebody is to the fleet. Each may do what the one before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Sees Devices, and nothing of what runs on them.
    DeviceViewer,
    /// Sees.
    Viewer,
    /// Deploys.
    Editor,
    /// Decides who else takes part: devices of the cluster, or people of a namespace.
    Admin,
}

/// Where somebody is that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Everywhere.
    Cluster,
    /// In a namespace.
    Namespace,
}

/// A `ClusterRole` for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UserRole {
    /// The end of its name; the installation's name comes before it.
    pub suffix: &'static str,
    /// For whom it is.
    pub purpose: &'static str,
    /// What it joins. Each is named, because clusters may change which of them include each other.
    pub aggregate_to: &'static [BuiltInRole],
    /// The least part in the cluster that has it.
    pub in_cluster: Option<Part>,
    /// The least part in a namespace that has it.
    pub in_namespace: Option<Part>,
    /// What it allows.
    pub grants: &'static [Grant],
}

impl UserRole {
    /// Whether whoever has this part has this role.
    pub fn is_of(&self, part: Part, reach: Reach) -> bool {
        let least = match reach {
            Reach::Cluster => self.in_cluster,
            Reach::Namespace => self.in_namespace,
        };
        least.is_some_and(|least| part >= least)
    }

    /// The labels that make it join other roles.
    pub fn labels(&self) -> BTreeMap<String, String> {
        let labels = self.aggregate_to.iter().map(|role| role.label());
        labels.map(|l| (l.to_owned(), "true".to_owned())).collect()
    }
}

/// The end of the name of the role that must not be bound in the whole cluster: it would let its
/// holder into every namespace.
pub const NAMESPACE_ADMIN: &str = "namespace-admin";

/// All roles for people.
pub const USER_ROLES: &[UserRole] = &[
    UserRole {
        suffix: "deployments-viewer",
        purpose: "whoever may view a namespace sees its Deployments and how far they are",
        aggregate_to: &[BuiltInRole::View, BuiltInRole::Edit, BuiltInRole::Admin],
        in_cluster: Some(Part::Viewer),
        in_namespace: Some(Part::Viewer),
        grants: &[cluster(
            DEPLOYMENTS,
            READ,
            "`kubectl get`, `fleet get` and `fleet describe` read Deployments with their status",
        )],
    },
    UserRole {
        suffix: "deployments-editor",
        purpose: "whoever may edit a namespace deploys to devices from it",
        aggregate_to: &[BuiltInRole::Edit, BuiltInRole::Admin],
        in_cluster: Some(Part::Editor),
        in_namespace: Some(Part::Editor),
        grants: &[cluster(
            DEPLOYMENTS,
            &[
                Verb::Create,
                Verb::Update,
                Verb::Patch,
                Verb::Delete,
                Verb::DeleteCollection,
            ],
            "`kubectl apply`, `fleet deploy` and GitOps tools write Deployments; the status stays \
             the operator's",
        )],
    },
    UserRole {
        suffix: "devices-viewer",
        purpose: "sees all devices of the cluster; to be bound by a ClusterRoleBinding",
        aggregate_to: &[],
        in_cluster: Some(Part::DeviceViewer),
        in_namespace: None,
        grants: &[cluster(
            DEVICES,
            READ,
            "`kubectl get fleetdev`, `fleet plan` and `fleet describe device` read Devices",
        )],
    },
    UserRole {
        suffix: "tracer",
        purpose: "asks the operator where a change is; it answers about Deployments that one may read",
        aggregate_to: &[],
        in_cluster: Some(Part::Viewer),
        in_namespace: None,
        grants: &[Grant {
            scope: Scope::Cluster,
            api_group: "",
            resource: "services/proxy",
            verbs: &[Verb::Get],
            names: Names::Pages,
            reason: "`fleet trace` reads a page of the operator through the API server",
        }],
    },
    UserRole {
        suffix: "devices-editor",
        purpose: "decides by labels what runs where; to be bound by a ClusterRoleBinding",
        aggregate_to: &[],
        in_cluster: Some(Part::Admin),
        in_namespace: None,
        grants: &[
            cluster(DEVICES, READ, "whoever changes Devices must see them"),
            cluster(
                DEVICES,
                &[Verb::Update, Verb::Patch],
                "`kubectl label` and `kubectl edit` change labels, which selectors are compared with",
            ),
            cluster(
                DEVICES,
                &[Verb::Delete, Verb::DeleteCollection],
                "deleting its Device makes the platform forget a device that is gone",
            ),
        ],
    },
    UserRole {
        suffix: "enrolments-approver",
        purpose: "decides which devices join; to be bound by a ClusterRoleBinding",
        aggregate_to: &[],
        in_cluster: Some(Part::Admin),
        in_namespace: None,
        grants: &[
            cluster(
                ENROLMENTS,
                READ,
                "whoever decides about a device must see what it says of itself",
            ),
            cluster(
                ENROLMENTS,
                &[Verb::Patch],
                "`fleet approve` and `fleet deny` write the decision; nothing else of an enrolment \
                 can be changed",
            ),
        ],
    },
    UserRole {
        suffix: NAMESPACE_ADMIN,
        purpose: "lets others into a namespace, with no more than one may do oneself; to be bound \
                  by a RoleBinding",
        aggregate_to: &[],
        in_cluster: None,
        in_namespace: Some(Part::Admin),
        grants: &[Grant {
            scope: Scope::Cluster,
            api_group: "rbac.authorization.k8s.io",
            resource: "rolebindings",
            verbs: &[
                Verb::Get,
                Verb::List,
                Verb::Watch,
                Verb::Create,
                Verb::Update,
                Verb::Patch,
                Verb::Delete,
            ],
            names: Names::Any,
            reason: "a colleague gets the roles of Deployments by a RoleBinding; the API server \
                     refuses those that would give more than whoever makes them has",
        }],
    },
];
