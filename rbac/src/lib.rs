//! What a program may do in a cluster: each permission with the reason it exists.
//!
//! A program states its [`Grant`]s in one place. Its roles in charts and in tests are made from them, so
//! that what it is tested with is what it is installed with.

use k8s_openapi::api::rbac::v1::PolicyRule;

/// What may be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    /// Read one object.
    Get,
    /// Read all objects.
    List,
    /// Follow changes.
    Watch,
    /// Make an object.
    Create,
    /// Replace an object.
    Update,
    /// Change parts of an object; server-side apply, too.
    Patch,
    /// Delete one object.
    Delete,
    /// Delete many objects with one request.
    DeleteCollection,
}

impl Verb {
    /// As RBAC spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Create => "create",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::DeleteCollection => "deletecollection",
        }
    }
}

/// One rule and its reason. `S` says which role carries it, `N` which objects it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant<S, N> {
    /// Which role carries it.
    pub scope: S,
    /// The API group.
    pub api_group: &'static str,
    /// The resource, with its subresource after a slash.
    pub resource: &'static str,
    /// What may be done.
    pub verbs: &'static [Verb],
    /// To which objects.
    pub names: N,
    /// Why it is needed, as the end of a sentence: it begins in lower case and has no full stop.
    pub reason: &'static str,
}

/// Which objects a rule is about.
pub trait Names: Copy {
    /// What their names depend on.
    type Given: ?Sized;

    /// Their names; none if it is about all.
    fn names(self, given: &Self::Given) -> Option<Vec<String>>;
}

/// Objects of a program whose replicas agree by a Lease: all, or that one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AnyOrLease {
    /// All.
    Any,
    /// The Lease of `--lease-name`.
    Lease,
}

impl Names for AnyOrLease {
    type Given = str;

    fn names(self, lease: &str) -> Option<Vec<String>> {
        match self {
            Self::Any => None,
            Self::Lease => Some(vec![lease.to_owned()]),
        }
    }
}

impl<S: Copy + PartialEq, N: Names> Grant<S, N> {
    /// As a rule of a role.
    pub fn policy_rule(&self, given: &N::Given) -> PolicyRule {
        PolicyRule {
            api_groups: Some(vec![self.api_group.to_owned()]),
            resources: Some(vec![self.resource.to_owned()]),
            verbs: self.verbs.iter().map(|v| v.as_str().to_owned()).collect(),
            resource_names: self.names.names(given),
            ..PolicyRule::default()
        }
    }
}

/// The rules of one role.
pub fn rules<S: Copy + PartialEq, N: Names>(
    grants: &[Grant<S, N>],
    scope: S,
    given: &N::Given,
) -> Vec<PolicyRule> {
    let grants = grants.iter().filter(|grant| grant.scope == scope);
    grants.map(|grant| grant.policy_rule(given)).collect()
}
