//! What a module brings beside its programs, such as the definitions that a server wants installed.

use std::path::PathBuf;
use std::process;

use crate::cache::{Cache, remove_if_there};
use crate::catalog::Tool;
use crate::gobuild::{self, BuildError};
use crate::module::Source;

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

/// The folder of the pinned module that `tool` is built from, in the Go tool chain's own cache, where
/// nothing may be written. Downloads it if it is not there.
///
/// # Errors
/// When there is no such module, no Go tool chain, or no network where that is needed.
pub fn source(tool: Tool) -> Result<PathBuf, SourceError> {
    let Source::Go(module) = tool.module().source() else {
        return Err(SourceError::NotGo(tool));
    };
    let cache = Cache::from_env();
    // Of this process only: another one may ask at the same time.
    let folder = format!("{}.source-{}", module.name, process::id());
    let folder = cache.root().join(folder);
    let found = gobuild::source(module, tool, &folder);
    // A left-over of some kilobytes harms nobody.
    let _ = remove_if_there(&folder);
    Ok(found?)
}
