//! All that crosses the wire between the fleet's operator and its devices.
//!
//! Ids, payloads, KV keys, subjects and the signed manifest: what two programs of different
//! versions must agree on, and nothing else. This crate does no I/O, reads no clock and knows no
//! Kubernetes; the agent links it, so it stays small.
//!
//! | module | what it holds |
//! |---|---|
//! | [`id`] | names that are parsed once, on entry; one rule gives `FromStr`, serde and the CRD schema |
//! | [`score`] | what a device is asked to run |
//! | [`payload`] | what lies in the buckets |
//! | [`manifest`], [`signing`] | the signed list of what one device should run |
//! | [`brought`] | bodies that come along with a manifest |
//! | [`revision`] | SHA-256 of a score's canonical JSON |
//! | [`kv`], [`subject`], [`permission`] | buckets, keys, and the subjects a device may use |
//! | [`enrolment`] | how a device becomes part of the fleet, over HTTPS |
//! | [`jws`] | the form of what devices sign |
//! | [`reason`] | why a device refused or failed: a closed set |
//!
//! Payload types tolerate fields they do not know and carry `schemaVersion`; examples of every
//! released version stay in `tests/data` and must parse for ever.

mod base;
pub mod brought;
pub mod enrolment;
pub mod id;
pub mod jws;
pub mod kv;
pub mod manifest;
pub mod payload;
pub mod permission;
pub mod reason;
pub mod revision;
pub mod score;
pub mod signing;
pub mod subject;
pub mod time;

pub use id::{DeploymentName, DeploymentRef, DeviceId, FleetName, Namespace, ServiceName};
pub use manifest::{Generation, Manifest};
pub use permission::Permissions;
pub use reason::{DeviceReason, RefusalReason};
pub use revision::Revision;
pub use score::ReconcileScore;
pub use time::UnixMillis;
