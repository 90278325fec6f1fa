//! `fleet-devices`, as a user runs it.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::Output;

use serde_json::Value;

/// A run of the program; without a cluster unless one is named.
pub(crate) struct Program(tokio::process::Command);

/// What came of it.
pub(crate) struct Ran {
    pub(crate) ok: bool,
    /// What it printed, as JSON where that was asked for.
    pub(crate) printed: String,
    pub(crate) complained: String,
}

impl Program {
    pub(crate) fn new<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Self {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_fleet-devices"));
        command
            .args(args)
            .env("KUBECONFIG", "/nonexistent/kubeconfig")
            .env_remove("FLEET_SSH_PASSWORD")
            .env_remove("FLEET_SUDO_PASSWORD")
            .kill_on_drop(true);
        Self(command)
    }

    pub(crate) fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.0.args(args);
        self
    }

    pub(crate) fn option(self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.args([OsStr::new(name), value.as_ref()])
    }

    /// The cluster that it asks.
    pub(crate) fn cluster(self, kubeconfig: &Path) -> Self {
        self.option("--kubeconfig", kubeconfig)
    }

    pub(crate) async fn run(mut self) -> Ran {
        let Output {
            status,
            stdout,
            stderr,
        } = self.0.output().await.expect("the program runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ran {
            ok: status.success(),
            printed: text(&stdout),
            complained: text(&stderr),
        }
    }
}

impl Ran {
    /// What it printed with `-o json`.
    pub(crate) fn json(&self) -> Value {
        let parsed = serde_json::from_str(&self.printed);
        parsed.unwrap_or_else(|error| panic!("{error}: {}\n{}", self.printed, self.complained))
    }

    /// The one host of it, all being well.
    pub(crate) fn host(&self) -> Value {
        assert!(self.ok, "{}\n{}", self.printed, self.complained);
        self.json()["hosts"][0].clone()
    }

    /// The stable reason of its failure.
    pub(crate) fn reason(&self) -> &str {
        assert!(!self.ok, "{}\n{}", self.printed, self.complained);
        let mut lines = self.complained.lines();
        let error = lines.find_map(|line| line.strip_prefix("error: "));
        let reason = error.and_then(|line| line.split_once(": "));
        let (reason, _) = reason.unwrap_or_else(|| panic!("no reason: {}", self.complained));
        reason
    }
}

/// The agent that the tests of all crates use.
pub(crate) fn agent() -> OsString {
    let built = fleet_testbed::program("fleet-agent");
    built.expect("`cargo build -p fleet-agent`").into()
}
