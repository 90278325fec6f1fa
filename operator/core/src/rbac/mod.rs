//! What the operator may do in a cluster, and what people may do with our resources; each rule with
//! the reason it exists.
//!
//! This is the only place where permissions are stated. The chart's roles are made from it, the
//! testbed lets the operator run under exactly it, and at its start the operator asks the API server
//! whether it holds. A rule that nothing uses fails a test, as does a request that no rule covers.
//!
//! Not here, because nothing needs it: `get` of our resources (the operator lists and watches),
//! `deployments/finalizers` (that is for owner references that block a deletion, and the operator
//! sets none), Secrets, Pods, and anything with a wildcard.

mod people;

use std::fmt;

use fleet_api::GROUP;
use fleet_rbac::rules;
use k8s_openapi::api::authorization::v1::ResourceAttributes;
use k8s_openapi::api::rbac::v1::PolicyRule;

pub use fleet_rbac::Verb;
pub use people::{BuiltInRole, NAMESPACE_ADMIN, Part, Reach, USER_ROLES, UserRole};

/// The Lease's name where `--lease-name` does not say another.
pub const DEFAULT_LEASE: &str = "fleet-operator";

const DEPLOYMENTS: &str = "deployments";
const DEVICES: &str = "devices";
const ENROLMENTS: &str = "deviceenrolments";

/// Which kind of role carries a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// A `ClusterRole`: everywhere.
    Cluster,
    /// A `Role` in the namespace of the Lease, and nowhere else.
    LeaseNamespace,
}

/// Where the Lease is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeasePlace {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// Which objects a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Names {
    /// All.
    Any,
    /// The Lease of `--lease-name`.
    Lease,
    /// The port of the operator's Service where its pages are, by the name of the Lease, which is
    /// that of all its objects.
    Pages,
}

impl fleet_rbac::Names for Names {
    type Given = str;

    fn names(self, operator: &str) -> Option<Vec<String>> {
        match self {
            Self::Any => None,
            Self::Lease => Some(vec![operator.to_owned()]),
            Self::Pages => Some(vec![fleet_api::trace::proxied(&format!(
                "{operator}-metrics"
            ))]),
        }
    }
}

/// One rule and its reason.
pub type Grant = fleet_rbac::Grant<Scope, Names>;

const fn cluster(resource: &'static str, verbs: &'static [Verb], reason: &'static str) -> Grant {
    Grant {
        scope: Scope::Cluster,
        api_group: GROUP,
        resource,
        verbs,
        names: Names::Any,
        reason,
    }
}

const fn lease(verbs: &'static [Verb], names: Names, reason: &'static str) -> Grant {
    Grant {
        scope: Scope::LeaseNamespace,
        api_group: "coordination.k8s.io",
        resource: "leases",
        verbs,
        names,
        reason,
    }
}

/// Everything the operator may do.
pub const GRANTS: &[Grant] = &[
    cluster(
        DEPLOYMENTS,
        &[Verb::List, Verb::Watch],
        "what devices shall run is computed from all Deployments of all namespaces",
    ),
    cluster(
        DEPLOYMENTS,
        &[Verb::Patch],
        "a finalizer keeps a deleted Deployment until its last key is off the bus; it is put on and \
         taken off by patches",
    ),
    cluster(
        "deployments/status",
        &[Verb::Patch],
        "counts and conditions of a Deployment are written to its status",
    ),
    cluster(
        DEVICES,
        &[Verb::List, Verb::Watch],
        "selectors are compared with the labels of all Devices",
    ),
    cluster(
        ENROLMENTS,
        &[Verb::List, Verb::Watch],
        "which labels a device may claim is in its enrolment",
    ),
    // The API server asks for `create` where an apply finds no object.
    cluster(
        DEVICES,
        &[Verb::Create, Verb::Patch],
        "a device that registers becomes a Device, and later changes of what it says are applied to it",
    ),
    cluster(
        "devices/status",
        &[Verb::Patch],
        "whether a device is reachable and in sync is written to its status",
    ),
    // An Event lives in the namespace of the Deployment that it is about. A repeated one becomes a
    // series by a patch.
    Grant {
        scope: Scope::Cluster,
        api_group: "events.k8s.io",
        resource: "events",
        verbs: &[Verb::Create, Verb::Patch],
        names: Names::Any,
        reason: "each change of a Deployment's state is told in an Event beside it",
    },
    // An object that does not exist yet has no name to compare with: RBAC cannot restrict `create`
    // to one name, so this one is for any Lease of the namespace.
    lease(
        &[Verb::Create],
        Names::Any,
        "the first replica ever makes the Lease by which replicas agree on a leader",
    ),
    lease(
        &[Verb::Get, Verb::Update],
        Names::Lease,
        "the leader renews and releases the Lease, and a standby takes it over",
    ),
];

/// The rules of the operator's `ClusterRole`.
pub fn cluster_rules() -> Vec<PolicyRule> {
    rules(GRANTS, Scope::Cluster, DEFAULT_LEASE)
}

