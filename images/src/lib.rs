//! Container images from scratch: a small writer of OCI images, and the images of our programs.
//!
//! [`oci`] knows nothing of our programs. It takes files and settings and gives an archive, and
//! the same input gives the same bytes on every machine: entries are sorted, times are one given
//! time, owners are root, modes are stated, and no text is written in an order that a map chose.
//! No daemon, no container tool and no network takes part.
//!
//! [`product`] says what is in our images and how they are called; [`program`] takes in what was
//! compiled, [`sbom`] lists what it was compiled from, [`build`] does all of that: `make images`.
//!
//! This crate must never put into an image what depends on the machine it was made on: its clock,
//! its paths, its users.

pub mod authorities;
pub mod build;
pub mod cargo;
pub mod oci;
pub mod product;
pub mod program;
pub mod sbom;

mod elf;
