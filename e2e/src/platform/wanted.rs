//! What a platform is to be made of.

use fleet_testbed::{Builder, Testbed};

use crate::cluster::{Context, ImageName};
use crate::guest;
use crate::identity::ChainOptions;

/// What to start.
#[derive(Debug, Clone)]
pub struct Wanted<'a> {
    /// The testbed's name.
    pub name: &'a str,
    /// The devices' ids.
    pub devices: &'a [&'a str],
    /// Seconds between heartbeats, where it is not the default; twice that until a device is stale.
    pub heartbeat: Option<u32>,
    /// Where the operator runs.
    pub operator: Place<'a>,
    /// How devices log in.
    pub login: Login,
}

/// How devices log in to the bus.
#[derive(Debug, Clone)]
pub enum Login {
    /// Each with an nkey that the server's configuration holds: for tests of other things.
    StaticKeys,
    /// As in a fleet: enrolled and approved, with tokens of the identity provider that the auth
    /// callout takes.
    Chain(ChainOptions),
}

/// Where the operator runs.
#[derive(Debug, Clone, Copy)]
pub enum Place<'a> {
    /// As a process beside the testbed's API server.
    Process,
    /// As a pod on the testbed's node, installed by its chart. Needs root.
    Pod,
    /// As a pod in the cluster that the user's kubectl talks to.
    Current(&'a Context, Option<&'a ImageName>),
}

impl Wanted<'_> {
    /// The testbed to be, and its servers in words.
    pub(super) fn parts(&self) -> (Builder, String) {
        let builder = Testbed::builder(self.name).devices(self.devices.iter().copied());
        let (builder, cluster) = match self.operator {
            Place::Process => (
                builder.control_plane(),
                "etcd, API server, controller manager, ",
            ),
            Place::Pod => (
                builder.control_plane().node(),
                "etcd, API server, controllers, a node, ",
            ),
            Place::Current(..) => (builder, ""),
        };
        match self.login {
            Login::StaticKeys => (builder.nats(), cluster.to_owned()),
            Login::Chain(_) => (
                builder.callout().idp().openbao(),
                format!("{cluster}OpenBao, an identity provider, "),
            ),
        }
    }
}

impl Place<'_> {
    /// The namespace of enrolment tokens.
    pub(super) fn token_namespace(&self) -> &'static str {
        match self {
            Self::Process | Self::Pod => "fleet-enrolment",
            // It goes with the rest of the guest.
            Self::Current(..) => guest::NAMESPACE,
        }
    }
}
