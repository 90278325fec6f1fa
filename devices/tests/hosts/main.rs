//! Hosts over a real sshd, on a Debian with systemd in a container. It needs root, podman and a root file system
//! that `tools/debian-root.sh` makes once.
#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

mod failures;
mod kvm;
mod machine;
mod seed;
mod things;
