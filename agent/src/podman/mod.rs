//! podman over its REST socket (libpod API v4, rootless or rootful).
//!
//! Each call has its own connection and timeout: a hung podman never blocks more than the call.

mod client;
mod create;
mod error;
mod events;
mod exec;
mod images;
mod list;

pub(crate) use client::Podman;
pub(crate) use create::CreateOptions;
pub(crate) use error::{PodmanError, Stage};
pub(crate) use list::PodmanInfo;
