//! What the writer makes, read again and run.
#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

mod archive;
mod made;
mod product;
mod read;
mod sbom;
mod support;
