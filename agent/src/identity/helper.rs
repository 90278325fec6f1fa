//! Tokens are asked for by a process of its own, `fleet-agent mint`: question on its standard input,
//! answer on its standard output, log on its standard error. Nothing of it is in arguments or
//! variables, which others can read.

use std::io;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use fleet_agent_core::identity::{Failed, FailureReason, Minted};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::provider::Known;
use crate::config::Identity;

/// How the agent calls its helper.
pub(crate) const MINT: &str = "mint";
/// This very program, also after its file was replaced by a newer one that speaks differently.
const PROGRAM: &str = "/proc/self/exe";
/// The helper gives up by itself within two calls, 40 s; later it hangs.
const LIMIT: Duration = Duration::from_secs(60);
/// More than any question or answer.
pub(crate) const LONGEST: u64 = 64 << 10;

/// What the helper is asked.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Question {
    pub(crate) identity: Identity,
    pub(crate) known: Known,
}

/// What it answers. Its `Debug` shows no token: [`Minted`]'s does not.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Answer {
    pub(crate) outcome: Result<Minted, Failed>,
    pub(crate) known: Known,
}

/// Asks for tokens, each time by a process of its own.
#[derive(Debug)]
pub(crate) struct Helper {
    program: PathBuf,
    args: Vec<String>,
    limit: Duration,
    question: Question,
}

impl Helper {
    /// For this identity; nothing is tried yet.
    pub(crate) fn new(identity: Identity) -> Self {
        Self {
            program: PROGRAM.into(),
            args: vec![MINT.into()],
            limit: LIMIT,
            question: Question {
                identity,
                known: Known::default(),
            },
        }
    }

    /// Asks for a token.
    pub(crate) async fn mint(&mut self) -> Result<Minted, Failed> {
        let answer = match timeout(self.limit, self.ask()).await {
            Ok(answer) => answer?,
            // Dropping what was waited for has killed it.
            Err(_) => return Err(trouble("did not answer in time")),
        };
        self.question.known = answer.known;
        answer.outcome
    }

    async fn ask(&self) -> Result<Answer, Failed> {
        let failed =
            |what: &'static str| move |error: io::Error| trouble(&format!("{what}: {error}"));
        let mut child = Command::new(&self.program)
            .args(&self.args)
            .arg0("fleet-agent")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(failed("cannot be started"))?;
        let question = serde_json::to_vec(&self.question)
            .map_err(|e| trouble(&format!("cannot be asked: {e}")))?;
        // What it says to this is in its answer, or in how it ended.
        let _ = write(&mut child, &question).await;
        let mut said = vec![];
        if let Some(stdout) = child.stdout.take() {
            let reading = stdout.take(LONGEST).read_to_end(&mut said).await;
            reading.map_err(failed("cannot be heard"))?;
        }
        let status = child.wait().await.map_err(failed("cannot be waited for"))?;
        understand(status, &said)
    }
}

/// Writes, and closes.
async fn write(child: &mut Child, question: &[u8]) -> io::Result<()> {
    let Some(mut stdin) = child.stdin.take() else {
        return Ok(());
    };
    stdin.write_all(question).await?;
    stdin.shutdown().await
}

fn understand(status: ExitStatus, said: &[u8]) -> Result<Answer, Failed> {
    if !status.success() {
        return Err(trouble(&format!("ended with {status}")));
    }
    // What the parser says could repeat a part of a token.
    serde_json::from_slice(said).map_err(|_| trouble("said what is no answer"))
}

fn trouble(what: &str) -> Failed {
    let message = format!("the process that asks for tokens {what}");
    Failed::new(FailureReason::Helper, message)
}

#[cfg(test)]
#[allow(clippy::expect_used, reason = "test code")]
mod tests {
    use super::*;
    use fleet_agent_core::identity::Grant;

    fn helper(script: &str) -> Helper {
        let grant = Grant::ClientCredentials {
            client_id: "dev-1".into(),
            key_id: None,
            scopes: vec![],
        };
        let identity = Identity {
            issuer: "https://id.example".into(),
            grant,
            key_file: "/none".into(),
            ca_file: None,
            enrolled_in: None,
        };
        Helper {
            program: "/bin/sh".into(),
            args: vec!["-c".into(), script.into()],
            ..Helper::new(identity)
        }
    }

    async fn refused(mut helper: Helper) -> String {
        let failed = helper.mint().await.expect_err("no token");
        assert_eq!(failed.reason, FailureReason::Helper);
        failed.message
    }

    #[tokio::test]
    async fn a_helper_that_dies_hangs_or_babbles_is_a_failure_with_its_cause() {
        for (script, named) in [
            ("kill -9 $$", "signal: 9"),
            ("exit 3", "exit status: 3"),
            ("exec cat", "no answer"),
            ("echo '{\"outcome\":'", "no answer"),
            ("exec cat /dev/zero", "ended with"),
        ] {
            let said = refused(helper(script)).await;
            assert!(said.contains(named), "{script}: {said}");
        }
        let mut absent = helper("");
        absent.program = "/no/such/program".into();
        assert!(refused(absent).await.contains("cannot be started"));
    }

    #[tokio::test]
    async fn a_helper_that_hangs_is_killed() {
        let folder = tempfile::tempdir().expect("a folder");
        let mark = folder.path().join("pid");
        // The limit is only for the test to end soon: hanging is to outlast any limit.
        let hanging = Helper {
            limit: Duration::from_secs(2),
            ..helper(&format!("echo $$ > {}; exec sleep 1000", mark.display()))
        };
        assert!(refused(hanging).await.contains("in time"));
        let pid = std::fs::read_to_string(&mark).expect("it has run");
        let alive = PathBuf::from(format!("/proc/{}/cmdline", pid.trim()));
        let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
        // A zombie, until the runtime has waited for it, has no command line.
        while std::fs::read(&alive).is_ok_and(|line| !line.is_empty()) {
            assert!(tokio::time::Instant::now() < deadline, "it still runs");
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn what_was_learnt_is_told_the_next_helper() {
        let said = r#"{"outcome":{"Ok":{"token":"a.b.c","life":60000}},"known":{"endpoint":"https://id.example/t","clock":{"heard":[5,7]}}}"#;
        let mut helper = helper(&format!("cat > /dev/null; echo '{said}'"));
        let minted = helper.mint().await.expect("a token");
        assert_eq!((minted.token.expose(), minted.life), ("a.b.c", 60_000));
        let known = serde_json::to_value(&helper.question.known).expect("JSON");
        assert_eq!(known["endpoint"], "https://id.example/t");
        assert_eq!(known["clock"]["heard"], serde_json::json!([5, 7]));
    }
}
