//! How an API server learns from an identity provider who somebody is.
//!
//! [`Provider`] says which provider it is and where its tokens name roles; out of it comes the API
//! server's [`AuthenticationConfiguration`]. A person becomes a Kubernetes user, a role at the
//! provider becomes a group, and bindings of the cluster say what a group may do. All rules are CEL
//! expressions that the API server itself evaluates, so nothing of ours stands between them.
//!
//! It must never let a device's token pass for a person's: devices are users of the same provider,
//! and may be able to ask for any audience.

mod cel;
pub mod configuration;
mod provider;

pub use configuration::AuthenticationConfiguration;
pub use provider::{ClaimPath, InvalidProvider, Prefix, Provider, Roles};
