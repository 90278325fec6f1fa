//! Organisations, projects, users, keys and role grants.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jsonwebtoken::DecodingKey;
use serde::Deserialize;

use super::clients::Application;

/// The project that stands for Zitadel's own API in audiences.
pub(in crate::idp) const API_PROJECT: &str = "100000000000000001";

/// Everything that is kept until the IdP ends. Ids are decimal numbers in strings, as Zitadel's.
#[derive(Debug, Default)]
pub(in crate::idp) struct Store {
    last_id: u64,
    pub(in crate::idp) organisations: BTreeMap<String, Organisation>,
    pub(in crate::idp) projects: BTreeMap<String, Project>,
    /// By client id.
    pub(in crate::idp) applications: BTreeMap<String, Application>,
    pub(in crate::idp) users: BTreeMap<String, User>,
    pub(in crate::idp) keys: BTreeMap<String, Key>,
    pub(in crate::idp) authorizations: BTreeMap<String, Authorization>,
    /// By what is sent.
    pub(in crate::idp) personal_tokens: BTreeMap<String, PersonalToken>,
    /// What users may do with the API, by user id.
    pub(in crate::idp) administrators: BTreeMap<String, Administrator>,
}

#[derive(Debug)]
pub(in crate::idp) struct Organisation {
    pub(in crate::idp) name: String,
    pub(in crate::idp) domain: String,
}

#[derive(Debug)]
pub(in crate::idp) struct Project {
    pub(in crate::idp) name: String,
    pub(in crate::idp) organisation: String,
    /// Keys and what people read.
    pub(in crate::idp) roles: BTreeMap<String, String>,
    /// Whether tokens for its applications carry roles that were not asked for.
    pub(in crate::idp) role_assertion: bool,
}

/// A machine or a person.
#[derive(Debug)]
pub(in crate::idp) struct User {
    pub(in crate::idp) id: String,
    pub(in crate::idp) organisation: String,
    pub(in crate::idp) username: String,
    pub(in crate::idp) kind: UserKind,
    pub(in crate::idp) state: UserState,
    pub(in crate::idp) metadata: BTreeMap<String, Vec<u8>>,
}

#[derive(Debug)]
pub(in crate::idp) enum UserKind {
    Machine { name: String, tokens: TokenType },
    Human { email: String },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::idp) enum UserState {
    Active,
    Inactive,
    Locked,
}

/// What access tokens look like. `Bearer` is what machines get unless somebody chose.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub(in crate::idp) enum TokenType {
    #[default]
    #[serde(rename = "ACCESS_TOKEN_TYPE_BEARER", alias = "OIDC_TOKEN_TYPE_BEARER")]
    Opaque,
    #[serde(rename = "ACCESS_TOKEN_TYPE_JWT", alias = "OIDC_TOKEN_TYPE_JWT")]
    Jwt,
}

/// A machine's public key.
#[derive(Debug)]
pub(in crate::idp) struct Key {
    pub(in crate::idp) user: String,
    pub(in crate::idp) public: DecodingKey,
    pub(in crate::idp) created: Timestamp,
    pub(in crate::idp) expires: Timestamp,
}

/// A personal access token of a machine.
#[derive(Debug)]
pub(in crate::idp) struct PersonalToken {
    pub(in crate::idp) id: String,
    pub(in crate::idp) user: String,
    pub(in crate::idp) created: Timestamp,
    pub(in crate::idp) expires: Timestamp,
}

/// Roles of a user in a project, granted within an organisation.
#[derive(Debug)]
pub(in crate::idp) struct Authorization {
    pub(in crate::idp) user: String,
    pub(in crate::idp) project: String,
    pub(in crate::idp) organisation: String,
    pub(in crate::idp) roles: BTreeSet<String>,
    pub(in crate::idp) active: bool,
}

/// What a user may do with the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Administrator {
    /// Everything (`IAM_OWNER`).
    Instance,
    /// Everything in its own organisation (`ORG_OWNER`).
    Organisation,
    /// Users, their keys and role grants in its own organisation (`ORG_USER_MANAGER`).
    Users,
}

impl Store {
    /// A new id, as long as Zitadel's.
    pub(in crate::idp) fn new_id(&mut self) -> String {
        self.last_id += 1;
        (300_000_000_000_000_000 + self.last_id).to_string()
    }

    /// The key of this id if it belongs to this user and is still good.
    pub(in crate::idp) fn live_key(&self, id: &str, user: &str, now: Timestamp) -> Option<&Key> {
        let key = self.keys.get(id)?;
        (key.user == user && now < key.expires).then_some(key)
    }

    /// The roles of a user, by project and role: the organisation's id and domain.
    pub(in crate::idp) fn roles_of(&self, user: &str) -> BTreeMap<&str, Roles<'_>> {
        let mut projects: BTreeMap<&str, Roles<'_>> = BTreeMap::new();
        let granted = self.authorizations.values();
        for grant in granted.filter(|grant| grant.active && grant.user == user) {
            let Some(organisation) = self.organisations.get(&grant.organisation) else {
                continue;
            };
            let roles = projects.entry(&grant.project).or_default();
            for role in &grant.roles {
                let granted_in = roles.entry(role).or_default();
                granted_in.insert(&grant.organisation, &organisation.domain);
            }
        }
        projects
    }
}

/// Role, then organisation id, then the organisation's domain.
pub(in crate::idp) type Roles<'a> = BTreeMap<&'a str, BTreeMap<&'a str, &'a str>>;

impl User {
    pub(in crate::idp) fn is_active(&self) -> bool {
        self.state == UserState::Active
    }
}

impl UserState {
    pub(in crate::idp) fn name(self) -> &'static str {
        match self {
            Self::Active => "USER_STATE_ACTIVE",
            Self::Inactive => "USER_STATE_INACTIVE",
            Self::Locked => "USER_STATE_LOCKED",
        }
    }
}
