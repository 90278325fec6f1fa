//! What the check may do in a cluster; each rule with the reason it exists.
//!
//! The only place where these permissions are stated: the chart's roles are made from it, which exist
//! only while the check runs, and a test runs the check as a user with exactly these.

use fleet_rbac::Verb;
use k8s_openapi::api::rbac::v1::PolicyRule;

/// Which kind of role carries a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// A `ClusterRole`: enrolments and Devices have no namespace.
    Cluster,
    /// A `Role` in the namespace of the Deployment.
    Deployment,
    /// A `Role` in the namespace of enrolment tokens.
    Tokens,
}

/// Which objects a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// All: what they are called is known only once they are there.
    Any,
    /// The one of the check.
    Own,
}

impl fleet_rbac::Names for Names {
    type Given = ();

    fn names(self, (): &()) -> Option<Vec<String>> {
        match self {
            Self::Any => None,
            Self::Own => Some(vec![crate::NAME.to_owned()]),
        }
    }
}

/// One rule and its reason.
pub type Grant = fleet_rbac::Grant<Scope, Names>;

/// As `fleet_api::GROUP`.
const GROUP: &str = fleet_api::GROUP;

/// Everything the check may do.
pub const GRANTS: &[Grant] = &[
    Grant {
        scope: Scope::Cluster,
        api_group: GROUP,
        resource: "deviceenrolments",
        verbs: &[Verb::List],
        names: Names::Any,
        reason: "the enrolment of the device is found by its label, since its name is that of a new key",
    },
    Grant {
        scope: Scope::Cluster,
        api_group: GROUP,
        resource: "deviceenrolments",
        verbs: &[Verb::Patch, Verb::Delete],
        names: Names::Any,
        reason: "it is approved, denied in the end, and removed",
    },
    Grant {
        scope: Scope::Cluster,
        api_group: GROUP,
        resource: "devices",
        verbs: &[Verb::Get, Verb::Delete],
        names: Names::Own,
        reason: "the Device is waited for, and removed",
    },
    // RBAC cannot restrict `create` to a name.
    Grant {
        scope: Scope::Deployment,
        api_group: GROUP,
        resource: "deployments",
        verbs: &[Verb::Create],
        names: Names::Any,
        reason: "a Deployment is made that selects the device and no other",
    },
    Grant {
        scope: Scope::Deployment,
        api_group: GROUP,
        resource: "deployments",
        verbs: &[Verb::Get, Verb::Patch, Verb::Delete],
        names: Names::Own,
        reason: "its status is waited for, and it is changed and removed",
    },
    Grant {
        scope: Scope::Tokens,
        api_group: "",
        resource: "secrets",
        verbs: &[Verb::Create, Verb::Delete],
        names: Names::Any,
        reason: "a token is made and removed, and it is called by its hash",
    },
];

/// The rules of one kind of role.
pub fn rules(scope: Scope) -> Vec<PolicyRule> {
    fleet_rbac::rules(GRANTS, scope, &())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_made_and_removed_and_never_read() {
        for grant in GRANTS {
            assert!(!grant.reason.is_empty() && !grant.verbs.is_empty());
            assert!(![grant.resource, grant.api_group].contains(&"*"));
            let reads = [Verb::Get, Verb::List, Verb::Watch];
            let reads = grant.verbs.iter().any(|verb| reads.contains(verb));
            assert!(grant.resource != "secrets" || !reads);
        }
    }
}
