//! A program on its way into an image.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::elf::Elf;
use crate::oci::{Architecture, Digest, Layer};

/// A program and the files without which the kernel would not start it.
#[derive(Debug, Clone)]
pub struct Program {
    architecture: Architecture,
    content: Vec<u8>,
    /// The dynamic loader and the shared libraries, by their places.
    libraries: BTreeMap<String, Vec<u8>>,
}

/// Why a program cannot go into an image.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// A file cannot be read.
    #[error("cannot read {path}", path = .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It is not a program for a machine that images are made for.
    #[error("{path} is not an ELF program for amd64 or arm64", path = .path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// It needs a dynamic loader, which an image from scratch does not have.
    #[error("{path} is not static; tools/static.sh builds one that is", path = .path.display())]
    Dynamic {
        /// The program.
        path: PathBuf,
    },
    /// Its libraries could not be listed.
    #[error("ldd could not list the libraries of {path}", path = .path.display())]
    List {
        /// The program.
        path: PathBuf,
        /// What the system said, where it did.
        #[source]
        source: Option<io::Error>,
    },
    /// A library is not installed.
    #[error("{path} wants a library that is not there: {library}", path = .path.display())]
    Missing {
        /// The program.
        path: PathBuf,
        /// The line of `ldd`.
        library: String,
    },
}

impl Program {
    /// A static program: alone, it is a whole image.
    pub fn standalone(path: &Path) -> Result<Self, ProgramError> {
        let (program, elf) = Self::load(path)?;
        if elf.dynamic {
            let path = path.to_owned();
            return Err(ProgramError::Dynamic { path });
        }
        Ok(program)
    }

    /// A program of this machine as cargo builds it by default, with the libraries it is linked to.
    ///
    /// For tests and demo only. A static build compiles everything once more, and these bring what
    /// the machine happens to have: such an image is made in a second and is not reproducible
    /// elsewhere.
    pub fn with_libraries(path: &Path) -> Result<Self, ProgramError> {
        let (mut program, elf) = Self::load(path)?;
        if elf.dynamic {
            for library in libraries(path)? {
                let content = read(Path::new(&library))?;
                program.libraries.insert(library, content);
            }
        }
        Ok(program)
    }

    fn load(path: &Path) -> Result<(Self, Elf), ProgramError> {
        let content = read(path)?;
        let elf = Elf::read(&content);
        let elf = elf.ok_or_else(|| ProgramError::Foreign {
            path: path.to_owned(),
        })?;
        let program = Self {
            architecture: elf.architecture,
            content,
            libraries: BTreeMap::new(),
        };
        Ok((program, elf))
    }

    /// The machines it runs on.
    pub fn architecture(&self) -> Architecture {
        self.architecture
    }

    /// The digest of the program alone.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.content)
    }

    /// Adds it to a layer as `/<name>`, its libraries where the loader looks for them.
    pub(crate) fn add_to(self, layer: Layer, name: &str) -> Layer {
        let layer = layer.file(&format!("/{name}"), 0o755, self.content);
        let libraries = self.libraries.into_iter();
        libraries.fold(layer, |layer, (path, content)| {
            layer.file(&path, 0o755, content)
        })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, ProgramError> {
    fs::read(path).map_err(|source| ProgramError::Read {
        path: path.to_owned(),
        source,
    })
}

/// The places of the loader and of all libraries, also those of libraries.
fn libraries(path: &Path) -> Result<Vec<String>, ProgramError> {
    let list = |source| ProgramError::List {
        path: path.to_owned(),
        source,
    };
    let done = Command::new("ldd").arg(path).env("LC_ALL", "C").output();
    let done = done.map_err(|source| list(Some(source)))?;
    if !done.status.success() {
        return Err(list(None));
    }
    let text = String::from_utf8_lossy(&done.stdout);
    let mut found = Vec::new();
    for line in text.lines().map(str::trim) {
        if line.contains("not found") {
            return Err(ProgramError::Missing {
                path: path.to_owned(),
                library: line.to_owned(),
            });
        }
        found.extend(place(line).map(str::to_owned));
    }
    Ok(found)
}

/// The file in a line of `ldd`: `name => /place (0x…)`, or `/place (0x…)` for the loader. None for
/// the library that the kernel itself brings.
fn place(line: &str) -> Option<&str> {
    let place = line.split_once(" => ").map_or(line, |(_, place)| place);
    let place = place.split_once(" (").map_or(place, |(place, _)| place);
    place.starts_with('/').then_some(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_ldd_name_files() {
        for (line, expected) in [
            ("linux-vdso.so.1 (0x00007f1aaf85c000)", None),
            (
                "libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f1aad13e000)",
                Some("/lib/x86_64-linux-gnu/libc.so.6"),
            ),
            (
                "/lib64/ld-linux-x86-64.so.2 (0x00007f1aaf85e000)",
                Some("/lib64/ld-linux-x86-64.so.2"),
            ),
            ("statically linked", None),
        ] {
            assert_eq!(place(line), expected, "{line}");
        }
    }

    #[test]
    fn a_dynamic_program_brings_its_loader_and_is_refused_alone() {
        let path = std::env::current_exe().unwrap();
        let error = Program::standalone(&path).unwrap_err();
        assert!(matches!(error, ProgramError::Dynamic { .. }), "{error}");
        let program = Program::with_libraries(&path).unwrap();
        let names: Vec<_> = program.libraries.keys().collect();
        assert!(names.iter().any(|n| n.contains("/ld-linux")), "{names:?}");
        assert!(names.iter().any(|n| n.contains("/libc.so")), "{names:?}");
    }
}
