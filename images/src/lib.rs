//! Container images from scratch: a small writer of OCI images, and the images of our programs.
//!
//! [`oci`] knows nothing of our programs. It takes files and settings and gives an archive, and
//! the same input gives the same bytes on every machine: entries are sorted, times are one given
//! time, owners are root, modes are stated, and no text is written in an order that a map chose.
//! No daemon, no container tool and no network takes part.
//!
//! [`operator`] is the image of the operator: one program, two files with user names, and the list
//! of what the program is made of ([`sbom`]). [`build`] compiles the programs and writes the
//! archives; `make images` is that.
//!
//! This crate must never put into an image what depends on the machine it was made on: its clock,
//! its paths, its users.

pub mod oci;
