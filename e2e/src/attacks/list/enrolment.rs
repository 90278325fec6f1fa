//! What somebody tries who wants to become a device.

use super::program::ENROLMENT;
use super::{Attack, attack, of};

/// Enrolment tokens and keys.
pub(super) const ENROLMENTS: &[Attack] = &[
    attack(
        "enrolment token used again",
        "enrolment: TokenUsed",
        &[of(
            ENROLMENT,
            "tokens::a_token_is_good_for_one_device_and_for_what_it_is_bound_to",
        )],
    ),
    attack(
        "enrolment token used by many at once",
        "enrolment: TokenUsed",
        &[of(
            ENROLMENT,
            "tokens::of_many_who_use_one_token_at_once_one_gets_in_and_tokens_are_kept_nowhere",
        )],
    ),
    attack(
        "expired enrolment token",
        "enrolment: TokenExpired",
        &[of(
            ENROLMENT,
            "tokens::a_token_is_good_for_one_device_and_for_what_it_is_bound_to",
        )],
    ),
    attack(
        "enrolment token of another device",
        "enrolment: WrongDevice",
        &[of(
            ENROLMENT,
            "tokens::a_token_is_good_for_one_device_and_for_what_it_is_bound_to",
        )],
    ),
    attack(
        "enrolment with another's key",
        "enrolment: BadProof",
        &[of(ENROLMENT, "tokens::a_key_speaks_for_itself_only")],
    ),
];
