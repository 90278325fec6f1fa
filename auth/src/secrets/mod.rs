//! `fleet-auth secrets ensure`: the platform's own keys, made once and kept as Secrets.
//!
//! What is there is never overwritten, whoever made it. A key is changed in three turns, so that at
//! any time whoever checks knows what whoever signs uses: a next one is added, it takes the place of
//! the current one, the previous one is dropped. Between them people restart what reads the keys.
//!
//! | module | what it holds |
//! |---|---|
//! | [`catalogue`] | which keys there are, and where; of `fleet-keys`, as others look for them |
//! | [`ring`] | the three turns of one key |
//! | [`public`] | what others must know of all keys |
//! | [`store`] | Secrets and the `ConfigMap` |
//! | [`rbac`] | what all this may do in a cluster, and why; of `fleet-keys`, as charts grant it |

pub mod args;
pub mod ring;

mod ensure;
mod public;
pub(crate) mod store;

pub use ensure::{EnsureError, ensure};
pub use fleet_keys::catalogue::{
    self, ACCOUNTS_ENTRY, ISSUER_ENTRY, MANIFEST_KEYS_ENTRY, PUBLIC_NAME, XKEY_ENTRY,
};
pub use fleet_keys::rbac;
pub use store::StoreError;
