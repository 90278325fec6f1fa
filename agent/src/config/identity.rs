//! How the device proves who it is.

use std::path::PathBuf;

use fleet_agent_core::identity::Grant;
use serde::{Deserialize, Serialize};

/// How the device proves who it is to the bus.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// A static nkey user: the file with its seed. For tests: it is good for ever, and nobody can take it back but by the server's configuration.
    SeedFile(PathBuf),
    /// Tokens of an identity provider.
    Identity(Box<Identity>),
}

/// An identity provider, and who this device is there.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Identity {
    /// The provider: the `iss` of its tokens, to the letter.
    pub issuer: String,
    /// Who the device is, and what it asks for.
    pub grant: Grant,
    /// File with the device's private key (PKCS#8 in PEM).
    pub key_file: PathBuf,
    /// File with the certificates (PEM) to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// The folder with the enrolment that all of this comes from, if it does.
    #[serde(default)]
    pub enrolled_in: Option<PathBuf>,
}

/// Section `[identity]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenIdentity {
    issuer: String,
    key_file: PathBuf,
    user_id: Option<String>,
    client_id: Option<String>,
    key_id: Option<String>,
    project_id: Option<String>,
    scopes: Option<Vec<String>>,
    ca_file: Option<PathBuf>,
}

impl Credentials {
    /// From the two places in the configuration file.
    pub(super) fn written(
        seed_file: Option<PathBuf>,
        identity: Option<WrittenIdentity>,
    ) -> Result<Option<Self>, String> {
        match (seed_file, identity) {
            (Some(_), Some(_)) => {
                Err("exactly one of [nats] seed_file and [identity] must be set".into())
            }
            (Some(path), None) => Ok(Some(Self::SeedFile(path))),
            (None, Some(identity)) => Ok(Some(Self::Identity(Box::new(identity.check()?)))),
            (None, None) => Ok(None),
        }
    }
}

impl Identity {
    /// With an address that is checked once, here.
    pub(super) fn new(
        issuer: String,
        grant: Grant,
        key_file: PathBuf,
        ca_file: Option<PathBuf>,
    ) -> Result<Self, String> {
        // What the device signs and gets is worth an identity: never over an open line.
        if !issuer.starts_with("https://") {
            return Err(format!("issuer {issuer:?} must be an https:// address"));
        }
        if let Grant::JwtProfile { project_id, .. } = &grant
            && (project_id.is_empty() || !project_id.bytes().all(|b| b.is_ascii_alphanumeric()))
        {
            return Err("project_id must be letters and digits: it is part of a scope".into());
        }
        Ok(Self {
            issuer,
            grant,
            key_file,
            ca_file,
            enrolled_in: None,
        })
    }
}

impl WrittenIdentity {
    fn check(self) -> Result<Identity, String> {
        let grant = match (self.user_id, self.client_id) {
            (Some(user_id), None) => {
                let missing =
                    |what: &str| format!("[identity] {what} is missing: user_id needs it");
                if self.scopes.is_some() {
                    return Err("[identity] scopes is for client_id; user_id knows its own".into());
                }
                Grant::JwtProfile {
                    user_id,
                    key_id: self.key_id.ok_or_else(|| missing("key_id"))?,
                    project_id: self.project_id.ok_or_else(|| missing("project_id"))?,
                }
            }
            (None, Some(client_id)) => {
                if self.project_id.is_some() {
                    return Err("[identity] project_id is for user_id; client_id has scopes".into());
                }
                Grant::ClientCredentials {
                    client_id,
                    key_id: self.key_id,
                    scopes: self.scopes.unwrap_or_default(),
                }
            }
            _ => return Err("[identity] needs exactly one of user_id and client_id".into()),
        };
        Identity::new(self.issuer, grant, self.key_file, self.ca_file)
            .map_err(|message| format!("[identity] {message}"))
    }
}
