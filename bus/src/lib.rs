//! NATS as the fleet uses it: account layout, device permissions, stream definitions, server
//! configuration, connecting.
//!
//! The layout is computed here once and used by everybody who needs it: the test bed's server, the
//! chart's, and whoever signs a device's credentials. This crate must never give a device a
//! subject that is not its own; [`fleet_contracts::permission`] is the only place that decides which
//! those are.
//!
//! | module | what it holds |
//! |---|---|
//! | [`account`] | the four accounts, what PLATFORM exports and DEVICES imports |
//! | [`server`] | a `nats-server` configuration with all of it |
//! | [`stream`] | the four buckets as streams, made and repaired |
//! | [`connect`] | a connection that comes back by itself, out of step with the fleet's |
//! | [`inlet`] | a share of a queue group that is left without losing a message |
//! | [`system`] | finding and closing connections of devices |
//! | [`store`], [`watch`] | reading, writing and watching the buckets from the PLATFORM account |

pub mod account;
pub mod connect;
pub mod inlet;
pub mod server;
pub mod store;
pub mod stream;
pub mod system;
pub mod watch;

pub use connect::{Bus, ConnectSettings};
pub use inlet::Inlet;
pub use store::{StoreError, Stored, WriteError};
pub use stream::StreamSettings;
pub use system::{Place, SystemBus};
pub use watch::{Event, Incarnation, Watch};

/// Re-exported so that users need not repeat the version.
pub use async_nats;
