//! The platform as pods: what `helm install` makes of a cluster, with a device outside of it that
//! enrols, runs containers, and goes on while pods and servers come and go.
//!
//! Bus, OpenBao and identity provider are the testbed's, as an installation has them that brings its
//! own.
#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

mod bed;
mod doctor;
mod life;
