use std::process::Stdio;

use fleet_devices_core::host::{As, Command, Output};
use tokio::io::AsyncWriteExt as _;

use super::transport::{Transport, TransportError};

/// This machine. No shell is on the way.
#[derive(Debug, Clone, Copy)]
pub struct Local {
    /// Whether root is somebody else than who runs this.
    pub sudo: bool,
}

impl Transport for Local {
    async fn run(&self, command: &Command) -> Result<Output, TransportError> {
        let by_sudo = self.sudo && command.user == As::Root;
        let words = by_sudo
            .then_some(["sudo", "-n", "--"])
            .into_iter()
            .flatten();
        let mut words = words.chain([command.program.as_str()]);
        let program = words.next().unwrap_or_default();
        let started = |source| TransportError::Start {
            program: command.program.clone(),
            source,
        };
        let mut child = tokio::process::Command::new(program)
            .args(words)
            .args(&command.arguments)
            // What is read below is in English, whoever runs this.
            .env("LC_ALL", "C")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(started)?;
        let input = child.stdin.take();
        let write = async {
            if let Some(mut input) = input {
                // One that ends without reading all says why by its exit status.
                let _ = input.write_all(&command.input).await;
            }
        };
        let ((), output) = tokio::join!(write, child.wait_with_output());
        let output = output.map_err(started)?;
        Ok(Output {
            // Killed by a signal counts as the failure that it is.
            status: output
                .status
                .code()
                .and_then(|code| code.try_into().ok())
                .unwrap_or(255),
            output: output.stdout,
            errors: output.stderr,
        })
    }

    fn name(&self) -> String {
        "this machine".to_owned()
    }
}
