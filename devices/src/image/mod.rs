//! Cloud images: fetched once, verified every time.
//!
//! [`Images`] is a folder of them. What is in it counts only while its checksum is right: it is
//! computed before an image is handed out, and what has become another one is fetched again. Nothing
//! is handed out that could not be verified.

mod download;
mod error;
mod list;
mod store;

pub use download::Patience;
pub use error::ImageFailure;
pub use store::{ImagePlace, Images};

/// Told how far it is.
pub trait ImageProgress: Send {
    /// This begins, of so many bytes if that is known.
    fn begins(&mut self, what: &str, bytes: Option<u64>);
    /// So many bytes of it are there.
    fn reached(&mut self, bytes: u64);
    /// It is over, well or not.
    fn ended(&mut self);
    /// Something that people should know.
    fn says(&mut self, line: &str);
}

/// For whom nobody watches.
impl ImageProgress for () {
    fn begins(&mut self, _: &str, _: Option<u64>) {}
    fn reached(&mut self, _: u64) {}
    fn ended(&mut self) {}
    fn says(&mut self, _: &str) {}
}
