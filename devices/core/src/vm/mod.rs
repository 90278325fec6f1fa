//! Virtual machines: what they are made of, and how they start for the first time.
//!
//! A [`VmDefinition`] and the [`HostFacts`] of where it is to run decide everything else: the domain
//! that libvirt is given ([`domain`]), or the arguments of QEMU where there is no libvirt ([`qemu`]).
//! Both start by UEFI ([`firmware`]) from a distribution's cloud image ([`image`]) and read who may
//! log in from a `NoCloud` seed ([`seed`]). What somebody wants is a [`VmSpec`]; where no libvirt keeps what was
//! defined, a [`VmRecord`] in the machine's folder does.

pub mod accelerator;
pub mod budget;
pub mod console;
pub mod credential;
pub mod definition;
pub mod domain;
pub mod firmware;
pub mod first_boot;
#[cfg(test)]
mod fixtures;
pub mod folder;
pub mod image;
pub mod kvm_host;
pub mod name;
pub mod ownership;
pub mod path;
pub mod preflight;
pub mod qemu;
pub mod qmp;
pub mod record;
pub mod seed;
pub mod spec;
pub mod virsh;
mod xml;

pub use accelerator::Accelerator;
pub use budget::boot_budget;
pub use credential::{AuthorizedKey, CredentialError, HashedPassword, HostKey};
pub use definition::{DiskCache, Forward, HostFacts, VmDefinition, VmFiles, VmNetwork};
pub use domain::{DomainXmlParams, resolve};
pub use firmware::{Firmware, FirmwareError, Padded, Padding, padded_length};
pub use first_boot::FirstBoot;
pub use folder::{FolderError, VmFolder};
pub use image::{Checksum, CloudImage, ImageError, ImageReference, Release};
pub use kvm_host::{InvalidKvmHost, KvmHost, RemoteKvmHost};
pub use name::{InvalidVmName, VmName};
pub use ownership::{Ownership, ownership};
pub use path::{HostPath, InvalidHostPath};
pub use qemu::PlainQemu;
pub use qmp::{QmpCommand, QmpError, QmpMessage, RunState};
pub use record::{BackingImage, RecordError, RedefineError, Redefinition, VmRecord};
pub use seed::{AdminUser, Seed, SeedError, SeedFile};
pub use spec::VmSpec;
