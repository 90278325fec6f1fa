use std::time::Duration;

use fleet_devices_core::vm::{QmpCommand, QmpMessage, RunState, VmFolder, VmName};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::timeout;

use super::super::error::VmError;

/// A monitor answers at once, or another one of us has it: it takes one at a time.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);
/// No answer of those asked for is a tenth of it.
const LONGEST: usize = 64 * 1024;

/// The connection to a machine's monitor.
pub(super) struct Monitor {
    name: String,
    from: BufReader<OwnedReadHalf>,
    to: OwnedWriteHalf,
}

impl Monitor {
    /// Connects and is let in.
    pub(super) async fn connect(folder: &VmFolder, name: &VmName) -> Result<Self, VmError> {
        let failed = |told: String| VmError::Monitor {
            name: name.to_string(),
            what: "connect",
            told,
        };
        let socket = UnixStream::connect(&folder.monitor).await;
        let (from, to) = socket
            .map_err(|error| failed(error.to_string()))?
            .into_split();
        let mut monitor = Self {
            name: name.to_string(),
            from: BufReader::new(from),
            to,
        };
        monitor.ask(QmpCommand::Capabilities).await?;
        Ok(monitor)
    }

    /// How the guest is.
    pub(super) async fn status(&mut self) -> Result<RunState, VmError> {
        let command = QmpCommand::Status;
        let state = self.ask(command).await?;
        state.ok_or_else(|| self.failed(command, "it did not say how the guest is".to_owned()))
    }

    /// Presses the guest's power button.
    pub(super) async fn power_down(&mut self) -> Result<(), VmError> {
        self.ask(QmpCommand::Powerdown).await.map(drop)
    }

    async fn ask(&mut self, command: QmpCommand) -> Result<Option<RunState>, VmError> {
        let answer = timeout(ANSWERS_WITHIN, self.answer(command)).await;
        let answer = answer.unwrap_or_else(|_| {
            Err("no answer; it takes one at a time, and somebody else may have it".to_owned())
        });
        answer.map_err(|told| self.failed(command, told))
    }

    async fn answer(&mut self, command: QmpCommand) -> Result<Option<RunState>, String> {
        let sent = self.to.write_all(command.line().as_bytes()).await;
        sent.map_err(|error| error.to_string())?;
        loop {
            let line = self.line().await.map_err(|error| error.to_string())?;
            match QmpMessage::parse(&line).map_err(|error| error.to_string())? {
                QmpMessage::Done(state) => return Ok(state),
                QmpMessage::Refused(why) => return Err(why),
                QmpMessage::Greeting | QmpMessage::Event(_) => {}
            }
        }
    }

    async fn line(&mut self) -> std::io::Result<String> {
        let mut line = Vec::new();
        loop {
            let part = self.from.fill_buf().await?;
            if part.is_empty() || line.len() > LONGEST {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            let end = part.iter().position(|byte| *byte == b'\n');
            let taken = end.map_or(part.len(), |end| end + 1);
            line.extend_from_slice(&part[..taken]);
            self.from.consume(taken);
            if end.is_some() {
                return Ok(String::from_utf8_lossy(&line).into_owned());
            }
        }
    }

    fn failed(&self, command: QmpCommand, told: String) -> VmError {
        VmError::Monitor {
            name: self.name.clone(),
            what: command.name(),
            told,
        }
    }
}
