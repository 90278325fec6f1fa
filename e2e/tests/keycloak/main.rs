//! The platform with an identity provider that others wrote: Keycloak 26.
//!
//! Devices prove themselves by `private_key_jwt` (RFC 7523 §2.2), their roles are in
//! `/realm_access/roles`, and a realm is one organisation.

#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

mod agent;
mod devices;
mod provider;
mod rotation;
mod scene;
