//! What no crate brings and every static program has: the libraries of the tool chain.

use std::str::FromStr;

use super::document::{Component, License, Scope};

/// A library of the tool chain, as `tools/static.sh` names it: name, version and, where a
/// distribution built it, how that calls it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Runtime {
    library: Library,
    version: String,
    build: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Library {
    RustStd,
    Glibc,
    Libgcc,
}

/// A line that names no library of the tool chain.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not rust-std, glibc or libgcc with a version")]
pub struct RuntimeError(String);

impl FromStr for Runtime {
    type Err = RuntimeError;

    fn from_str(text: &str) -> Result<Self, RuntimeError> {
        let wrong = || RuntimeError(text.to_owned());
        let mut words = text.splitn(3, ' ');
        let library = match words.next() {
            Some("rust-std") => Library::RustStd,
            Some("glibc") => Library::Glibc,
            Some("libgcc") => Library::Libgcc,
            _ => return Err(wrong()),
        };
        let version = words
            .next()
            .filter(|v| v.starts_with(|c: char| c.is_ascii_digit()));
        Ok(Self {
            library,
            version: version.ok_or_else(wrong)?.to_owned(),
            build: words.next().map(str::to_owned),
        })
    }
}

impl Runtime {
    fn name(&self) -> &'static str {
        match self.library {
            Library::RustStd => "rust-std",
            Library::Glibc => "glibc",
            Library::Libgcc => "libgcc",
        }
    }

    pub(super) fn reference(&self) -> String {
        format!("{}@{}", self.name(), self.version)
    }

    pub(super) fn component(&self) -> Component {
        let (license, place) = match self.library {
            Library::RustStd => ("MIT OR Apache-2.0", "github/rust-lang/rust"),
            Library::Glibc => ("LGPL-2.1-or-later", "generic/glibc"),
            Library::Libgcc => ("GPL-3.0-or-later WITH GCC-exception-3.1", "generic/gcc"),
        };
        Component {
            kind: "library",
            reference: self.reference(),
            name: self.name().to_owned(),
            version: self.version.clone(),
            description: self.build.clone(),
            scope: Scope::Required,
            hashes: Vec::new(),
            licenses: vec![License {
                expression: license.to_owned(),
            }],
            purl: Some(format!("pkg:{place}@{}", self.version)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_has_a_version_and_perhaps_a_build() {
        let glibc: Runtime = "glibc 2.36 Debian GLIBC 2.36-9".parse().unwrap();
        assert_eq!(glibc.reference(), "glibc@2.36");
        assert_eq!(glibc.build.as_deref(), Some("Debian GLIBC 2.36-9"));
        let std: Runtime = "rust-std 1.95.0".parse().unwrap();
        assert_eq!((std.version.as_str(), std.build), ("1.95.0", None));
        for text in ["", "glibc", "glibc ", "glibc unknown", "musl 1.2"] {
            assert!(text.parse::<Runtime>().is_err(), "{text}");
        }
    }
}
