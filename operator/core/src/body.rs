use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

/// An encoded entry, with a fingerprint of it: one allocation and one pass for all devices.
#[derive(Debug, Clone)]
pub struct Body {
    bytes: Arc<[u8]>,
    print: u64,
}

impl Body {
    /// Of these bytes.
    pub fn new(bytes: Vec<u8>) -> Self {
        let print = print(&bytes);
        Self {
            bytes: bytes.into(),
            print,
        }
    }

    /// The bytes.
    pub const fn bytes(&self) -> &Arc<[u8]> {
        &self.bytes
    }

    pub(crate) const fn print(&self) -> u64 {
        self.print
    }
}

impl PartialEq for Body {
    fn eq(&self, other: &Self) -> bool {
        self.print == other.print && self.bytes == other.bytes
    }
}

impl Eq for Body {}

/// A fingerprint; it never leaves the process.
pub(crate) fn print(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}
