//! What the enrolment service may do in a cluster; each rule with the reason it exists.
//!
//! The only place where these permissions are stated: roles are made from it, and tests run the service
//! as a user with exactly these, and compare with the API server's audit log.
//!
//! Not here, and never to be: `update` or `patch` of enrolments. Whoever may change an enrolment may
//! approve it (docs/adr/0022).

use k8s_openapi::api::rbac::v1::PolicyRule;

/// The Lease's name where `--lease-name` does not say another.
pub const DEFAULT_LEASE: &str = "fleet-enrol";
/// The namespace of tokens and Lease where the command line does not say another.
pub const DEFAULT_NAMESPACE: &str = "fleet-enrolment";

/// As `fleet_api::GROUP`, which this crate does not link.
const GROUP: &str = "fleet.nationtech.io";

/// Which kind of role carries a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// A `ClusterRole`: everywhere, because enrolments have no namespace.
    Cluster,
    /// A `Role` in the namespace of tokens and Lease, and nowhere else.
    Namespace,
}

/// Which objects a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Names {
    /// All.
    Any,
    /// The Lease.
    Lease,
}

/// One rule and its reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// Which role carries it.
    pub scope: Scope,
    /// The API group.
    pub api_group: &'static str,
    /// The resource, with its subresource after a slash.
    pub resource: &'static str,
    /// What may be done, as RBAC spells it.
    pub verbs: &'static [&'static str],
    /// To which objects.
    pub names: Names,
    /// Why it is needed.
    pub reason: &'static str,
}

impl Grant {
    /// As a rule of a role, where the Lease has this name.
    pub fn policy_rule(&self, lease: &str) -> PolicyRule {
        PolicyRule {
            api_groups: Some(vec![self.api_group.to_owned()]),
            resources: Some(vec![self.resource.to_owned()]),
            verbs: self.verbs.iter().map(|&v| v.to_owned()).collect(),
            resource_names: match self.names {
                Names::Any => None,
                Names::Lease => Some(vec![lease.to_owned()]),
            },
            ..PolicyRule::default()
        }
    }
}

/// Everything the service may do.
pub const GRANTS: &[Grant] = &[
    Grant {
        scope: Scope::Cluster,
        api_group: GROUP,
        resource: "deviceenrolments",
        verbs: &["create"],
        names: Names::Any,
        reason: "a device that asks with a good token becomes an enrolment",
    },
    Grant {
        scope: Scope::Cluster,
        api_group: GROUP,
        resource: "deviceenrolments",
        verbs: &["get", "list", "watch"],
        names: Names::Any,
        reason: "devices are told how theirs stands, decisions are followed, and an id that another \
                 enrolment holds is refused",
    },
    Grant {
        scope: Scope::Cluster,
        api_group: GROUP,
        resource: "deviceenrolments",
        verbs: &["delete"],
        names: Names::Any,
        reason: "a closed enrolment whose device asks again with another token is replaced, so that it \
                 inherits no decision",
    },
    Grant {
        scope: Scope::Cluster,
        api_group: GROUP,
        resource: "deviceenrolments/status",
        verbs: &["update"],
        names: Names::Any,
        reason: "user, keys and conditions of an enrolment are written to its status",
    },
    Grant {
        scope: Scope::Namespace,
        api_group: "",
        resource: "secrets",
        verbs: &["get", "update"],
        names: Names::Any,
        reason: "tokens are found by their hash, and used up by a write that names the version read",
    },
    // RBAC cannot restrict `create` to a name.
    Grant {
        scope: Scope::Namespace,
        api_group: "coordination.k8s.io",
        resource: "leases",
        verbs: &["create"],
        names: Names::Any,
        reason: "the first replica ever makes the Lease by which replicas agree on one that provisions",
    },
    Grant {
        scope: Scope::Namespace,
        api_group: "coordination.k8s.io",
        resource: "leases",
        verbs: &["get", "update"],
        names: Names::Lease,
        reason: "the replica that provisions renews and releases the Lease, and another takes it over",
    },
];

/// The rules of one kind of role, where the Lease has this name.
pub fn rules(scope: Scope, lease: &str) -> Vec<PolicyRule> {
    let grants = GRANTS.iter().filter(|grant| grant.scope == scope);
    grants.map(|grant| grant.policy_rule(lease)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_can_never_change_an_enrolment() {
        let changes = |grant: &&Grant| {
            grant.resource == "deviceenrolments"
                && grant.verbs.iter().any(|v| ["update", "patch"].contains(v))
        };
        assert_eq!(GRANTS.iter().find(changes), None);
    }

    #[test]
    fn nothing_is_granted_by_wildcard_or_twice_and_each_has_a_reason() {
        let mut seen = std::collections::BTreeSet::new();
        for grant in GRANTS {
            assert!(!grant.reason.is_empty() && !grant.verbs.is_empty());
            for verb in grant.verbs {
                assert!(![grant.resource, grant.api_group, verb].contains(&"*"));
                assert!(seen.insert((grant.scope, grant.resource, verb)), "{verb}");
            }
        }
    }

    #[test]
    fn only_the_one_lease_may_be_read_and_changed() {
        let rules = rules(Scope::Namespace, "mine");
        let leases = rules.iter().filter(|rule| {
            let resources = rule.resources.as_deref().unwrap_or_default();
            resources.iter().any(|r| r == "leases")
        });
        for rule in leases {
            let named = rule.resource_names.as_deref() == Some(&["mine".to_owned()]);
            assert!(named || rule.verbs == ["create"], "{rule:?}");
        }
    }
}
