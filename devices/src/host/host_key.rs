//! Whether a host is the one that is meant.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use fleet_devices_core::host::Address;
use russh::client;
use russh::keys::PublicKeyOrCertificate;
use russh::keys::known_hosts::{check_known_hosts_path, learn_known_hosts_path};

use super::ssh::ConnectError;

static LIST: Mutex<()> = Mutex::new(());

/// Decides whether a host is the one that is meant.
pub(super) struct Verifier {
    pub(super) address: Address,
    pub(super) known_hosts: PathBuf,
    pub(super) accept_new: bool,
}

/// Why it is not, or cannot be asked.
#[derive(Debug)]
pub(super) enum VerifyError {
    Refused(Box<ConnectError>),
    Ssh(russh::Error),
}

impl From<russh::Error> for VerifyError {
    fn from(error: russh::Error) -> Self {
        Self::Ssh(error)
    }
}

impl From<ConnectError> for VerifyError {
    fn from(error: ConnectError) -> Self {
        Self::Refused(Box::new(error))
    }
}

impl client::Handler for Verifier {
    type Error = VerifyError;

    async fn check_server_key(
        &mut self,
        shown: &PublicKeyOrCertificate,
    ) -> Result<bool, VerifyError> {
        let key = match shown {
            PublicKeyOrCertificate::PublicKey { key, .. } => key.clone(),
            PublicKeyOrCertificate::Certificate(certificate) => {
                certificate.public_key().clone().into()
            }
        };
        let Address { host, port, .. } = &self.address;
        let (path, address) = (&self.known_hosts, self.address.to_string());
        let fingerprint = key.fingerprint(russh::keys::HashAlg::Sha256).to_string();
        let known_hosts = path.display().to_string();
        // Many hosts may be met at once, and share the list.
        let _one_at_a_time = LIST.lock().unwrap_or_else(PoisonError::into_inner);
        match known(host, *port, &key, path) {
            Ok(true) => Ok(true),
            Ok(false) if self.accept_new => {
                learn_known_hosts_path(host, *port, &key, path)
                    .map_err(|source| unusable(path, source))?;
                tracing::info!(address, fingerprint, known_hosts, "host key is kept");
                Ok(true)
            }
            Ok(false) => Err(ConnectError::UnknownHostKey {
                address,
                fingerprint,
                known_hosts,
            }
            .into()),
            Err(russh::keys::Error::KeyChanged { line }) => Err(ConnectError::ChangedHostKey {
                address,
                fingerprint,
                known_hosts,
                line,
            }
            .into()),
            Err(source) => Err(unusable(path, source).into()),
        }
    }
}

fn unusable(path: &Path, source: russh::keys::Error) -> ConnectError {
    ConnectError::KnownHosts {
        path: path.to_owned(),
        source,
    }
}

/// A list that is not there knows nobody.
fn known(
    host: &str,
    port: u16,
    key: &russh::keys::PublicKey,
    path: &Path,
) -> Result<bool, russh::keys::Error> {
    if !path.exists() {
        return Ok(false);
    }
    check_known_hosts_path(host, port, key, path)
}
