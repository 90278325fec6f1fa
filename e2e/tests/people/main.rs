//! People log in at an identity provider, and a real API server lets them do what their part in the
//! chart's values is.
#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

mod cluster;
mod guide;
mod rights;
mod scene;
mod tokens;
mod user;
