//! What `secrets ensure` may do in a cluster, each rule with the reason it exists.
//!
//! Nobody here may list or delete, and nothing reads a seal key, OpenBao's certificate or Zitadel's key.

use fleet_rbac::{Names, Verb};
use k8s_openapi::api::rbac::v1::PolicyRule;

use crate::catalogue::{AUTHORITY_NAME, Name, PUBLIC_NAME};

/// Which role carries a rule. Each is a `Role`, of one namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// In the namespace of the platform, for every run.
    Ensure,
    /// In the same, for runs that change a key.
    Rotate,
    /// In the namespace of OpenBao, for every run.
    Seal,
    /// In the same, for a run that makes Zitadel's key and nothing else.
    Masterkey,
}

/// Which objects a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Objects {
    /// All of the namespace.
    Any,
    /// The Secrets with keys that can be changed.
    Keys,
    /// These, and the authority of the enrolment service.
    Kept,
    /// The `ConfigMap` with public keys.
    Public,
}

/// One rule and its reason.
pub type Grant = fleet_rbac::Grant<Role, Objects>;

impl Names for Objects {
    type Given = ();

    fn names(self, (): &()) -> Option<Vec<String>> {
        let keys = || Name::ALL.map(|name| name.secret().to_owned());
        match self {
            Self::Any => None,
            Self::Keys => Some(keys().to_vec()),
            Self::Kept => {
                let authority = AUTHORITY_NAME.to_owned();
                Some(keys().into_iter().chain([authority]).collect())
            }
            Self::Public => Some(vec![PUBLIC_NAME.to_owned()]),
        }
    }
}

/// Everything it may do.
pub const GRANTS: &[Grant] = &[
    // An object that does not exist yet has no name to compare with: RBAC cannot restrict `create`
    // to some names.
    Grant {
        scope: Role::Ensure,
        api_group: "",
        resource: "secrets",
        verbs: &[Verb::Create],
        names: Objects::Any,
        reason: "a key or certificate that is not there is made",
    },
    Grant {
        scope: Role::Ensure,
        api_group: "",
        resource: "secrets",
        verbs: &[Verb::Get],
        names: Objects::Kept,
        reason: "a key that is there is kept, and its public half is told to others",
    },
    Grant {
        scope: Role::Ensure,
        api_group: "",
        resource: "configmaps",
        verbs: &[Verb::Create],
        names: Objects::Any,
        reason: "the first run ever makes the ConfigMap with public keys",
    },
    Grant {
        scope: Role::Ensure,
        api_group: "",
        resource: "configmaps",
        verbs: &[Verb::Get, Verb::Update],
        names: Objects::Public,
        reason: "the ConfigMap follows the keys, also after a run that was killed before it wrote it",
    },
    Grant {
        scope: Role::Rotate,
        api_group: "",
        resource: "secrets",
        verbs: &[Verb::Update],
        names: Objects::Keys,
        reason: "a key gets a next one, which takes its place, and the previous one is dropped",
    },
    Grant {
        scope: Role::Seal,
        api_group: "",
        resource: "secrets",
        verbs: &[Verb::Create],
        names: Objects::Any,
        reason: "a seal key that is not there is made; one that is there need not be read",
    },
    Grant {
        scope: Role::Masterkey,
        api_group: "",
        resource: "secrets",
        verbs: &[Verb::Create],
        names: Objects::Any,
        reason: "Zitadel's key is made if it is not there, and read by nobody but Zitadel",
    },
];

/// The rules of a role.
pub fn rules(role: Role) -> Vec<PolicyRule> {
    fleet_rbac::rules(GRANTS, role, &())
}
