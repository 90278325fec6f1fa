//! `fleet authentication-config`: what an API server has to know to take the tokens of people. It only
//! prints; nothing is asked and nothing is sent.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use fleet_people::{InvalidProvider, Provider, Roles};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject as _};

use crate::args::AuthenticationConfigArgs;
use crate::document::{self, DocumentError};
use crate::output::{OutputError, emit};

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum AuthenticationError {
    /// The flags make no provider.
    #[error(transparent)]
    Provider(#[from] InvalidProvider),
    /// The authority's file cannot be read.
    #[error("cannot read {path}", path = .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The API server would not start with it.
    #[error("{path} holds no certificates", path = .path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: pem::Error,
    },
    /// It cannot be written as a document.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// Standard output is gone.
    #[error(transparent)]
    Output(#[from] OutputError),
}

/// Runs `fleet authentication-config`.
pub fn run(args: &AuthenticationConfigArgs) -> Result<(), AuthenticationError> {
    let configuration = provider(args)?.configuration();
    let value = serde_json::to_value(configuration).map_err(DocumentError::from)?;
    Ok(emit(document::write(&value, args.output)?)?)
}

fn provider(args: &AuthenticationConfigArgs) -> Result<Provider, AuthenticationError> {
    let clients = args.client_ids.iter().map(String::as_str);
    let provider = Provider::new(&args.issuer, clients, roles(args), args.prefix.clone())?;
    let provider = provider.with_device_role(&args.device_role);
    Ok(match &args.ca_file {
        Some(path) => provider.with_authority(authority(path)?),
        None => provider,
    })
}

/// By the flags, of which there is one: the parser sees to it.
fn roles(args: &AuthenticationConfigArgs) -> Roles {
    match &args.roles_claim {
        Some(path) => Roles::List(path.clone()),
        None => Roles::Zitadel {
            project: args.zitadel_project.clone().unwrap_or_default(),
            organisation: args.zitadel_organisation.clone(),
        },
    }
}

fn authority(path: &Path) -> Result<String, AuthenticationError> {
    let text = fs::read_to_string(path).map_err(|source| AuthenticationError::Read {
        path: path.to_owned(),
        source,
    })?;
    CertificateDer::from_pem_slice(text.as_bytes()).map_err(|source| {
        AuthenticationError::Certificate {
            path: path.to_owned(),
            source,
        }
    })?;
    Ok(text)
}
