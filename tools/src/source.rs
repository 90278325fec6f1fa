//! Files of Go modules, such as the definitions that a server wants installed.

use std::path::PathBuf;
use std::process;

use crate::cache::{Cache, remove_if_there};
use crate::catalog::Tool;
use crate::gobuild::{self, BuildError};
use crate::module::{GoModule, Source};

/// Why a module's files cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// It does not come from a Go module.
    #[error("{0} is not built from a Go module")]
    NotGo(Tool),
    /// The Go tool chain does not find it.
    #[error(transparent)]
    Go(#[from] BuildError),
}

/// A module of which files are wanted and no program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Library {
    /// Flux's part that installs charts.
    FluxHelm,
    /// Flux's part that fetches them.
    FluxSource,
}

const FLUX: GoModule = GoModule {
    name: "flux",
    go_mod: include_str!("../deps/flux/go.mod"),
    go_sum: include_str!("../deps/flux/go.sum"),
    definitions: "",
};

impl Library {
    fn path(self) -> &'static str {
        match self {
            Self::FluxHelm => "github.com/fluxcd/helm-controller",
            Self::FluxSource => "github.com/fluxcd/source-controller",
        }
    }
}

/// The folder of the pinned module that `tool` is built from, in the Go tool chain's own cache, where
/// nothing may be written. Downloads it if it is not there.
///
/// # Errors
/// When there is no such module, no Go tool chain, or no network where that is needed.
pub fn source(tool: Tool) -> Result<PathBuf, SourceError> {
    let Source::Go(module) = tool.module().source() else {
        return Err(SourceError::NotGo(tool));
    };
    in_a_folder(module, |folder| gobuild::source(module, tool, folder))
}

/// The same of a module without a program.
///
/// # Errors
/// When there is no Go tool chain, or no network where that is needed.
pub fn library(library: Library) -> Result<PathBuf, SourceError> {
    in_a_folder(FLUX, |folder| {
        gobuild::library(FLUX, library.path(), folder)
    })
}

fn in_a_folder(
    module: GoModule,
    find: impl FnOnce(&std::path::Path) -> Result<PathBuf, BuildError>,
) -> Result<PathBuf, SourceError> {
    // Of this call only: another one may ask at the same time.
    let call = format!("{}-{:?}", process::id(), std::thread::current().id());
    let call: String = call.chars().filter(char::is_ascii_alphanumeric).collect();
    let cache = Cache::from_env();
    let folder = cache.root().join(format!("{}.source-{call}", module.name));
    let found = find(&folder);
    // A left-over of some kilobytes harms nobody.
    let _ = remove_if_there(&folder);
    Ok(found?)
}
