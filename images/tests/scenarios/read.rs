//! An archive of an image, taken apart again.

use std::io::Read as _;

use fleet_images::oci::Digest;
use serde_json::Value;

/// The documents and layers of an archive, by name.
pub(crate) struct Read(Vec<(String, Vec<u8>)>);

impl Read {
    pub(crate) fn tar(bytes: &[u8]) -> Self {
        let mut tar = tar::Archive::new(bytes);
        let entries = tar.entries().expect("entries").map(|entry| {
            let mut entry = entry.expect("an entry");
            let name = entry.path().expect("a path").display().to_string();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).expect("content");
            (name, content)
        });
        Self(entries.collect())
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    pub(crate) fn get(&self, name: &str) -> &[u8] {
        let found = self.0.iter().find(|(known, _)| known == name);
        &found.expect(name).1
    }

    pub(crate) fn json(&self, name: &str) -> Value {
        serde_json::from_slice(self.get(name)).expect("JSON")
    }

    /// What a descriptor points to; its digest and size are true.
    pub(crate) fn blob(&self, descriptor: &Value) -> &[u8] {
        let digest = descriptor["digest"].as_str().expect("a digest");
        let content = self.get(&digest.replace("sha256:", "blobs/sha256/"));
        assert_eq!(Digest::of(content).to_string(), digest);
        assert_eq!(descriptor["size"], content.len());
        content
    }

    pub(crate) fn blob_json(&self, descriptor: &Value) -> Value {
        serde_json::from_slice(self.blob(descriptor)).expect("JSON")
    }
}

/// The files of a compressed layer.
pub(crate) fn unpacked(layer: &[u8]) -> Read {
    let mut tar = Vec::new();
    let mut decoder = flate2::read::GzDecoder::new(layer);
    decoder.read_to_end(&mut tar).expect("gzip");
    Read::tar(&tar)
}
