//! Runs the tests of attacks, one program of tests after the other, and says what came of each.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::Command;

use super::built;
use super::list::{Attack, Program};
use super::report::{Outcome, Report};
use crate::Error;

/// Builds and runs the tests of these attacks; `progress` hears of each that is done, and all that a
/// program of tests printed when one of its attacks was not refused.
///
/// # Errors
/// When the tests cannot be built or started.
pub async fn run(attacks: &[Attack], progress: impl Fn(&str)) -> Result<Report, Error> {
    let mut programs: BTreeMap<Program, BTreeSet<&str>> = BTreeMap::new();
    for test in attacks.iter().flat_map(|attack| attack.tests) {
        programs.entry(test.program).or_default().insert(test.name);
    }
    let built = built::build(&programs.keys().copied().collect()).await?;
    let mut report = Report::default();
    for (program, names) in programs {
        let heading = format!(
            "{} {}: {} tests",
            program.package,
            program.name,
            names.len()
        );
        progress(&heading);
        // One that cargo did not build is missing, which the report says of all its tests.
        if let Some(executable) = built.get(&program) {
            run_program(program, executable, &names, &mut report, &progress).await?;
        }
    }
    Ok(report)
}

async fn run_program(
    program: Program,
    executable: &Path,
    names: &BTreeSet<&str>,
    report: &mut Report,
    progress: &impl Fn(&str),
) -> Result<(), Error> {
    let failed = |error: std::io::Error| {
        let name = program.name;
        Error::Unexpected(format!(
            "{name} of {} does not run: {error}",
            program.package
        ))
    };
    let start = Instant::now();
    let mut child = Command::new(executable)
        .arg("--exact")
        .args(names)
        // As cargo does it.
        .current_dir(built::root().join(program.folder))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)?;
    let (mut done, mut wrong) = (0, false);
    let on_line = |line: &str| {
        let Some(outcome) = report.note(program, line) else {
            return;
        };
        done += 1;
        wrong |= outcome != Outcome::Refused;
        let seconds = start.elapsed().as_secs();
        progress(&format!("  {done}/{}  {seconds:>3} s  {line}", names.len()));
    };
    // Both at once, so that neither pipe fills up.
    let (printed, said) = tokio::join!(
        lines(child.stdout.take(), on_line),
        lines(child.stderr.take(), |_| {})
    );
    child.wait().await.map_err(failed)?;
    if said.lines().any(|line| line.starts_with("skipped: ")) {
        report.note_skipped(program);
        wrong = true;
    }
    if wrong || done < names.len() {
        progress(&format!("{printed}\n{said}"));
    }
    Ok(())
}

/// All lines, each also given to `heard`.
async fn lines(pipe: Option<impl AsyncRead + Unpin>, mut heard: impl FnMut(&str)) -> String {
    let mut text = String::new();
    let Some(pipe) = pipe else { return text };
    let mut lines = BufReader::new(pipe).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        heard(&line);
        text.push_str(&line);
        text.push('\n');
    }
    text
}
