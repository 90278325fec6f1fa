#![allow(clippy::expect_used, clippy::panic, reason = "test code")]
//! `fleet-auth callout` on a real nats-server: who gets in, who does not and why, and what happens
//! when a part is away.

mod admission;
mod clones;
mod cluster;
mod denial;
mod idp;
mod issuer;
mod openbao;
mod outages;
mod refusals;
mod scene;
#[allow(dead_code, reason = "the tests of OpenBao use the rest")]
#[path = "../openbao/vault.rs"]
mod vault;
