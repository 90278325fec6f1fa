//! What the identity provider answers, as far as it is read.

use serde::Deserialize;

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
