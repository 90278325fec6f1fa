//! Cloud images of distributions, and how to tell that one came whole.
//!
//! A [`CloudImage`] says where it is and how it is verified: by a checksum that stands here, or by the
//! list that its distribution signs, together with the fingerprint of the key that must have signed it.
//! Nothing is believed because of where it came from.

mod catalogue;
mod checksum;
mod reference;
mod signature;

pub use catalogue::{CloudImage, Release, Verification};
pub use checksum::{Checksum, ChecksumAlgorithm, ImageError, checksum_of};
pub use reference::{ImageReference, InvalidImage};
pub use signature::{
    Fingerprint, InvalidFingerprint, Signature, SignatureError, SigningKey, binary_key, signed_by,
};
