//! What a token request asks for.
//!
//! Source: zitadel `internal/domain/token.go`, `internal/api/oidc/userinfo.go` and `client.go`, and
//! the scopes page of its documentation.

use super::store::API_PROJECT;

const PROJECT: &str = "urn:zitadel:iam:org:project:id:";
const AUDIENCE: &str = ":aud";
const ROLES: &str = "urn:zitadel:iam:org:projects:roles";
const ROLE: &str = "urn:zitadel:iam:org:project:role:";
const ORGANISATION: &str = "urn:zitadel:iam:org:id:";
const RESOURCE_OWNER: &str = "urn:zitadel:iam:user:resourceowner";
const METADATA: &str = "urn:zitadel:iam:user:metadata";
const STANDARD: [&str; 6] = [
    "openid",
    "profile",
    "email",
    "phone",
    "address",
    "offline_access",
];

/// The scopes of a request that the server knows; it leaves the others out without a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::idp) struct Scopes(Vec<String>);

impl Scopes {
    /// From the parameter of a request; `organisation` is the user's own.
    pub(in crate::idp) fn parse(text: &str, organisation: Option<&str>) -> Self {
        let known = |scope: &&str| {
            STANDARD.contains(scope)
                || [ROLES, RESOURCE_OWNER, METADATA].contains(scope)
                || scope.starts_with(PROJECT)
                || scope.starts_with(ROLE)
                || scope
                    .strip_prefix(ORGANISATION)
                    .is_some_and(|id| organisation.is_none_or(|own| own == id))
        };
        let scopes = text.split_whitespace().filter(known);
        Self(scopes.map(str::to_owned).collect())
    }

    pub(in crate::idp) fn has(&self, scope: &str) -> bool {
        self.0.iter().any(|own| own == scope)
    }

    /// All of `narrower` must have been granted before.
    pub(in crate::idp) fn covers(&self, narrower: &Self) -> bool {
        narrower.0.iter().all(|scope| self.has(scope))
    }

    /// The projects whose audience was asked for. None of them needs to exist, nor the user a role
    /// there: an audience proves nothing.
    pub(in crate::idp) fn audience(&self) -> Vec<String> {
        let mut projects: Vec<String> = Vec::new();
        for scope in &self.0 {
            let project = scope.strip_prefix(PROJECT);
            let Some(project) = project.and_then(|rest| rest.strip_suffix(AUDIENCE)) else {
                continue;
            };
            let project = if project == "zitadel" {
                API_PROJECT
            } else {
                project
            };
            if !projects.iter().any(|own| own == project) {
                projects.push(project.to_owned());
            }
        }
        projects
    }

    pub(in crate::idp) fn asks_for_all_roles(&self) -> bool {
        self.has(ROLES)
    }

    /// Roles asked for by name.
    pub(in crate::idp) fn roles(&self) -> Vec<&str> {
        self.0
            .iter()
            .filter_map(|scope| scope.strip_prefix(ROLE))
            .collect()
    }

    pub(in crate::idp) fn organisation(&self) -> Option<&str> {
        self.0
            .iter()
            .find_map(|scope| scope.strip_prefix(ORGANISATION))
    }

    pub(in crate::idp) fn asks_for_resource_owner(&self) -> bool {
        self.has(RESOURCE_OWNER) || self.organisation().is_some()
    }

    pub(in crate::idp) fn asks_for_metadata(&self) -> bool {
        self.has(METADATA)
    }
}

impl std::fmt::Display for Scopes {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0.join(" "))
    }
}
