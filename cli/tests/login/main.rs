//! `fleet login`, `fleet token` and `fleet logout` against an identity provider as strict as
//! Zitadel.
#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

mod advice;
mod device;
mod flows;
mod person;
mod tokens;
