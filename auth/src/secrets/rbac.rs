//! What `secrets ensure` may do in a cluster, each rule with the reason it exists.
//!
//! Nobody here may list or delete, and nothing reads a seal key.

use k8s_openapi::api::rbac::v1::PolicyRule;

use super::catalogue::{Name, PUBLIC_NAME};

/// Which role carries a rule. Each is a `Role`, of one namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// In the namespace of the platform, for every run.
    Ensure,
    /// In the same, for runs that change a key.
    Rotate,
    /// In the namespace of OpenBao, for every run.
    Seal,
}

/// Which objects a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Objects {
    /// All of the namespace.
    Any,
    /// The Secrets of the catalogue.
    Keys,
    /// The `ConfigMap` with public keys.
    Public,
}

/// One rule and its reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// Which role carries it.
    pub role: Role,
    /// The resource, of the core group.
    pub resource: &'static str,
    /// What may be done.
    pub verbs: &'static [&'static str],
    /// To which objects.
    pub objects: Objects,
    /// Why it is needed.
    pub reason: &'static str,
}

/// Everything it may do.
pub const GRANTS: &[Grant] = &[
    // An object that does not exist yet has no name to compare with: RBAC cannot restrict `create`
    // to some names.
    Grant {
        role: Role::Ensure,
        resource: "secrets",
        verbs: &["create"],
        objects: Objects::Any,
        reason: "a key that is not there is made",
    },
    Grant {
        role: Role::Ensure,
        resource: "secrets",
        verbs: &["get"],
        objects: Objects::Keys,
        reason: "a key that is there is kept, and its public half is told to others",
    },
    Grant {
        role: Role::Ensure,
        resource: "configmaps",
        verbs: &["create"],
        objects: Objects::Any,
        reason: "the first run ever makes the ConfigMap with public keys",
    },
    Grant {
        role: Role::Ensure,
        resource: "configmaps",
        verbs: &["get", "update"],
        objects: Objects::Public,
        reason: "the ConfigMap follows the keys, also after a run that was killed before it wrote it",
    },
    Grant {
        role: Role::Rotate,
        resource: "secrets",
        verbs: &["update"],
        objects: Objects::Keys,
        reason: "a key gets a next one, which takes its place, and the previous one is dropped",
    },
    Grant {
        role: Role::Seal,
        resource: "secrets",
        verbs: &["create"],
        objects: Objects::Any,
        reason: "a seal key that is not there is made; one that is there need not be read",
    },
];

impl Grant {
    /// As a rule of a role.
    pub fn policy_rule(&self) -> PolicyRule {
        PolicyRule {
            api_groups: Some(vec![String::new()]),
            resources: Some(vec![self.resource.to_owned()]),
            verbs: self.verbs.iter().map(|&verb| verb.to_owned()).collect(),
            resource_names: match self.objects {
                Objects::Any => None,
                Objects::Keys => Some(Name::ALL.map(|name| name.secret().to_owned()).to_vec()),
                Objects::Public => Some(vec![PUBLIC_NAME.to_owned()]),
            },
            ..PolicyRule::default()
        }
    }
}

/// The rules of a role.
pub fn rules(role: Role) -> Vec<PolicyRule> {
    let grants = GRANTS.iter().filter(|grant| grant.role == role);
    grants.map(Grant::policy_rule).collect()
}
