//! One `go build` for the tools of one module.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::catalog::Tool;
use crate::module::GoModule;

/// How often a build is tried when the network looks like the cause.
const ATTEMPTS: u32 = 3;

/// Why a build failed.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// There is no Go tool chain.
    #[error(
        "building needs the Go tool chain, and `go` cannot be started: install Go 1.26 or newer, \
         or point KUBEBUILDER_ASSETS at a folder with the servers"
    )]
    NoGo(#[source] io::Error),
    /// `go` said no.
    #[error("`go` failed with {module}:\n{output}")]
    Go {
        /// The module that was built.
        module: &'static str,
        /// The end of what it printed.
        output: String,
    },
    /// The build folder could not be written.
    #[error("cannot prepare the build folder {path}", path = .path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// Builds `tools`, which all come from `module`, into `folder`/bin.
pub(crate) fn build(
    module: GoModule,
    tools: &[Tool],
    folder: &Path,
    mut retrying: impl FnMut(),
) -> Result<PathBuf, BuildError> {
    let bin = folder.join("bin");
    write_module(module, tools, folder, &bin).map_err(|source| BuildError::Folder {
        path: folder.to_owned(),
        source,
    })?;
    let mut attempt = 1;
    loop {
        match run_go(module, tools, folder, &bin) {
            Err(BuildError::Go { output, .. }) if attempt < ATTEMPTS && is_network(&output) => {
                attempt += 1;
                retrying();
            }
            other => return other.map(|()| bin),
        }
    }
}

fn write_module(module: GoModule, tools: &[Tool], folder: &Path, bin: &Path) -> io::Result<()> {
    fs::create_dir_all(bin)?;
    fs::write(folder.join("go.mod"), module.go_mod)?;
    fs::write(folder.join("go.sum"), module.go_sum)?;
    // A module needs a file that imports what is built, or `-mod=readonly` finds it unused.
    let mut source = "//go:build tools\n\npackage tools\n\n".to_owned();
    for tool in tools {
        source.push_str(&["import _ \"", tool.package(), "\"\n"].concat());
    }
    fs::write(folder.join("tools.go"), source)
}

/// The folder of the module that `tool` is built from.
pub(crate) fn source(module: GoModule, tool: Tool, folder: &Path) -> Result<PathBuf, BuildError> {
    prepare(module, &[tool], folder)?;
    let list = ["list", "-mod=readonly", "-find", "-f", "{{.Module.Dir}}"];
    folder_said(module, folder, &[&list[..], &[tool.package()]].concat())
}

/// The folder of a module that is required and of which nothing is built.
pub(crate) fn library(module: GoModule, path: &str, folder: &Path) -> Result<PathBuf, BuildError> {
    prepare(module, &[], folder)?;
    let output = go(folder).args(["mod", "download", path]).output();
    let output = output.map_err(BuildError::NoGo)?;
    if !output.status.success() {
        return Err(failed(module, &output));
    }
    let list = ["list", "-mod=readonly", "-m", "-f", "{{.Dir}}", path];
    folder_said(module, folder, &list)
}

fn prepare(module: GoModule, tools: &[Tool], folder: &Path) -> Result<(), BuildError> {
    write_module(module, tools, folder, folder).map_err(|source| BuildError::Folder {
        path: folder.to_owned(),
        source,
    })
}

/// The folder that Go names.
fn folder_said(module: GoModule, folder: &Path, args: &[&str]) -> Result<PathBuf, BuildError> {
    let output = go(folder).args(args).output().map_err(BuildError::NoGo)?;
    let said = String::from_utf8_lossy(&output.stdout);
    if output.status.success() && !said.trim().is_empty() {
        return Ok(PathBuf::from(said.trim()));
    }
    Err(failed(module, &output))
}

/// One call for all tools of a module: they share most packages, and separate calls would compile
/// those twice. The output is a file for each tool, because packages and tools differ in name.
fn run_go(module: GoModule, tools: &[Tool], folder: &Path, bin: &Path) -> Result<(), BuildError> {
    let output = go(folder)
        .args([
            "build",
            "-mod=readonly",
            "-trimpath",
            "-buildvcs=false",
            "-ldflags",
        ])
        .arg(module.definitions)
        .arg("-o")
        .arg(destination(tools, bin))
        .args(tools.iter().map(|tool| tool.package()))
        .stdout(Stdio::null())
        .output()
        .map_err(BuildError::NoGo)?;
    if output.status.success() {
        return Ok(());
    }
    Err(failed(module, &output))
}

/// Go in a folder, with nothing of the caller's that would change what it does there.
fn go(folder: &Path) -> Command {
    let mut go = Command::new("go");
    go.current_dir(folder)
        // One setting for all modules; changing it would compile the standard library again.
        .env("CGO_ENABLED", "0")
        // A caller's GOFLAGS or workspace would change what is built under the same hash.
        .env("GOFLAGS", "")
        .env("GOWORK", "off")
        .stdin(Stdio::null());
    go
}

fn failed(module: GoModule, output: &Output) -> BuildError {
    let text = String::from_utf8_lossy(&output.stderr);
    BuildError::Go {
        module: module.name,
        output: tail(&text, 20),
    }
}

/// A single package may be named after its module's last part (`v3`), so it gets a file name; of
/// several packages each carries its own name already, and Go wants a folder.
fn destination(tools: &[Tool], bin: &Path) -> PathBuf {
    match tools {
        [tool] => bin.join(tool.name()),
        _ => bin.to_owned(),
    }
}

pub(crate) fn is_network(output: &str) -> bool {
    [
        "dial tcp",
        "timeout",
        "connection re",
        "unexpected EOF",
        "TLS handshake",
        " 502 ",
        " 503 ",
    ]
    .iter()
    .any(|sign| output.contains(sign))
}

pub(crate) fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_long_output_is_kept() {
        assert_eq!(tail("a\nb\nc", 2), "b\nc");
        assert_eq!(tail("a", 2), "a");
    }

    #[test]
    fn only_downloads_are_tried_again() {
        assert!(is_network(
            "Get \"https://x\": dial tcp: lookup x: no such host"
        ));
        assert!(!is_network("undefined: foo"));
    }

    #[test]
    fn one_tool_names_its_file_and_several_share_a_folder() {
        let bin = Path::new("bin");
        assert_eq!(destination(&[Tool::Etcd], bin), Path::new("bin/etcd"));
        assert_eq!(destination(&[Tool::Kubectl, Tool::KubeApiserver], bin), bin);
    }
}
