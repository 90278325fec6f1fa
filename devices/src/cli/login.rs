use std::path::PathBuf;

use crate::host::{Proof, SshSettings};

/// Passwords come by the environment: others on this machine can read a command line.
const SSH_PASSWORD: &str = "FLEET_SSH_PASSWORD";
const SUDO_PASSWORD: &str = "FLEET_SUDO_PASSWORD";

/// How to log in.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Login")]
pub struct LoginArgs {
    /// The private key to log in with. A password is taken from `FLEET_SSH_PASSWORD`, and one for sudo from
    /// `FLEET_SUDO_PASSWORD`
    #[arg(long, value_name = "FILE", default_value_os_t = default_key())]
    pub identity: PathBuf,

    /// Keys of hosts that are known, as OpenSSH keeps them
    #[arg(long, value_name = "FILE", default_value_os_t = default_known_hosts())]
    pub known_hosts: PathBuf,

    /// Believe a host that was never seen, and keep its key
    #[arg(long)]
    pub accept_new_host_key: bool,
}

impl LoginArgs {
    pub(super) fn settings(&self) -> SshSettings {
        SshSettings {
            proof: match std::env::var(SSH_PASSWORD) {
                Ok(password) => Proof::Password(password),
                Err(_) => Proof::Key(self.identity.clone()),
            },
            known_hosts: self.known_hosts.clone(),
            accept_new: self.accept_new_host_key,
            sudo_password: std::env::var(SUDO_PASSWORD).ok(),
        }
    }
}

fn ssh_folder() -> PathBuf {
    std::env::home_dir().unwrap_or_default().join(".ssh")
}

fn default_key() -> PathBuf {
    ssh_folder().join("id_ed25519")
}

fn default_known_hosts() -> PathBuf {
    ssh_folder().join("known_hosts")
}
