//! The platform with an identity provider that others wrote: Keycloak 26.
//!
//! Devices prove themselves by `private_key_jwt` (RFC 7523 §2.2), their roles are in
//! `/realm_access/roles`, and a realm is one organisation. People log in with `fleet login`; their roles
//! are in the claim `groups`.

#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

mod agent;
mod browser;
#[path = "../people/cluster.rs"]
mod cluster;
mod devices;
mod people;
mod provider;
mod rotation;
mod scene;
#[path = "../people/user.rs"]
mod user;
