//! What people try.

use super::program::PEOPLE;
use super::{Attack, attack, of};

/// At the API server.
pub(super) const RIGHTS: &[Attack] = &[attack(
    "tenant's editor in another namespace",
    "API server: Forbidden",
    &[of(
        PEOPLE,
        "namespaces_give_deployments_and_only_roles_of_their_own_give_devices",
    )],
)];
