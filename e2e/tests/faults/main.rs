//! The fault matrix of `docs/reliability.md`: real servers fail, and afterwards every count adds up,
//! nothing was restarted that need not be, and what devices are told is what the resources say.
//!
//! What takes longer than a minute runs when asked for, by `FLEET_FAULTS=long`, which `make faults`
//! sets. `FLEET_SEED=<n>` repeats one seed of the scenarios that draw their fault.
#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

mod book;
mod bus;
mod clock;
mod control_plane;
mod disk;
mod fleet;
mod flood;
mod garbage;
mod gate;
mod leaders;
mod link;
mod operator;
mod played;
mod podman;
mod quorum;
mod registry;
mod sampled;
mod scene;
mod skew;
mod truth;
mod writes;
