//! What tests of others need from the provider's own keys: tokens with claims of the test's choice,
//! and the public keys as a set.

use serde_json::Value;

use super::{Idp, SigningError};
use crate::process::lock;

impl Idp {
    /// A token with exactly these claims, signed as every other: what the provider would have to mint
    /// for an attack to work, or what it minted long ago.
    ///
    /// # Errors
    /// When there is no key to sign with.
    pub fn token_with(&self, claims: &Value) -> Result<String, SigningError> {
        lock(&self.shared.state).signing.sign(claims)
    }

    /// The public keys, as the provider serves them.
    pub fn public_keys(&self) -> Value {
        let keys = lock(&self.shared.state).signing.set();
        // Keys are strings in maps, which are always JSON.
        serde_json::to_value(keys).unwrap_or_default()
    }
}
