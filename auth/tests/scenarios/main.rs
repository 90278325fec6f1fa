#![allow(clippy::expect_used, clippy::panic, reason = "test code")]
//! `fleet-auth callout` on a real nats-server: who gets in, who does not and why, and what happens
//! when a part is away.

mod admission;
mod denial;
mod idp;
mod outages;
mod refusals;
mod scene;
