use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

const BLOCK: usize = 64 * 1024;

/// Copies a file, or nothing, into a new one of this length. Blocks of zeros take no room.
pub(super) fn copy(from: Option<&Path>, to: &Path, length: u64) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut to = options.write(true).create_new(true).mode(0o600).open(to)?;
    if let Some(from) = from {
        let mut from = File::open(from)?;
        let mut block = vec![0; BLOCK];
        loop {
            let read = from.read(&mut block)?;
            let read = &block[..read];
            if read.is_empty() {
                break;
            }
            if read.iter().all(|byte| *byte == 0) {
                to.seek(SeekFrom::Current(read.len().try_into().unwrap_or(0)))?;
            } else {
                to.write_all(read)?;
            }
        }
    }
    to.set_len(length)?;
    to.sync_all()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, reason = "test code")]

    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn zeros_take_no_room_and_the_rest_is_the_same() {
        let folder = tempfile::tempdir().expect("a folder");
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        let mut bytes = vec![0; 4 << 20];
        bytes[2 << 20] = 7;
        std::fs::write(&from, &bytes).expect("written");
        copy(Some(&from), &to, 64 << 20).expect("copied");
        bytes.resize(64 << 20, 0);
        assert!(std::fs::read(&to).expect("there") == bytes);
        let there = std::fs::metadata(&to).expect("there");
        assert!(there.blocks() * 512 < 1 << 20, "{}", there.blocks());
        assert_eq!(there.mode() & 0o777, 0o600);
    }

    #[test]
    fn nothing_makes_zeros_and_nothing_is_overwritten() {
        let folder = tempfile::tempdir().expect("a folder");
        let to = folder.path().join("to");
        copy(None, &to, 1 << 20).expect("made");
        assert_eq!(std::fs::read(&to).expect("there"), vec![0; 1 << 20]);
        assert!(copy(None, &to, 1).is_err());
    }
}
