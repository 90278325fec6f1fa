//! The check of what was downloaded.

use std::fs::File;
use std::io;
use std::path::Path;

use sha2::{Digest, Sha256};

/// A file is not the pinned one.
#[derive(Debug, thiserror::Error)]
#[error(
    "{file} has the SHA-256 {found}, and {pinned} is pinned: the package registry gave out another \
     file, so nothing of it is used"
)]
pub struct HashMismatch {
    /// The name of the file.
    pub file: String,
    /// Its hash.
    pub found: String,
    /// The hash it should have.
    pub pinned: &'static str,
}

/// Refuses a file that is not the pinned one.
pub(crate) fn check(file: &Path, found: String, pinned: &'static str) -> Result<(), HashMismatch> {
    if found == pinned {
        return Ok(());
    }
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    Err(HashMismatch {
        file: name.into_owned(),
        found,
        pinned,
    })
}

/// The SHA-256 of a file, in hexadecimal digits.
pub(crate) fn sha256(file: &Path) -> io::Result<String> {
    let mut hash = Sha256::new();
    io::copy(&mut File::open(file)?, &mut hash)?;
    Ok(format!("{:x}", hash.finalize()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn another_file_than_the_pinned_one_is_refused_and_both_hashes_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tool-1.0.whl");
        fs::write(&file, "abc").unwrap();
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256(&file).unwrap(), abc);
        assert!(check(&file, sha256(&file).unwrap(), abc).is_ok());
        fs::write(&file, "abd").unwrap();
        let error = check(&file, sha256(&file).unwrap(), abc).unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("tool-1.0.whl has the SHA-256 "), "{text}");
        assert!(text.contains(abc), "{text}");
    }
}
