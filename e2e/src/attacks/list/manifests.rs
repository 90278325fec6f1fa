//! What a bus that lies tells a device to run.

use super::program::AGENT;
use super::{Attack, Test, attack, of};

const FORGED: &[Test] = &[of(
    AGENT,
    "refusals::forged_stale_and_foreign_manifests_change_nothing",
)];

/// Manifests and what they promise.
pub(super) const MANIFESTS: &[Attack] = &[
    attack(
        "replay of an old manifest",
        "agent: StaleGeneration",
        FORGED,
    ),
    attack(
        "manifest signed with another key",
        "agent: BadSignature",
        FORGED,
    ),
    attack("manifest for another device", "agent: WrongDevice", FORGED),
    attack(
        "manifest with a lower generation",
        "agent: StaleGeneration",
        FORGED,
    ),
    attack(
        "entry that does not have the manifest's hash",
        "agent: HashMismatch",
        &[of(
            AGENT,
            "refusals::a_body_with_the_wrong_hash_is_refused_and_the_old_one_keeps_running",
        )],
    ),
];
