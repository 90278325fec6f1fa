//! What somebody tries who wants to become a device.

use super::program::ENROLMENT;
use super::{Attack, attack, of};

/// Enrolment tokens and keys.
pub(super) const ENROLMENTS: &[Attack] = &[
    attack(
        "enrolment token used again",
        "enrolment: TokenUsed",
        &[of(ENROLMENT, "attacks::attack_enrolment_token_used_again")],
    ),
    attack(
        "enrolment token used by many at once",
        "enrolment: TokenUsed",
        &[of(
            ENROLMENT,
            "attacks::attack_enrolment_token_used_by_many_at_once",
        )],
    ),
    attack(
        "expired enrolment token",
        "enrolment: TokenExpired",
        &[of(
            ENROLMENT,
            "attacks::attack_enrolment_token_that_has_ended",
        )],
    ),
    attack(
        "enrolment token of another device",
        "enrolment: WrongDevice",
        &[of(
            ENROLMENT,
            "attacks::attack_enrolment_token_of_another_device",
        )],
    ),
    attack(
        "enrolment with the id of another device",
        "enrolment: DeviceIdTaken",
        &[of(
            ENROLMENT,
            "attacks::attack_enrolment_with_the_id_of_another_device",
        )],
    ),
    attack(
        "enrolment with another's key",
        "enrolment: BadProof",
        &[of(ENROLMENT, "attacks::attack_enrolment_with_anothers_key")],
    ),
];
