//! The summary at the end of `make test`: whoever reads only its last line must not be misled.

use std::process::Command;

use crate::repository::root;

/// Runs a script that has `.ci/phases.sh`; its exit code and the lines it printed.
fn run(script: &str) -> (Option<i32>, Vec<String>) {
    let report = tempfile::tempdir().expect("a folder");
    let script = format!(
        "set -uo pipefail; . .ci/phases.sh; phases_begin; {{ {script} ; }}; phases_summary"
    );
    let done = Command::new("bash")
        .args(["-c", &script])
        .env("REPORT", report.path())
        .current_dir(root())
        .output()
        .expect("bash starts");
    let text = String::from_utf8_lossy(&done.stdout);
    (
        done.status.code(),
        text.lines().map(str::to_owned).collect(),
    )
}

fn result(passed: u32, failed: u32, ignored: u32) -> String {
    let word = if failed == 0 { "ok" } else { "FAILED" };
    format!(
        "echo 'test result: {word}. {passed} passed; {failed} failed; {ignored} ignored; 0 measured'"
    )
}

#[test]
fn totals_are_summed_over_all_test_programs() {
    let tests = format!(
        "t() {{ {}; {}; }}; phase tests t",
        result(3, 0, 0),
        result(4, 0, 0)
    );
    let (code, lines) = run(&tests);
    assert_eq!(code, Some(0));
    assert_eq!(
        lines.last().map(String::as_str),
        Some("7 passed, 0 failed, 0 skipped")
    );
    assert!(lines.iter().any(|line| line == "nothing was skipped"));
}

#[test]
fn a_failed_test_is_counted_once_and_fails_the_run() {
    let tests = format!("t() {{ {}; return 1; }}; phase tests t", result(3, 2, 0));
    let (code, lines) = run(&tests);
    assert_eq!(code, Some(1));
    assert_eq!(
        lines.last().map(String::as_str),
        Some("3 passed, 2 failed, 0 skipped")
    );
}

#[test]
fn a_phase_that_breaks_counts_as_a_failure() {
    let (code, lines) = run(&format!(
        "phase build false; t() {{ {}; }}; phase tests t",
        result(3, 0, 0)
    ));
    assert_eq!(code, Some(1));
    assert_eq!(
        lines.last().map(String::as_str),
        Some("3 passed, 1 failed, 0 skipped")
    );
}

#[test]
fn what_runs_beside_is_shown_and_counts() {
    let (code, lines) = run(
        "beside deny sh -c 'echo skipped: advisories: no network; exit 3'; \
         beside clippy echo clean; phase format true; joined",
    );
    assert_eq!(code, Some(1));
    assert_eq!(
        lines.last().map(String::as_str),
        Some("0 passed, 1 failed, 1 skipped")
    );
    for line in ["clean", "  advisories: no network"] {
        assert!(lines.iter().any(|found| found == line), "{line}: {lines:?}");
    }
}

#[test]
fn what_was_skipped_is_listed_with_its_reason() {
    let tests = format!(
        "t() {{ echo 'test node::runs ... ignored, wants a node'; {}; }}; phase tests t; \
         phase deny echo 'skipped: advisories: no network'",
        result(3, 0, 1)
    );
    let (code, lines) = run(&tests);
    assert_eq!(code, Some(0));
    assert_eq!(
        lines.last().map(String::as_str),
        Some("3 passed, 0 failed, 2 skipped")
    );
    for reason in ["  node::runs: wants a node", "  advisories: no network"] {
        assert!(
            lines.iter().any(|line| line == reason),
            "{reason}: {lines:?}"
        );
    }
}
