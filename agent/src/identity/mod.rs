//! Who this device is, and how it proves it: a key of its own ([`key`]), tokens that an identity
//! provider gives for its signature ([`provider`]), and the task that has one at hand ([`minter`]).
//!
//! Asking for a token takes TLS, all certificates of the system and RSA: more memory than the rest of
//! an idle agent. So a process of its own does it ([`helper`]) and ends, a few times in an hour.
//!
//! Tokens are kept in memory only, and pass between processes in a pipe. Neither they nor the key are
//! ever logged.

mod helper;
pub(crate) mod key;
mod minter;
mod provider;

use std::sync::Arc;

pub(crate) use helper::{Answer, Helper, LONGEST, MINT, Question};
pub(crate) use minter::Minter;
pub(crate) use provider::{Provider, full, sign};

use crate::bus::{CredentialSource, SeedFile};
use crate::config::{Config, Credentials};
use crate::https::Trust;
use key::{DeviceKey as _, KeyFile};

/// How this device proves who it is to the bus. Must be called on the event loop.
pub(crate) fn credentials(config: &Config) -> Arc<dyn CredentialSource> {
    match &config.credentials {
        Credentials::SeedFile(path) => {
            tracing::warn!("this device logs in with a static key, which never ends; enrol it");
            Arc::new(SeedFile(path.clone()))
        }
        Credentials::Identity(identity) => {
            let helper = Helper::new(identity.as_ref().clone());
            Arc::new(Minter::start(helper))
        }
    }
}

/// Reads what the configuration's identity needs; says what is wrong with it.
pub(crate) fn check(config: &Config) -> Result<(), String> {
    if let Some(ca) = &config.nats.ca_file {
        Trust::Only(ca.clone()).check().map_err(|e| e.to_string())?;
    }
    match &config.credentials {
        Credentials::SeedFile(path) => SeedFile(path.clone()).check().map_err(|e| e.to_string()),
        Credentials::Identity(identity) => {
            let key = KeyFile(identity.key_file.clone());
            key.public_key().map_err(|e| e.to_string())?;
            let trust = Trust::from_file(identity.ca_file.as_deref());
            trust.check().map_err(|e| e.to_string())
        }
    }
}
