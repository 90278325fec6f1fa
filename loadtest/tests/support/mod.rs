//! The program as a person runs it.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::expect_used,
    clippy::panic,
    reason = "test code; each test binary uses its own part of it"
)]

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use fleet_loadtest::Report;
use fleet_loadtest::compare::reports;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// How long anything may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(240);

/// What a run left behind.
pub struct Run {
    /// Whether it ended well.
    pub success: bool,
    /// The last line of its output.
    pub line: Value,
    /// Its report.
    pub report: Report,
}

/// Starts it; the report goes to `out`.
pub fn start(out: &Path, args: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_fleet-loadtest"))
        .arg("run")
        .args(args)
        .arg("--out")
        .arg(out)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("fleet-loadtest starts")
}

/// Reads what it says until it says this.
pub async fn says(child: &mut Child, what: &str) {
    let stderr = child.stderr.as_mut().expect("standard error");
    let mut lines = BufReader::new(stderr).lines();
    let mut said = Vec::new();
    let reading = async {
        while let Some(line) = lines.next_line().await.expect("text") {
            if line.contains(what) {
                return true;
            }
            said.push(line);
        }
        false
    };
    let found = tokio::time::timeout(PATIENCE, reading).await;
    assert_eq!(found, Ok(true), "{what:?} in {said:#?}");
}

/// Waits for its end.
pub async fn end(mut child: Child, out: &Path) -> Run {
    let (mut text, mut errors) = (String::new(), String::new());
    let mut stdout = child.stdout.take().expect("standard output");
    let mut stderr = child.stderr.take().expect("standard error");
    let reading = async {
        let both = tokio::join!(
            stdout.read_to_string(&mut text),
            stderr.read_to_string(&mut errors)
        );
        both.0.and(both.1).expect("text");
        child.wait().await.expect("an end")
    };
    let status = tokio::time::timeout(PATIENCE, reading).await;
    let status = status.expect("it ends in time");
    let last = text.lines().last().unwrap_or_default();
    let line = serde_json::from_str(last).unwrap_or_else(|e| panic!("{last:?}: {e}; {errors}"));
    let mut all = reports(out).expect("the report parses");
    assert_eq!(all.len(), 1, "one report");
    Run {
        success: status.success(),
        line,
        report: all.remove(0),
    }
}

/// From start to end.
pub async fn run(args: &[&str]) -> Run {
    let folder = tempfile::tempdir().expect("a folder");
    let child = start(folder.path(), args);
    end(child, folder.path()).await
}
