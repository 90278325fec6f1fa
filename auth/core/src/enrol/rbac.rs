//! What the enrolment service may do in a cluster; each rule with the reason it exists.
//!
//! The only place where these permissions are stated: roles are made from it, and tests run the service
//! as a user with exactly these, and compare with the API server's audit log.
//!
//! Not here, and never to be: `update` or `patch` of enrolments. Whoever may change an enrolment may
//! approve it (docs/adr/0022).

use fleet_rbac::Verb;

pub use fleet_rbac::AnyOrLease as Names;

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

/// One rule and its reason.
pub type Grant = fleet_rbac::Grant<Scope, Names>;

/// Everything the service may do.
pub const GRANTS: &[Grant] = &[
    Grant {
        scope: Scope::Cluster,
        api_group: GROUP,
        resource: "deviceenrolments",
        verbs: &[Verb::Create],
        names: Names::Any,
        reason: "a device that asks with a good token becomes an enrolment",
    },
    Grant {
        scope: Scope::Cluster,
        api_group: GROUP,
        resource: "deviceenrolments",
        verbs: &[Verb::Get, Verb::List, Verb::Watch],
        names: Names::Any,
        reason: "devices are told how theirs stands, decisions are followed, and an id that another \
                 enrolment holds is refused",
    },
    Grant {
        scope: Scope::Cluster,
        api_group: GROUP,
        resource: "deviceenrolments",
        verbs: &[Verb::Delete],
        names: Names::Any,
        reason: "a closed enrolment whose device asks again with another token is replaced, so that it \
                 inherits no decision",
    },
    Grant {
        scope: Scope::Cluster,
        api_group: GROUP,
        resource: "deviceenrolments/status",
        verbs: &[Verb::Update],
        names: Names::Any,
        reason: "user, keys and conditions of an enrolment are written to its status",
    },
    Grant {
        scope: Scope::Namespace,
        api_group: "",
        resource: "secrets",
        verbs: &[Verb::Get, Verb::Update],
        names: Names::Any,
        reason: "tokens are found by their hash, and used up by a write that names the version read",
    },
    // RBAC cannot restrict `create` to a name.
    Grant {
        scope: Scope::Namespace,
        api_group: "coordination.k8s.io",
        resource: "leases",
        verbs: &[Verb::Create],
        names: Names::Any,
        reason: "the first replica ever makes the Lease by which replicas agree on one that provisions",
    },
    Grant {
        scope: Scope::Namespace,
        api_group: "coordination.k8s.io",
        resource: "leases",
        verbs: &[Verb::Get, Verb::Update],
        names: Names::Lease,
        reason: "the replica that provisions renews and releases the Lease, and another takes it over",
    },
];

/// The rules of one kind of role, where the Lease has this name.
pub fn rules(scope: Scope, lease: &str) -> Vec<PolicyRule> {
    fleet_rbac::rules(GRANTS, scope, lease)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_can_never_change_an_enrolment() {
        let changes = |grant: &&Grant| {
            grant.resource == "deviceenrolments"
                && grant
                    .verbs
                    .iter()
                    .any(|v| [Verb::Update, Verb::Patch].contains(v))
        };
        assert_eq!(GRANTS.iter().find(changes), None);
    }

    #[test]
    fn nothing_is_granted_by_wildcard_or_twice_and_each_has_a_reason() {
        let mut seen = std::collections::BTreeSet::new();
        for grant in GRANTS {
            assert!(!grant.reason.is_empty() && !grant.verbs.is_empty());
            for verb in grant.verbs {
                assert!(![grant.resource, grant.api_group].contains(&"*"));
                assert!(seen.insert((grant.scope, grant.resource, verb)), "{verb:?}");
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
