//! OpenBao: set up for the fleet, and read for what was decided about devices.
//!
//! A record is `kv/data/devices/<id>`: a [`DevicePolicy`](fleet_auth_core::DevicePolicy) in JSON.
//! The services log in with their own identity and hold no token of others; the root token is
//! revoked by OpenBao itself at its first start.

pub mod args;
pub mod denials;

mod cache;
mod client;
mod command;
mod endpoint;
mod keeper;
mod list;
mod policies;
mod provision;
mod setup;

pub use client::{Answer, BaoError, BaoLogin, BaoSettings, Session};
pub use command::run as run_provision;
pub use denials::DenialError;
pub use keeper::Keeper;
pub use policies::{Freshness, OpenBaoPolicies, RecordError};
pub use provision::{ProvisionError, provision};
pub use setup::{
    CALLOUT_POLICY, DEVICES, ENROL_POLICY, JwtSetup, KV_MOUNT, KubernetesSetup, Setup,
};
