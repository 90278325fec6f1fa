//! Hosts over a real sshd, on a Debian with systemd in a container. It needs root, podman and a root file system
//! that `tools/debian-root.sh` makes once.
#![allow(clippy::large_futures, reason = "starting a testbed is one")]
#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

mod failures;
mod kvm;
mod machine;
mod many;
mod member;
mod program;
mod refusals;
mod seed;
mod services;
mod things;
