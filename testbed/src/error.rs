//! Why a testbed did not start or serve.

use std::io;
use std::path::PathBuf;

use crate::argocd::ArgoCdError;
use crate::control_plane::ControlPlaneError;
use crate::device::DeviceError;
use crate::idp::IdpError;
use crate::install::InstallError;
use crate::journal::JournalError;
use crate::keycloak::KeycloakError;
use crate::nats::NatsError;
use crate::network::NetworkError;
use crate::node::NodeError;
use crate::openbao::OpenBaoError;
use crate::process::ProcessError;
use crate::registry::RegistryError;
use crate::runtime_folder::RuntimeFolderError;

/// Why a testbed did not start or serve.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A part was asked for that was not built in.
    #[error("this testbed does not have {0}: call `.{1}()` on the builder")]
    NoPart(&'static str, &'static str),
    /// There is no such device.
    #[error("this testbed has no device {0:?}")]
    NoDevice(String),
    /// There is such a device already.
    #[error("this testbed has a device {0:?} already")]
    DeviceTaken(String),
    /// Not a device id.
    #[error(transparent)]
    DeviceId(#[from] fleet_contracts::id::InvalidName),
    /// More devices than addresses.
    #[error("a testbed holds at most 240 devices; simulate more with `Nats::admit_keys`")]
    TooManyDevices,
    /// The servers are not built and cannot be.
    #[error("the third-party servers are not ready; `fleet-tools ensure` shows more")]
    Tools(#[from] fleet_tools::Error),
    /// The control plane.
    #[error(transparent)]
    ControlPlane(#[from] ControlPlaneError),
    /// The CRDs or permissions.
    #[error(transparent)]
    Install(#[from] InstallError),
    /// The bus.
    #[error(transparent)]
    Nats(#[from] NatsError),
    /// A device.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The registry.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The identity provider.
    #[error(transparent)]
    Idp(#[from] IdpError),
    /// The identity provider cannot be described to the API server.
    #[error(transparent)]
    People(#[from] fleet_people::InvalidProvider),
    /// OpenBao.
    #[error(transparent)]
    OpenBao(#[from] OpenBaoError),
    /// Keycloak.
    #[error(transparent)]
    Keycloak(#[from] KeycloakError),
    /// Argo CD.
    #[error(transparent)]
    ArgoCd(#[from] ArgoCdError),
    /// The network.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The node.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The folder for sockets.
    #[error(transparent)]
    RuntimeFolder(#[from] RuntimeFolderError),
    /// A process of ours.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// The record of what was started.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A program of ours is not built.
    #[error("{0} is not built: run `cargo build --workspace`, or set FLEET_BIN_DIR")]
    NotBuilt(PathBuf),
    /// No free port was found.
    #[error("cannot find a free port on 127.0.0.1")]
    Port(#[source] io::Error),
    /// A file cannot be written or read.
    #[error("cannot write or read {path}", path = .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The runtime is shutting down.
    #[error("a task of the testbed was cancelled")]
    Cancelled,
}

/// How servers say that a port is taken.
const IN_USE: [&str; 2] = ["address already in use", "already bound"];

impl Error {
    /// Whether a server did not start because its port was taken.
    pub(crate) fn is_port_conflict(&self) -> bool {
        let (Self::ControlPlane(ControlPlaneError::Process(process))
        | Self::Nats(NatsError::Process(process))
        | Self::OpenBao(OpenBaoError::Process(process))
        | Self::Keycloak(KeycloakError::Process(process))
        | Self::Registry(RegistryError::Process(process))) = self
        else {
            return false;
        };
        matches!(process, ProcessError::Ended { tail, .. } if IN_USE.iter().any(|sign| tail.contains(sign)))
    }
}
