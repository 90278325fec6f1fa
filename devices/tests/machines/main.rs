//! Virtual machines on real QEMU: their lives with an empty disk, which take seconds, and one that boots a Debian of
//! `tools/vm-image.sh` and becomes a device, which takes minutes where there is no KVM.
#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

#[path = "../libvirt/daemon.rs"]
#[allow(dead_code, reason = "the tests of libvirt itself use all of it")]
mod daemon;
mod device;
mod empty;
mod program;
mod support;
mod trouble;
