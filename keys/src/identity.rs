//! What whoever sets the identity provider up tells the others, where a cluster keeps it, and what that
//! takes.
//!
//! Ids are no secret: they are in a `ConfigMap`, which pods name and people read. The one credential
//! that comes out of it is in a Secret.

use fleet_rbac::{Names, Verb};
use k8s_openapi::api::rbac::v1::PolicyRule;

/// The `ConfigMap` with the ids.
pub const MAP_NAME: &str = "fleet-identity";
/// Its entry with the issuer, to the letter.
pub const ISSUER_ENTRY: &str = "issuer";
/// Its entry with the organisation that devices belong to.
pub const ORGANISATION_ENTRY: &str = "organisation";
/// Its entry with the project, which is the audience of tokens.
pub const PROJECT_ENTRY: &str = "project";
/// Its entry with the client that people log in with, by `fleet login`. Other clients have entries of their
/// own: this name, a dot, and theirs.
pub const CLIENT_ENTRY: &str = "client-id";

/// The Secret with the enrolment service's token at the identity provider.
pub const TOKEN_NAME: &str = "fleet-idp-token";
/// Its entry with the token.
pub const TOKEN_ENTRY: &str = "token";
/// Its entry with the token's id, by which the provider knows it. A Secret that somebody brought has none, and
/// is left alone.
pub const TOKEN_ID_ENTRY: &str = "token-id";

/// The Secret with a token of Zitadel's first administrator, which Zitadel's own chart makes at its first
/// installation.
pub const ADMINISTRATOR_NAME: &str = "iam-admin-pat";
/// Its entry.
pub const ADMINISTRATOR_ENTRY: &str = "pat";

/// Which objects a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Objects {
    /// All of the namespace.
    Any,
    /// The `ConfigMap` with the ids.
    Map,
    /// The Secret with the token.
    Token,
}

/// What the objects are called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// The `ConfigMap`.
    pub map: String,
    /// The Secret.
    pub token: String,
}

impl Default for Given {
    fn default() -> Self {
        Self {
            map: MAP_NAME.to_owned(),
            token: TOKEN_NAME.to_owned(),
        }
    }
}

/// One rule and its reason. There is one role, in the namespace of the platform.
pub type Grant = fleet_rbac::Grant<(), Objects>;

impl Names for Objects {
    type Given = Given;

    fn names(self, given: &Given) -> Option<Vec<String>> {
        match self {
            Self::Any => None,
            Self::Map => Some(vec![given.map.clone()]),
            Self::Token => Some(vec![given.token.clone()]),
        }
    }
}

/// Everything that `fleet-auth provision zitadel` may do in a cluster. It lists and deletes nothing, and reads
/// no Secret but the one that it makes.
pub const GRANTS: &[Grant] = &[
    // What does not exist yet has no name to compare with: RBAC cannot restrict `create` to some names.
    Grant {
        scope: (),
        api_group: "",
        resource: "configmaps",
        verbs: &[Verb::Create],
        names: Objects::Any,
        reason: "the first run ever makes the ConfigMap with the ids",
    },
    Grant {
        scope: (),
        api_group: "",
        resource: "configmaps",
        verbs: &[Verb::Get, Verb::Update],
        names: Objects::Map,
        reason: "the ConfigMap follows the identity provider, and an id that changed is said",
    },
    Grant {
        scope: (),
        api_group: "",
        resource: "secrets",
        verbs: &[Verb::Create],
        names: Objects::Any,
        reason: "a token that is not there is made",
    },
    Grant {
        scope: (),
        api_group: "",
        resource: "secrets",
        verbs: &[Verb::Get, Verb::Update],
        names: Objects::Token,
        reason: "a token that is there and good is kept, and one that the provider no longer has is replaced",
    },
];

/// The rules of the role.
pub fn rules(given: &Given) -> Vec<PolicyRule> {
    fleet_rbac::rules(GRANTS, (), given)
}
