//! OCI images as archives that podman, containerd and skopeo read.
//!
//! ```
//! use fleet_images::oci::{Architecture, Contents, Epoch, Image, Layer, Settings};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let layer = Layer::new().file("/hello", 0o755, *b"a static program");
//! let settings = Settings {
//!     entrypoint: vec!["/hello".into()],
//!     ..Settings::default()
//! };
//! let archive = Image::new("registry.example/hello:1".parse()?, Epoch::default())
//!     .platform(Architecture::Amd64, Contents::new(settings, [layer]))
//!     .archive()?;
//! println!("{} {}", archive.reference(), archive.digest());
//! let mut file = Vec::new();
//! archive.write(&mut file)?;
//! # Ok(()) }
//! ```
//!
//! Formats: image-spec 1.1 (`config.md`, `manifest.md`, `image-index.md`, `image-layout.md`).

mod archive;
mod digest;
mod document;
mod epoch;
mod image;
mod layer;
mod reference;

pub use archive::{Archive, SaveError};
pub use digest::Digest;
pub use document::Settings;
pub use epoch::{Epoch, EpochError};
pub use image::{Architecture, ArchitectureError, Contents, Image, ImageError};
pub use layer::{Compression, Layer, LayerError};
pub use reference::{Reference, ReferenceError};
