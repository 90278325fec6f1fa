use std::process::Stdio;

use fleet_devices_core::host::{As, Command, Output};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};

use super::transport::{Told, Transport, TransportError};

/// This machine. No shell is on the way.
#[derive(Debug, Clone, Copy)]
pub struct Local {
    /// Whether root is somebody else than who runs this.
    pub sudo: bool,
}

impl Transport for Local {
    async fn run_telling(
        &self,
        command: &Command,
        told: Told<'_>,
    ) -> Result<Output, TransportError> {
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
        let (input, output, errors) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let write = async {
            if let Some(mut input) = input {
                // One that ends without reading all says why by its exit status.
                let _ = input.write_all(&command.input).await;
            }
        };
        let (output, errors) = (read_all(output, told), read_all(errors, told));
        let ((), output, errors) = tokio::join!(write, output, errors);
        let (output, errors) = (output.map_err(started)?, errors.map_err(started)?);
        let status = child.wait().await.map_err(started)?.code();
        Ok(Output {
            // Killed by a signal counts as the failure that it is.
            status: status.and_then(|code| code.try_into().ok()).unwrap_or(255),
            output,
            errors,
        })
    }

    fn name(&self) -> String {
        "this machine".to_owned()
    }
}

async fn read_all(
    from: Option<impl AsyncRead + Unpin>,
    told: Told<'_>,
) -> std::io::Result<Vec<u8>> {
    let mut all = Vec::new();
    if let Some(mut from) = from {
        loop {
            let before = all.len();
            if from.read_buf(&mut all).await? == 0 {
                break;
            }
            told(&all[before..]);
        }
    }
    Ok(all)
}
