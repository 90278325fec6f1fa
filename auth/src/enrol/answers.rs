//! What the identity provider answers, as far as it is read.

use serde::Deserialize;

/// A list; absent when empty, as protobuf's JSON has it.
#[derive(Deserialize)]
pub(super) struct Listed<T> {
    #[serde(default = "Vec::new", alias = "authorizations", alias = "metadata")]
    pub(super) result: Vec<T>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ListedUser {
    pub(super) user_id: String,
    #[serde(default)]
    pub(super) state: String,
    pub(super) username: String,
    pub(super) machine: Option<ListedMachine>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ListedMachine {
    #[serde(default)]
    pub(super) access_token_type: String,
}

#[derive(Deserialize)]
pub(super) struct Entry {
    pub(super) key: String,
    #[serde(default)]
    pub(super) value: String,
}

#[derive(Deserialize)]
pub(super) struct Id {
    pub(super) id: String,
}

#[derive(Deserialize)]
pub(super) struct ListedGrant {
    pub(super) id: String,
    #[serde(default)]
    pub(super) state: String,
    #[serde(default)]
    pub(super) roles: Vec<RoleKey>,
}

#[derive(Deserialize)]
pub(super) struct RoleKey {
    pub(super) key: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AddedKey {
    pub(super) key_id: String,
}
