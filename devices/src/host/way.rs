use fleet_devices_core::host::{Command, Output};

use super::error::HostError;
use super::local::Local;
use super::planned::Planned;
use super::ssh::{Ssh, SshSettings};
use super::target::Target;
use super::transport::{Told, Transport, TransportError};

/// The way to a [`Target`], to change it or only to look.
#[derive(Debug)]
pub enum Way {
    /// This machine.
    Local(Local),
    /// This machine, to look.
    LocalPlanned(Planned<Local>),
    /// Another one.
    Remote(Ssh),
    /// Another one, to look.
    RemotePlanned(Planned<Ssh>),
}

impl Target {
    /// Connects to it; with `plan`, only to look.
    ///
    /// # Errors
    /// When nobody can log in there.
    pub async fn reach(&self, login: &SshSettings, plan: bool) -> Result<Way, HostError> {
        match self {
            Self::Local => {
                let sudo = !rustix::process::geteuid().is_root();
                let local = Local { sudo };
                Ok(if plan {
                    Way::LocalPlanned(Planned(local))
                } else {
                    Way::Local(local)
                })
            }
            Self::Remote(address) => {
                let ssh = Ssh::connect(address, login).await;
                let ssh = ssh.map_err(TransportError::from)?;
                Ok(if plan {
                    Way::RemotePlanned(Planned(ssh))
                } else {
                    Way::Remote(ssh)
                })
            }
        }
    }
}

impl Transport for Way {
    async fn run_telling(
        &self,
        command: &Command,
        told: Told<'_>,
    ) -> Result<Output, TransportError> {
        match self {
            Self::Local(way) => way.run_telling(command, told).await,
            Self::LocalPlanned(way) => way.run_telling(command, told).await,
            Self::Remote(way) => way.run_telling(command, told).await,
            Self::RemotePlanned(way) => way.run_telling(command, told).await,
        }
    }

    fn changes(&self) -> bool {
        match self {
            Self::Local(way) => way.changes(),
            Self::LocalPlanned(way) => way.changes(),
            Self::Remote(way) => way.changes(),
            Self::RemotePlanned(way) => way.changes(),
        }
    }

    fn name(&self) -> String {
        match self {
            Self::Local(way) => way.name(),
            Self::LocalPlanned(way) => way.name(),
            Self::Remote(way) => way.name(),
            Self::RemotePlanned(way) => way.name(),
        }
    }
}
