//! What somebody tries who wants to be let in.

use super::{Attack, attack};

/// Tokens and assertions.
pub(super) const LOGINS: &[Attack] = &[
    attack(
        "algorithm none",
        "callout: AlgorithmRefused",
        both!("logins", "algorithm_none"),
    ),
    attack(
        "HS256 with the public key",
        "callout: AlgorithmRefused",
        both!("logins", "hs256_with_the_public_key"),
    ),
    attack(
        "key confusion: claimed, unknown, none, brought along",
        "callout: SignatureInvalid, KeyUnknown",
        both!("logins", "key_confusion"),
    ),
    attack(
        "claims under another's signature",
        "callout: SignatureInvalid",
        both!("logins", "claims_under_anothers_signature"),
    ),
    attack(
        "expired token",
        "callout: TokenExpired",
        both!("logins", "expired_token"),
    ),
    attack(
        "token that is not yet valid",
        "callout: TokenNotYetValid",
        both!("logins", "token_that_is_not_yet_valid"),
    ),
    attack(
        "wrong audience",
        "callout: AudienceWrong",
        both!("logins", "wrong_audience"),
    ),
    attack(
        "right audience without the role",
        "callout: RoleMissing",
        both!("logins", "right_audience_without_the_role"),
    ),
    attack(
        "right role in another organisation",
        "callout: OrganisationWrong",
        both!("logins", "right_role_in_another_organisation"),
    ),
    attack(
        "opaque token",
        "callout: TokenOpaque",
        both!("logins", "opaque_token"),
    ),
    attack(
        "oversize token",
        "callout: TokenOversize; nats-server: maximum control line",
        both!("logins", "oversize_token"),
    ),
    attack(
        "device ids with . * > spaces and unicode",
        "callout: DeviceIdInvalid",
        both!(
            "logins",
            "device_ids_with_wildcards_dots_spaces_and_unicode"
        ),
    ),
    attack(
        "replay of an old token",
        "callout: TokenExpired",
        both!("logins", "replay_of_an_old_token"),
    ),
    attack(
        "replay of an old assertion",
        "identity provider: invalid_grant; callout: KeyUnknown",
        both!("logins", "replay_of_an_old_assertion"),
    ),
];
