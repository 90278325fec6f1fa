//! The embedded platform: real etcd, API server, NATS, podman devices and a node as processes.
//!
//! A [`Testbed`] is a folder below cargo's target folder, with servers on free ports. Several run
//! side by side. Nothing of it is faked, and nothing of it survives: it is stopped when it is
//! dropped, also by a panic, and what a killed run left is cleaned up by the next start, from the
//! journal that every testbed keeps of what it starts.
//!
//! With root each device is a machine of its own: process, mount and network namespaces with an
//! address on the testbed's bridge. A power cut ends one process and with it all of the machine;
//! ports of different devices never meet; no mount, interface or packet filter rule of a device
//! exists outside its namespaces. Without root podman runs rootless on the host.
//!
//! A testbed may have a [`Node`]: containerd, kubelet and kube-proxy in such a machine, with real
//! pods, DNS, local volumes, and the scheduler and all controllers beside it. It needs root.
//!
//! This crate must never touch a process, interface or folder that it has not recorded itself.
//!
//! # Using it from tests
//!
//! ```no_run
//! # async fn scenario() -> Result<(), fleet_testbed::Error> {
//! use fleet_testbed::{OperatorOptions, OperatorRights, Testbed};
//!
//! let bed = Testbed::builder("status")
//!     .control_plane()            // etcd, API server, controller manager
//!     .nats()                     // the bus, as fleet-bus configures it
//!     .devices(["dev-1", "dev-2"])
//!     .start()
//!     .await?;
//! let client = bed.kube_client().await?;             // kube::Client, cluster admin
//! let bus = bed.nats()?.operator_client().await?;    // async_nats::Client, account PLATFORM
//! bed.install_crds().await?;
//! bed.grant_operator(&OperatorRights::default()).await?; // no more than the product is granted
//! let operator = bed.start_operator(OperatorOptions::default())?;
//! let device = bed.device("dev-1")?;
//! device.load_image("localhost/fleet-demo/web:v1", "v1").await?;
//! device.start_agent().await?;
//! // ... apply with `client`, then wait on a predicate with a deadline:
//! let url = format!("http://{}:8080/", device.host_ip());
//! # let _ = (client, bus, url);
//! device.reboot().await?;                            // a power cut and a boot
//! bed.nats()?.stop().await?;                         // a fault; `start` brings it back
//! operator.kill().await?;
//! # Ok(()) }
//! ```
//!
//! With a node, for what has to be seen running in a cluster:
//!
//! ```no_run
//! # async fn scenario() -> Result<(), fleet_testbed::Error> {
//! # use fleet_testbed::{Node, Testbed};
//! if let Err(why) = Node::supported() {
//!     eprintln!("skipped: pods: {why}");
//!     return Ok(());
//! }
//! let bed = Testbed::builder("chart")
//!     .node()                     // brings the control plane along
//!     .local_volumes(2)           // and a default storage class for them
//!     .nats()                     // pods reach it at `bed.nats()?.url()`
//!     .start()                    // until the node is ready and DNS answers
//!     .await?;
//! let node = bed.node()?;
//! node.import_image(std::path::Path::new("operator.tar")).await?; // docker or OCI archive
//! // ... then from the host: `NodePort` Services at
//! let address = node.host_ip();
//! # let _ = address;
//! # Ok(()) }
//! ```
//!
//! With an identity provider, as strict as Zitadel, that devices and pods reach:
//!
//! ```no_run
//! # async fn scenario() -> Result<(), fleet_testbed::Error> {
//! # use fleet_testbed::{Endpoint, Fault, IdpError, Testbed};
//! let bed = Testbed::builder("tokens").idp().devices(["dev-1"]).start().await?;
//! let idp = bed.idp()?;
//! let key = idp.machine("dev-1", &["device"])?;      // user, key id and private key
//! let (issuer, authority) = (idp.issuer(), idp.ca_file());
//! // ... an agent logs in with `key` at `issuer`, whose certificate `authority` vouches for.
//! idp.inject_at(Endpoint::Keys, Fault::Status(503));
//! idp.rotate_keys().map_err(IdpError::from)?;
//! idp.stop().await;                                  // a fault; `start` brings it back
//! idp.start()?;
//! assert_eq!(idp.requests(Endpoint::Token), 1);
//! # let _ = (key, issuer, authority);
//! # Ok(()) }
//! ```
//!
//! | variable | meaning |
//! |---|---|
//! | `FLEET_BIN_DIR` | where `fleet-operator`, `fleet-agent` and `fleet-auth` are; default: beside the running program |
//! | `FLEET_CACHE_DIR` | where the third-party servers are built; see `fleet-tools` |
//! | `FLEET_TESTBED_KEEP` | set to anything: the logs of tests that pass are kept, too |
//!
//! A firewall on the host must let 198.18.0.0/15 in: devices reach the bus there, and pods the API
//! server.
//!
//! Parts that were not built in answer with [`Error::NoPart`]. [`wait::until`] is the predicate
//! with a deadline.

mod account;
mod argocd;
mod binaries;
mod builder;
mod callout;
mod certificate;
mod control_groups;
mod control_plane;
mod device;
mod enrolment;
mod error;
mod grant;
mod idp;
mod images;
mod install;
mod journal;
mod keycloak;
mod nats;
mod network;
mod node;
mod openbao;
mod operator;
mod overview;
mod page;
mod people;
mod ports;
mod process;
mod procfs;
mod registry;
mod remains;
mod replacement;
mod rights;
mod runtime_folder;
mod secret;
mod shared;
mod signing_key;
mod slow_disk;
mod slow_way;
mod testbed;
mod tls;
pub mod wait;
mod wall_clock;

pub use account::Account;
pub use argocd::{ArgoCd, ArgoCdError};
pub use builder::Builder;
pub use callout::{Callout, CalloutOptions};
pub use certificate::CertificateError;
pub use control_plane::{ApiServer, ControlPlaneError, Etcd, OPERATOR_USER, Request};
pub use device::machine::MachineError;
pub use device::{Device, DeviceError, Invitation};
pub use enrolment::{ENROLMENT_USER, Enrolment, EnrolmentOptions};
pub use error::Error;
pub use fleet_images::oci::Architecture;
pub use idp::{
    Administrator, ApiError, AssertionErrors, Code, Endpoint, Fault, Idp, IdpError, MachineKey,
    Minter, SigningError,
};
pub use images::{ImageError, busybox, write_web_archive};
pub use install::{InstallError, OperatorRights};
pub use journal::JournalError;
pub use keycloak::{AskError, ClientKey, DeviceClient, Keycloak, KeycloakError, Realm};
pub use nats::{KeyError, Nats, NatsError};
pub use network::NetworkError;
pub use node::{Node, NodeError};
pub use openbao::{BaoLogin, OpenBao, OpenBaoError, SealKey};
pub use operator::{Operator, OperatorOptions};
pub use overview::Overview;
pub use people::People;
pub use process::{ProcessError, Service};
pub use registry::{Registry, RegistryError};
pub use remains::clean_remains;
pub use rights::Mismatch;
pub use runtime_folder::RuntimeFolderError;
pub use shared::{Lease, Shared};
pub use slow_disk::SlowDisk;
pub use slow_way::SlowWay;
pub use testbed::Testbed;
pub use tls::TlsError;
pub use wall_clock::{Shows, WallClock};

/// One of our own programs as cargo built it, such as `fleet-operator`.
///
/// # Errors
/// When it was not built.
pub fn program(name: &str) -> Result<std::path::PathBuf, Error> {
    binaries::find(name).map_err(Error::NotBuilt)
}
