//! Running the program and looking at what it said.

use std::ffi::OsStr;
use std::io::Write as _;
use std::process::{Command, Stdio};

/// What a run said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Said {
    /// The exit code.
    pub(crate) code: i32,
    /// Standard output.
    pub(crate) out: String,
    /// Standard error.
    pub(crate) err: String,
}

impl Said {
    /// The standard output of a run that went well.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert_eq!(self.code, 0, "{self:#?}");
        self.out
    }

    /// The standard error of a run that failed with 1, as every failure does.
    #[track_caller]
    pub(crate) fn failed(self) -> String {
        assert_eq!(self.code, 1, "{self:#?}");
        assert_eq!(self.out, "", "a failure belongs on standard error");
        self.err
    }
}

/// The program without any configuration of whoever runs the tests.
pub(crate) fn program(path: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(path);
    for variable in [
        "KUBECONFIG",
        "KUBERNETES_SERVICE_HOST",
        "NATS_URL",
        "NATS_SEED_FILE",
        "NATS_CA_FILE",
    ] {
        command.env_remove(variable);
    }
    command.env("HOME", "/nonexistent");
    command
}

/// Runs it to its end.
pub(crate) fn run<A: AsRef<OsStr>>(
    mut command: Command,
    args: impl IntoIterator<Item = A>,
) -> Said {
    said(command.args(args).stdin(Stdio::null()))
}

/// Runs it to its end with this on its standard input.
pub(crate) fn run_with_input(mut command: Command, args: &[&str], input: &str) -> Said {
    command
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("starts");
    // Dropped at the end of the statement, which ends the input.
    child
        .stdin
        .take()
        .expect("stdin")
        .write_all(input.as_bytes())
        .expect("reads its input");
    of(&child.wait_with_output().expect("ends"))
}

fn said(command: &mut Command) -> Said {
    of(&command.output().expect("starts"))
}

fn of(output: &std::process::Output) -> Said {
    Said {
        code: output.status.code().expect("not killed"),
        out: String::from_utf8(output.stdout.clone()).expect("text"),
        err: String::from_utf8(output.stderr.clone()).expect("text"),
    }
}

/// What a run said that was started elsewhere.
pub(crate) fn ended(child: std::process::Child) -> Said {
    of(&child.wait_with_output().expect("ends"))
}
