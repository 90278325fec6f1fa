//! Connections on which many devices report.
//!
//! A [`Lane`] speaks for its share of the fleet: over one connection for all of them, or one for each.
//! Reports are sent one after the other without waiting, each with a reply subject of its own, so that
//! any number may be under way; a device has at most one.

mod ack;
mod connect;
mod lane;
mod payload;

pub use ack::Stored;
pub use connect::{Line, Ramp, each, multiplexed};
pub use lane::{Answer, Lane, News};
pub use payload::Writer;
