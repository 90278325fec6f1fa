//! The platform as pods: what `helm install` makes of a cluster, with a device outside of it that
//! enrols, runs containers, and goes on while pods and servers come and go.
//!
//! Bus, OpenBao and identity provider are the testbed's, as an installation has them that brings its
//! own ([`own`]), or, where the charts of others are there, pods as well ([`upstream`]).
#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

mod absent;
mod device;
mod doctor;
mod drill;
mod life;
mod own;
mod round_trip;
mod site;
mod upstream;
