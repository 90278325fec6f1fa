//! What people try, and devices that pose as such.

use super::program::{PEOPLE, PERSON};
use super::{Attack, attack, of};

/// At the API server.
pub(super) const RIGHTS: &[Attack] = &[
    attack(
        "tenant's editor in another namespace",
        "API server: Forbidden",
        &[
            of(
                PEOPLE,
                "namespaces_give_deployments_and_only_roles_of_their_own_give_devices",
            ),
            of(
                PERSON,
                "rights::an_editor_of_one_namespace_writes_there_and_nowhere_else",
            ),
        ],
    ),
    attack(
        "device that poses as a person",
        "API server: Unauthorized",
        &[of(
            PERSON,
            "tokens::a_device_is_no_person_whatever_it_asks_for",
        )],
    ),
];
