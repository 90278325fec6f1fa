//! Simulated devices that are the agent's own code: the engine of `fleet-agent-core` syncs, verifies,
//! plans and reports; only its surroundings are replaced.
//!
//! | module | stands in for |
//! |---|---|
//! | [`runtime`] | podman: containers are entries of a map |
//! | [`unit`] | the disk and the clock of one device |
//! | [`unrest`] | what happens to containers by itself |
//! | [`host`] | the network: requests of many devices on the connections of a lane |
//! | [`told`] | people and scenarios: what is done to devices, and what is seen of them |
//! | `fetch` | the part of the network that gets what should run |

mod fetch;
pub mod host;
pub mod runtime;
mod stored;
pub mod told;
pub mod unit;
pub mod unrest;

pub use host::{Host, Request};
pub use told::{Applied, Ears, Order, What};
pub use unrest::Unrest;
