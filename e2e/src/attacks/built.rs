//! Building programs of tests with cargo.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;
use tokio::process::Command;

use super::list::Program;
use crate::Error;

/// The executables of these programs.
pub(super) type Built = BTreeMap<Program, PathBuf>;

/// Builds them, all at once and as `make test` does, so that nothing is built twice.
///
/// # Errors
/// When cargo cannot be started or the programs cannot be built; cargo has said why on standard error.
pub(super) async fn build(programs: &BTreeSet<Program>) -> Result<Built, Error> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let names: BTreeSet<_> = programs.iter().map(|program| program.name).collect();
    let output = Command::new(cargo)
        .args(["test", "--locked", "--workspace", "--no-run"])
        .args(["--message-format", "json-render-diagnostics"])
        .args(names.into_iter().flat_map(|name| ["--test", name]))
        .current_dir(root())
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|error| Error::Unexpected(format!("cargo cannot be started: {error}")))?;
    if !output.status.success() {
        return Err(Error::Unexpected("cargo cannot build the tests".to_owned()));
    }
    Ok(executables(
        programs,
        &String::from_utf8_lossy(&output.stdout),
    ))
}

/// The top of this repository.
pub(super) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// What cargo says it built, a line of JSON each.
fn executables(programs: &BTreeSet<Program>, messages: &str) -> Built {
    let parsed = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut built = Built::new();
    for message in parsed {
        let text = |path: &str| message.pointer(path).and_then(Value::as_str);
        let of = |program: &&Program| {
            let manifest = Path::new(program.folder).join("Cargo.toml");
            text("/target/name") == Some(program.name)
                && text("/manifest_path").is_some_and(|path| Path::new(path).ends_with(manifest))
        };
        let is_test = text("/target/kind/0") == Some("test");
        if let Some(program) = programs.iter().find(of).filter(|_| is_test)
            && let Some(executable) = text("/executable")
        {
            built.insert(*program, PathBuf::from(executable));
        }
    }
    built
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn executables_are_told_apart_by_package_and_name() {
        let program = |folder| Program {
            package: "p",
            name: "people",
            folder,
        };
        let artifact = |folder: &str, kind: &str| {
            json!({
                "reason": "compiler-artifact",
                "manifest_path": format!("/src/{folder}/Cargo.toml"),
                "target": {"name": "people", "kind": [kind]},
                "executable": format!("/out/{folder}"),
            })
            .to_string()
        };
        let messages = [
            artifact("e2e", "test"),
            artifact("auth/core", "bin"),
            artifact("auth", "test"),
            artifact("operator", "test"),
            "{\"reason\": \"build-finished\"}".to_owned(),
        ];
        let programs = ["e2e", "operator", "auth/core"].map(program);
        let built = executables(&programs.into(), &messages.join("\n"));
        let expected = ["e2e", "operator"].map(|f| (program(f), PathBuf::from("/out").join(f)));
        assert_eq!(built, expected.into());
    }
}
