//! What somebody says in the callout's place, or to the callout.

use super::program::CALLOUT;
use super::{Attack, attack, of};

/// Its answers and its questions.
pub(super) const CALLOUT_ANSWERS: &[Attack] = &[
    attack(
        "callout's answer unsealed, signed by another",
        "nats-server: signing key is unknown",
        both!("callout", "answer_unsealed_and_signed_by_another"),
    ),
    attack(
        "callout's answer sealed with another key",
        "nats-server: error decrypting",
        both!("callout", "answer_sealed_with_another_key"),
    ),
    attack(
        "callout's answer sealed, signed by another",
        "nats-server: wrong issuer",
        both!("callout", "answer_sealed_and_signed_by_another"),
    ),
    attack(
        "callout's answer for another server",
        "nats-server: is not for server",
        both!("callout", "answer_for_another_server"),
    ),
    attack(
        "callout's answer for another user",
        "nats-server: is not for expected user",
        both!("callout", "answer_for_another_user"),
    ),
    attack(
        "callout's answer that was given before",
        "nats-server: is not for expected user",
        both!("callout", "answer_that_was_given_before"),
    ),
    attack(
        "request to the callout that is not sealed by its server",
        "callout: RequestUnsealed, RequestMalformed",
        &[of(
            CALLOUT,
            "what_is_not_sealed_to_us_by_its_server_is_refused",
        )],
    ),
    attack(
        "request to the callout for others or of yesterday",
        "callout: RequestForeign, RequestExpired",
        &[of(
            CALLOUT,
            "requests_of_others_for_others_or_of_yesterday_are_refused",
        )],
    ),
];
