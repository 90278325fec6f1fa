//! etcd, the Kubernetes API server and the controller manager.

mod api_server;
mod audit;
mod authentication;
mod etcd;
mod files;
mod node_access;

use std::io;
use std::path::PathBuf;

use crate::process::ProcessError;

pub use api_server::ApiServer;
pub(crate) use api_server::Special;
pub use audit::Request;
pub use etcd::Etcd;
pub use files::OPERATOR_USER;
pub(crate) use files::pem;
pub(crate) use node_access::{Joining, NodeAccess};

/// Why the control plane did not start.
#[derive(Debug, thiserror::Error)]
pub enum ControlPlaneError {
    /// A server did not start, or did not become ready.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// A tool was not built.
    #[error(transparent)]
    Tool(#[from] fleet_tools::Error),
    /// A file of the control plane cannot be written or read.
    #[error("cannot write or read {path}", path = .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// No key for service account tokens could be made.
    #[error("cannot make the key that signs service account tokens")]
    Key,
    /// No certificates for the kubelet and its client could be made.
    #[error("cannot make the certificates between API server and kubelet")]
    Certificate(#[from] rcgen::Error),
    /// No free port was found.
    #[error("cannot find a free port on 127.0.0.1")]
    Port(#[source] io::Error),
    /// The audit log was not asked for.
    #[error("this API server keeps no audit log: call `.audit()` on the builder")]
    NoAuditLog,
    /// The API server was not told of any identity provider.
    #[error("this API server knows no people: call `.people()` on the builder")]
    NoPeople,
    /// The kubeconfig of this testbed does not load.
    #[error("cannot make a client from {path}", path = .path.display())]
    Client {
        /// The kubeconfig.
        path: PathBuf,
        /// What kube said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}