/// The rules of the operator's `Role` in the namespace of the Lease.
pub fn lease_rules(lease: &str) -> Vec<PolicyRule> {
    rules(GRANTS, Scope::LeaseNamespace, lease)
}

/// One verb of a grant: the smallest permission that can be missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Permission {
    /// Where it comes from.
    pub grant: &'static Grant,
    /// What may be done.
    pub verb: Verb,
}

impl Permission {
    /// The resource without its subresource.
    pub fn resource(&self) -> &'static str {
        let resource = self.grant.resource;
        resource.split_once('/').map_or(resource, |(main, _)| main)
    }

    /// The subresource, if it is about one.
    pub fn subresource(&self) -> Option<&'static str> {
        self.grant.resource.split_once('/').map(|(_, sub)| sub)
    }

    /// The question whether somebody has it, for an access review.
    pub fn question(&self, lease: &LeasePlace) -> ResourceAttributes {
        ResourceAttributes {
            group: Some(self.grant.api_group.to_owned()),
            resource: Some(self.resource().to_owned()),
            subresource: self.subresource().map(str::to_owned),
            verb: Some(self.verb.as_str().to_owned()),
            // None asks for all namespaces.
            namespace: match self.grant.scope {
                Scope::Cluster => None,
                Scope::LeaseNamespace => Some(lease.namespace.clone()),
            },
            name: match self.grant.names {
                Names::Any | Names::Pages => None,
                Names::Lease => Some(lease.name.clone()),
            },
            ..ResourceAttributes::default()
        }
    }
}

/// `patch deployments.fleet.nationtech.io/status`, as `kubectl auth can-i` takes it.
impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (verb, resource) = (self.verb.as_str(), self.resource());
        write!(f, "{verb} {resource}.{}", self.grant.api_group)?;
        self.subresource().map_or(Ok(()), |sub| write!(f, "/{sub}"))
    }
}

/// Every permission of the operator, one by one.
pub fn permissions() -> impl Iterator<Item = Permission> {
    GRANTS.iter().flat_map(|grant| {
        let verbs = grant.verbs.iter();
        verbs.map(move |verb| Permission { grant, verb: *verb })
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn all() -> impl Iterator<Item = &'static Grant> {
        GRANTS
            .iter()
            .chain(USER_ROLES.iter().flat_map(|r| r.grants))
    }

    #[test]
    fn no_permission_is_granted_twice_and_each_has_a_reason() {
        let mut seen = BTreeSet::new();
        for permission in permissions() {
            assert!(seen.insert(permission.to_string()), "twice: {permission}");
        }
        assert!(all().all(|grant| !grant.reason.is_empty()));
    }

    #[test]
    fn nothing_is_granted_by_wildcard() {
        let wild = |text: &str| text.contains('*');
        assert!(!all().any(|g| wild(g.resource) || wild(g.api_group)));
        // The core group has an empty name, but no resource has.
        assert!(!all().any(|g| g.resource.is_empty() || g.verbs.is_empty()));
    }

    #[test]
    fn our_resources_are_those_of_the_crds() {
        let crds = fleet_api::crds().expect("the types form CRDs");
        let known: BTreeSet<_> = crds
            .into_iter()
            .flat_map(|crd| {
                let plural = crd.spec.names.plural;
                [format!("{plural}/status"), plural]
            })
            .collect();
        let ours = all().filter(|grant| grant.api_group == GROUP);
        let unknown: Vec<_> = ours.filter(|g| !known.contains(g.resource)).collect();
        assert_eq!(unknown, Vec::<&Grant>::new());
    }

    #[test]
    fn each_part_has_roles_and_more_of_them_the_more_it_may() {
        for reach in [Reach::Cluster, Reach::Namespace] {
            let roles = |part: Part| -> BTreeSet<&str> {
                let roles = USER_ROLES.iter().filter(|role| role.is_of(part, reach));
                roles.map(|role| role.suffix).collect()
            };
            let [viewer, editor, admin] = [Part::Viewer, Part::Editor, Part::Admin].map(roles);
            assert!(viewer.is_subset(&editor) && editor.is_subset(&admin));
            assert!(!viewer.is_empty() && viewer != editor && editor != admin);
        }
    }

    #[test]
    fn only_the_one_lease_may_be_read_and_changed() {
        let rules = lease_rules("mine");
        let named = |verb: &str| -> Vec<_> {
            let with = rules.iter().filter(|r| r.verbs.iter().any(|v| v == verb));
            with.map(|rule| rule.resource_names.clone()).collect()
        };
        let mine = Some(vec!["mine".to_owned()]);
        assert_eq!(named("get"), std::slice::from_ref(&mine));
        assert_eq!(named("update"), [mine]);
        assert_eq!(named("create"), [None]);
    }

    #[test]
    fn a_permission_reads_as_kubectl_takes_it() {
        let texts: Vec<_> = permissions().map(|p| p.to_string()).collect();
        assert!(texts.contains(&"patch deployments.fleet.nationtech.io/status".to_owned()));
        assert!(texts.contains(&"create leases.coordination.k8s.io".to_owned()));
    }
}
