//! Who calls, and what they may do.

use super::error::{ApiError, Code};
use crate::idp::core::store::{Administrator, Store};

/// Whoever makes a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::idp) enum Caller {
    /// The test itself.
    Test,
    /// A user with a token.
    User(String),
}

/// What a call needs, by the names of Zitadel's `defaults.yaml`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Permission {
    /// `user.read`, `user.write`, `user.delete`
    Users,
    /// `user.grant.read`, `user.grant.write`, `user.grant.delete`
    Grants,
    /// `project.read`, `project.role.read` and the like
    ReadProjects,
    /// `project.create`, `project.role.write`, `project.app.write`
    Projects,
    /// `org.member.read`, `org.member.write`
    Members,
    /// `org.create`
    Organizations,
}

impl Caller {
    /// Whether the caller may do this in an organisation.
    pub(super) fn require(
        &self,
        store: &Store,
        permission: Permission,
        organisation: &str,
    ) -> Result<(), ApiError> {
        let Self::User(id) = self else {
            return Ok(());
        };
        let denied = |message| Err(ApiError::new(Code::PermissionDenied, message));
        let Some(role) = store.administrators.get(id) else {
            return denied("membership not found (AUTHZ-cdgFk)");
        };
        let own = store
            .users
            .get(id)
            .is_some_and(|user| user.organisation == organisation);
        let users = [
            Permission::Users,
            Permission::Grants,
            Permission::ReadProjects,
        ];
        let may = match role {
            Administrator::Instance => true,
            Administrator::Organisation => own && permission != Permission::Organizations,
            Administrator::Users => own && users.contains(&permission),
        };
        if may {
            return Ok(());
        }
        denied("No matching permissions found (AUTH-5mWD2)")
    }

    /// Whether the caller would see a thing of this organisation in a list: what it may not see is
    /// left out without a word.
    pub(super) fn sees(&self, store: &Store, permission: Permission, organisation: &str) -> bool {
        self.require(store, permission, organisation).is_ok()
    }

    /// The organisation of the caller.
    pub(super) fn organisation<'a>(&self, store: &'a Store) -> Option<&'a str> {
        match self {
            Self::Test => store.organisations.keys().next().map(String::as_str),
            Self::User(id) => store.users.get(id).map(|user| user.organisation.as_str()),
        }
    }
}
