//! What a bus that lies tells a device to run.

use super::program::AGENT;
use super::{Attack, attack};

/// Manifests and what they promise.
pub(super) const MANIFESTS: &[Attack] = &[
    attack(
        "replay of an old manifest",
        "agent: StaleGeneration",
        both!(AGENT, "attacks", "replay_of_an_old_manifest"),
    ),
    attack(
        "manifest signed with another key",
        "agent: BadSignature",
        both!(AGENT, "attacks", "manifest_signed_with_another_key"),
    ),
    attack(
        "manifest for another device",
        "agent: WrongDevice",
        both!(AGENT, "attacks", "manifest_for_another_device"),
    ),
    attack(
        "manifest with a lower generation",
        "agent: StaleGeneration",
        both!(AGENT, "attacks", "manifest_with_a_lower_generation"),
    ),
    attack(
        "other manifest of the same generation",
        "agent: ConflictingGeneration",
        both!(AGENT, "attacks", "manifest_of_the_same_generation"),
    ),
    attack(
        "entry that does not have the manifest's hash",
        "agent: HashMismatch",
        both!(AGENT, "attacks", "entry_without_the_manifests_hash"),
    ),
    attack(
        "body in a header of a true manifest",
        "agent: asks for the entry",
        both!(
            AGENT,
            "attacks",
            "body_that_comes_along_with_a_true_manifest"
        ),
    ),
];
