//! `fleet-check`: a device for a minute, to see whether a platform does what it is for.
//!
//! It starts the program that devices run, `fleet-agent`, unchanged, and does beside it what people do:
//! make a token, approve, write a Deployment, change and delete it, and shut the device out. Only podman
//! is missing where it runs, in a pod without privileges; so [`podman`] answers in its place, and keeps
//! containers in memory.
//!
//! It must never leave anything behind, or stand in for a part of the platform. [`round_trip`] is the
//! sequence; what each step waits for is decided in `fleet-check-core`.

pub mod agent;
pub mod args;
pub mod podman;
pub mod round_trip;
