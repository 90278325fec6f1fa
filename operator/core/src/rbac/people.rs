//! Roles for people.
//!
//! Deployments are namespaced, so they join Kubernetes' own `view`, `edit` and `admin` by
//! aggregation: whoever may edit a namespace may deploy from it.
//!
//! Devices are not. They belong to the cluster, and a `RoleBinding` of `view` in some namespace
//! could not show them anyway. Aggregated, they would come only to holders of a *cluster-wide*
//! `edit`, who never asked for them, with the power to relabel: a label decides which Deployments
//! of all namespaces run on a device. So Devices have roles of their own, bound on purpose.

use std::collections::BTreeMap;

use super::{DEPLOYMENTS, DEVICES, Grant, Verb};

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

/// A `ClusterRole` for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UserRole {
    /// The end of its name; the installation's name comes before it.
    pub suffix: &'static str,
    /// For whom it is.
    pub purpose: &'static str,
    /// What it joins. Each is named, because clusters may change which of them include each other.
    pub aggregate_to: &'static [BuiltInRole],
    /// What it allows.
    pub grants: &'static [Grant],
}

impl UserRole {
    /// The labels that make it join other roles.
    pub fn labels(&self) -> BTreeMap<String, String> {
        let labels = self.aggregate_to.iter().map(|role| role.label());
        labels.map(|l| (l.to_owned(), "true".to_owned())).collect()
    }
}

/// All roles for people.
pub const USER_ROLES: &[UserRole] = &[
    UserRole {
        suffix: "deployments-viewer",
        purpose: "whoever may view a namespace sees its Deployments and how far they are",
        aggregate_to: &[BuiltInRole::View, BuiltInRole::Edit, BuiltInRole::Admin],
        grants: &[Grant::cluster(
            DEPLOYMENTS,
            READ,
            "`kubectl get`, `fleet get` and `fleet describe` read Deployments with their status",
        )],
    },
    UserRole {
        suffix: "deployments-editor",
        purpose: "whoever may edit a namespace deploys to devices from it",
        aggregate_to: &[BuiltInRole::Edit, BuiltInRole::Admin],
        grants: &[Grant::cluster(
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
        grants: &[Grant::cluster(
            DEVICES,
            READ,
            "`kubectl get fleetdev`, `fleet plan` and `fleet describe device` read Devices",
        )],
    },
    UserRole {
        suffix: "devices-editor",
        purpose: "decides by labels what runs where; to be bound by a ClusterRoleBinding",
        aggregate_to: &[],
        grants: &[
            Grant::cluster(DEVICES, READ, "whoever changes Devices must see them"),
            Grant::cluster(
                DEVICES,
                &[Verb::Update, Verb::Patch],
                "`kubectl label` and `kubectl edit` change labels, which selectors are compared with",
            ),
            Grant::cluster(
                DEVICES,
                &[Verb::Delete, Verb::DeleteCollection],
                "deleting its Device makes the platform forget a device that is gone",
            ),
        ],
    },
];
