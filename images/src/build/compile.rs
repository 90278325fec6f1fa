//! A static program, from the scripts that also build the agent.

use std::collections::BTreeSet;
use std::io::{self, BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde::Deserialize;

use crate::cargo::{CargoError, Package, Workspace};
use crate::oci::Architecture;
use crate::sbom::{Runtime, RuntimeError};

/// A program, and what cargo compiled for it.
#[derive(Debug)]
pub(super) struct Compiled {
    pub(super) program: PathBuf,
    pub(super) packages: BTreeSet<Package>,
    pub(super) runtime: Vec<Runtime>,
}

/// Why there is no program.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// The script does not start.
    #[error("cannot run {script}")]
    Start {
        /// The script.
        script: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The script failed, and said why on standard error.
    #[error("{script} failed for {package}")]
    Failed {
        /// The script.
        script: &'static str,
        /// What was to be built.
        package: String,
    },
    /// The script could not build here.
    #[error("{package} was not built: {why}")]
    Skipped {
        /// What was to be built.
        package: String,
        /// What is missing.
        why: String,
    },
    /// There is no cross compiler for it.
    #[error("images for {0} can be built on such a machine only")]
    NoCross(Architecture),
    /// Cargo's messages name a package that it does not know otherwise.
    #[error("cargo compiled {0}, which is not in cargo metadata")]
    Unknown(String),
    /// Cargo could not say what its packages are.
    #[error("cannot ask cargo for its packages")]
    Metadata(#[from] CargoError),
    /// The script named a library of the tool chain in another form.
    #[error("cannot understand what the program is linked with")]
    Runtime(#[from] RuntimeError),
}

/// What cargo and rustc call it.
pub(super) fn target(architecture: Architecture) -> &'static str {
    match architecture {
        Architecture::Amd64 => "x86_64-unknown-linux-gnu",
        Architecture::Arm64 => "aarch64-unknown-linux-gnu",
    }
}

/// A line of cargo; only its artifacts are of interest.
#[derive(Deserialize)]
struct Message {
    reason: String,
    package_id: Option<String>,
    executable: Option<PathBuf>,
}

/// What the script said.
#[derive(Debug, Default, PartialEq, Eq)]
struct Said {
    ids: BTreeSet<String>,
    program: Option<PathBuf>,
    runtime: Vec<String>,
    skipped: Option<String>,
}

impl Said {
    fn hear(&mut self, line: &str) {
        if let Ok(message) = serde_json::from_str::<Message>(line) {
            if message.reason == "compiler-artifact" {
                self.ids.extend(message.package_id);
                self.program = message.executable.or(self.program.take());
            }
        } else if let Some(library) = line.strip_prefix("linked: ") {
            self.runtime.push(library.to_owned());
        } else if let Some(why) = line.strip_prefix("skipped: ") {
            // Also said of what is only not tried out; then there is a program.
            self.skipped = Some(why.to_owned());
        }
    }
}

pub(super) fn compile(
    workspace: Workspace<'_>,
    package: &str,
    architecture: Architecture,
) -> Result<Compiled, CompileError> {
    let (script, args) = match (architecture, Architecture::here()) {
        (wanted, Some(here)) if wanted == here => {
            ("tools/static.sh", vec![package, std::env::consts::ARCH])
        }
        (Architecture::Arm64, _) => ("tools/cross-aarch64.sh", vec![package]),
        (Architecture::Amd64, _) => return Err(CompileError::NoCross(architecture)),
    };
    let said = run(workspace, script, package, &args)?;
    let Some(program) = said.program else {
        return Err(CompileError::Skipped {
            package: package.to_owned(),
            why: said.skipped.unwrap_or_default(),
        });
    };
    let metadata = workspace.metadata(target(architecture))?;
    let known = metadata.ids();
    let packages = said.ids.iter().map(|id| {
        let package = known.get(id.as_str()).cloned();
        package.ok_or_else(|| CompileError::Unknown(id.clone()))
    });
    let runtime = said.runtime.iter().map(|line| line.parse());
    Ok(Compiled {
        program,
        packages: packages.collect::<Result<_, _>>()?,
        runtime: runtime.collect::<Result<_, _>>()?,
    })
}

fn run(
    workspace: Workspace<'_>,
    script: &'static str,
    package: &str,
    args: &[&str],
) -> Result<Said, CompileError> {
    let start = |source| CompileError::Start { script, source };
    let mut child = Command::new(workspace.root().join(script))
        .args(args)
        // Rendered, so that compiler errors still reach a person, on standard error.
        .args(["release", "--message-format=json-render-diagnostics"])
        .current_dir(workspace.root())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(start)?;
    let mut said = Said::default();
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).lines() {
            said.hear(&line.map_err(start)?);
        }
    }
    if !child.wait().map_err(start)?.success() {
        return Err(CompileError::Failed {
            script,
            package: package.to_owned(),
        });
    }
    Ok(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn artifacts_libraries_and_skips_are_heard() {
        let mut said = Said::default();
        for line in [
            "cross: standard library from rustup",
            r#"{"reason":"compiler-artifact","package_id":"p#serde@1.0.0","executable":null}"#,
            r#"{"reason":"build-script-executed","package_id":"p#other@1.0.0"}"#,
            r#"{"reason":"compiler-artifact","package_id":"p#op@0.1.0","executable":"/t/op"}"#,
            r#"{"reason":"build-finished","success":true}"#,
            "linked: glibc 2.36",
            "skipped: running op: no qemu",
        ] {
            said.hear(line);
        }
        let expected = Said {
            ids: ["p#op@0.1.0", "p#serde@1.0.0"].map(str::to_owned).into(),
            program: Some("/t/op".into()),
            runtime: vec!["glibc 2.36".into()],
            skipped: Some("running op: no qemu".into()),
        };
        assert_eq!(said, expected);
    }
}
