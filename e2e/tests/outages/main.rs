#![allow(clippy::expect_used, clippy::panic, reason = "test code")]
//! Each part of the chain away, alone, and for longer than anything that was read stays fresh: who is
//! connected works on, who comes back gets in as far as caches reach, who is new waits and is told why,
//! and when the part is back nobody has to do anything.
//!
//! With `FLEET_OUTAGE_SECONDS` the outage lasts that long, and every life time is the one that an
//! installation has.

mod callout;
mod openbao;
mod provider;
mod scene;
