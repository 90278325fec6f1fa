//! The files of an image.

use std::collections::BTreeMap;
use std::io::{self, Write as _};

use flate2::GzBuilder;

use super::{Digest, Epoch};

const TAR: &str = "application/vnd.oci.image.layer.v1.tar";
const TAR_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// Files, folders and links; a folder that is not named but needed has mode 0755.
#[derive(Debug, Clone, Default)]
pub struct Layer {
    /// By path, without the slash in front; the order of the archive.
    entries: BTreeMap<String, Entry>,
}

#[derive(Debug, Clone)]
enum Entry {
    Folder { mode: u32 },
    File { mode: u32, content: Vec<u8> },
    Link { target: String },
}

/// How a layer is kept in the archive.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Compression {
    /// For what crosses a network: a third of the size.
    #[default]
    Gzip,
    /// For what is loaded where it was made: nobody waits for the compressor.
    None,
}

/// Why there is no layer.
#[derive(Debug, thiserror::Error)]
pub enum LayerError {
    /// A path that would leave the image or means nothing.
    #[error("{0:?} is not a path in an image: absolute, without `.`, `..` and empty parts")]
    Path(String),
    /// The archive could not be put together.
    #[error("cannot archive a layer")]
    Archive(#[source] io::Error),
}

/// A finished layer.
#[derive(Debug)]
pub(super) struct Packed {
    pub(super) media_type: &'static str,
    pub(super) bytes: Vec<u8>,
    /// The digest of what the bytes unpack to.
    pub(super) diff_id: Digest,
}

impl Layer {
    /// A layer without files.
    pub fn new() -> Self {
        Self::default()
    }

    /// With a file; it replaces what was at that path.
    #[must_use]
    pub fn file(self, path: &str, mode: u32, content: impl Into<Vec<u8>>) -> Self {
        let content = content.into();
        self.entry(path, Entry::File { mode, content })
    }

    /// With a folder.
    #[must_use]
    pub fn folder(self, path: &str, mode: u32) -> Self {
        self.entry(path, Entry::Folder { mode })
    }

    /// With a symbolic link.
    #[must_use]
    pub fn link(self, path: &str, target: &str) -> Self {
        let target = target.to_owned();
        self.entry(path, Entry::Link { target })
    }

    fn entry(mut self, path: &str, entry: Entry) -> Self {
        self.entries.insert(path.to_owned(), entry);
        self
    }

    pub(super) fn pack(&self, time: Epoch, compression: Compression) -> Result<Packed, LayerError> {
        let folder = Entry::Folder { mode: 0o755 };
        let mut entries = BTreeMap::new();
        for (path, entry) in &self.entries {
            let path = checked(path)?;
            for (end, _) in path.match_indices('/') {
                entries.entry(&path[..end]).or_insert(&folder);
            }
            entries.insert(path, entry);
        }
        let tar = archive(&entries, time).map_err(LayerError::Archive)?;
        let diff_id = Digest::of(&tar);
        let (media_type, bytes) = match compression {
            Compression::None => (TAR, tar),
            Compression::Gzip => (TAR_GZIP, gzip(&tar).map_err(LayerError::Archive)?),
        };
        Ok(Packed {
            media_type,
            bytes,
            diff_id,
        })
    }
}

/// The path without the slash in front.
fn checked(path: &str) -> Result<&str, LayerError> {
    let wrong = || LayerError::Path(path.to_owned());
    let relative = path.strip_prefix('/').ok_or_else(wrong)?;
    let good = relative
        .split('/')
        .all(|part| !["", ".", ".."].contains(&part));
    good.then_some(relative).ok_or_else(wrong)
}

fn archive(entries: &BTreeMap<&str, &Entry>, time: Epoch) -> io::Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, entry) in entries {
        let mut header = header(time);
        match entry {
            Entry::Folder { mode } => {
                header.set_entry_type(tar::EntryType::Directory);
                header.set_mode(*mode);
                tar.append_data(&mut header, format!("{path}/"), io::empty())?;
            }
            Entry::File { mode, content } => {
                header.set_mode(*mode);
                header.set_size(content.len() as u64);
                tar.append_data(&mut header, path, content.as_slice())?;
            }
            Entry::Link { target } => {
                header.set_entry_type(tar::EntryType::Symlink);
                header.set_mode(0o777);
                tar.append_link(&mut header, path, target)?;
            }
        }
    }
    tar.into_inner()
}

/// A header that says nothing about this machine.
pub(super) fn header(time: Epoch) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Regular);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(0);
    header.set_mtime(time.seconds());
    header
}

fn gzip(tar: &[u8]) -> io::Result<Vec<u8>> {
    // Neither a time nor a file name in the header, and "unknown" as the system.
    let builder = GzBuilder::new().mtime(0).operating_system(255);
    let mut encoder = builder.write(Vec::new(), flate2::Compression::best());
    encoder.write_all(tar)?;
    encoder.finish()
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn packed(layer: &Layer, compression: Compression) -> Packed {
        let time = "7".parse().unwrap();
        layer.pack(time, compression).unwrap()
    }

    #[test]
    fn entries_are_sorted_owned_by_root_and_of_one_time() {
        let layer = Layer::new()
            .file("/z/deep/file", 0o640, *b"z")
            .link("/a", "z")
            .folder("/tmp", 0o1777);
        let packed = packed(&layer, Compression::None);
        let mut archive = tar::Archive::new(packed.bytes.as_slice());
        let entries = archive.entries().unwrap().map(|entry| {
            let entry = entry.unwrap();
            let header = entry.header();
            assert_eq!(header.uid().unwrap(), 0);
            assert_eq!(header.gid().unwrap(), 0);
            assert_eq!(header.mtime().unwrap(), 7);
            let path = entry.path().unwrap().display().to_string();
            (path, header.mode().unwrap())
        });
        let expected = [
            ("a", 0o777),
            ("tmp/", 0o1777),
            ("z/", 0o755),
            ("z/deep/", 0o755),
            ("z/deep/file", 0o640),
        ];
        let expected = expected.map(|(path, mode)| (path.to_owned(), mode));
        assert_eq!(entries.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn the_order_of_adding_does_not_show() {
        let one = Layer::new().file("/a", 0o644, *b"a").folder("/b", 0o755);
        let two = Layer::new().folder("/b", 0o755).file("/a", 0o644, *b"a");
        for compression in [Compression::None, Compression::Gzip] {
            assert_eq!(
                packed(&one, compression).bytes,
                packed(&two, compression).bytes
            );
        }
    }

    #[test]
    fn a_compressed_layer_unpacks_to_its_diff_id() {
        let layer = Layer::new().file("/a", 0o644, vec![b'a'; 100_000]);
        let (plain, gzip) = (
            packed(&layer, Compression::None),
            packed(&layer, Compression::Gzip),
        );
        let mut unpacked = Vec::new();
        flate2::read::GzDecoder::new(gzip.bytes.as_slice())
            .read_to_end(&mut unpacked)
            .unwrap();
        assert_eq!(unpacked, plain.bytes);
        assert_eq!(gzip.diff_id, Digest::of(&unpacked));
        assert!(gzip.bytes.len() < 1000);
    }

    #[test]
    fn a_path_stays_in_the_image() {
        for path in ["relative", "/", "/a/../../b", "//a", "/a/", "/./a"] {
            let layer = Layer::new().file(path, 0o644, *b"");
            let error = layer.pack(Epoch::default(), Compression::None);
            assert!(matches!(error, Err(LayerError::Path(_))), "{path}");
        }
    }
}
