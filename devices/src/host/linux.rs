use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use fleet_devices_core::VmArchitecture;
use fleet_devices_core::host::{Change, Command, Distribution, Ensured, Output};

use super::error::HostError;
use super::transport::Transport;

/// How long what was asked for may take to be there: a service manager starts behind the back of who asked.
const SETTLES_WITHIN: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(200);

/// What came of making sure of something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was as it should be.
    Unchanged,
    /// It was not, and now it is.
    Changed(Vec<String>),
    /// It is not, and a plan leaves it so.
    Planned(Vec<String>),
}

impl Outcome {
    /// Whether something was done.
    pub const fn is_change(&self) -> bool {
        matches!(self, Self::Changed(_))
    }
}

/// A Linux host, and the way to it.
#[derive(Debug)]
pub struct Linux<T> {
    transport: T,
    /// Which Linux it is.
    pub distribution: Distribution,
    /// Its processor.
    pub architecture: VmArchitecture,
}

impl<T: Transport> Linux<T> {
    /// Looks what host that is, and whether root can be had.
    ///
    /// # Errors
    /// When it cannot be asked, or no device can be made of it.
    pub async fn meet(transport: T) -> Result<Self, HostError> {
        let release = Command::look("cat", ["/etc/os-release"]);
        let release = succeed(&transport, "the distribution", &release).await?;
        let machine = Command::look("uname", ["-m"]);
        let machine = succeed(&transport, "the architecture", &machine).await?;
        let host = || transport.name();
        let distribution =
            Distribution::of(&release.text()).map_err(|source| HostError::Distribution {
                host: host(),
                source,
            })?;
        let architecture = machine.text().parse();
        let architecture = architecture.map_err(|source| HostError::Architecture {
            host: host(),
            source,
        })?;
        let host = Self {
            transport,
            distribution,
            architecture,
        };
        host.become_root().await?;
        Ok(host)
    }

    /// Whether it answers, and lets us be root.
    ///
    /// # Errors
    /// When it does not.
    pub async fn become_root(&self) -> Result<(), HostError> {
        let nothing = Command::look("true", [""; 0]).as_root();
        match self.run("root", &nothing).await {
            Err(HostError::Failed { host, told, .. }) => Err(HostError::NoSudo { host, told }),
            answer => answer.map(drop),
        }
    }

    /// The host, for messages.
    pub fn name(&self) -> String {
        self.transport.name()
    }

    /// Whether nothing is changed on it.
    pub fn plans(&self) -> bool {
        !self.transport.changes()
    }

    /// Whether that is so already; changes nothing.
    ///
    /// # Errors
    /// When it cannot be looked at.
    pub async fn is_so(&self, wanted: &impl Ensured) -> Result<bool, HostError> {
        Ok(self.difference(wanted).await?.is_none())
    }

    /// Looks, changes what is different, and looks again.
    ///
    /// # Errors
    /// When a command fails, or what is different stays so.
    pub async fn ensure(&self, wanted: &impl Ensured) -> Result<Outcome, HostError> {
        self.ensure_telling(wanted, &|_| ()).await
    }

    /// The same; `says` hears each line of what is printed while something is changed.
    ///
    /// # Errors
    /// When a command fails, or what is different stays so.
    pub async fn ensure_telling(
        &self,
        wanted: &impl Ensured,
        says: &(dyn Fn(&str) + Send + Sync),
    ) -> Result<Outcome, HostError> {
        let Some(change) = self.difference(wanted).await? else {
            return Ok(Outcome::Unchanged);
        };
        if self.plans() {
            return Ok(Outcome::Planned(change.difference));
        }
        for command in &change.commands {
            self.carry_out(wanted, command, says).await?;
        }
        let deadline = Instant::now() + SETTLES_WITHIN;
        while let Some(left) = self.difference(wanted).await? {
            if Instant::now() >= deadline {
                return Err(HostError::StillDifferent {
                    host: self.name(),
                    what: wanted.name(),
                    difference: left.difference,
                });
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(Outcome::Changed(change.difference))
    }

    /// Runs a command that has to succeed.
    ///
    /// # Errors
    /// When it does not.
    pub async fn run(&self, what: &str, command: &Command) -> Result<Output, HostError> {
        succeed(&self.transport, what, command).await
    }

    async fn carry_out(
        &self,
        wanted: &impl Ensured,
        command: &Command,
        says: &(dyn Fn(&str) + Send + Sync),
    ) -> Result<(), HostError> {
        let rest = Mutex::new(Vec::new());
        let told = |piece: &[u8]| lines(&rest, piece, says);
        let output = self.transport.run_telling(command, &told).await?;
        if command.accepts.contains(&output.status) {
            return Ok(());
        }
        if let Some(source) = wanted.failed(command, &output) {
            let host = self.name();
            return Err(HostError::Ensure { host, source });
        }
        let error = HostError::failed(self.name(), &wanted.name(), command, &output);
        Err(self.explained(wanted, error).await)
    }

    /// The same failure, with what else there is to say about it.
    async fn explained(&self, wanted: &impl Ensured, mut error: HostError) -> HostError {
        let (Some(look), HostError::Failed { told, .. }) = (wanted.explains(), &mut error) else {
            return error;
        };
        if let Ok(more) = self.run(&wanted.name(), &look).await {
            *told = format!("{told}\n{}", more.text().trim());
        }
        error
    }

    async fn difference(&self, wanted: &impl Ensured) -> Result<Option<Change>, HostError> {
        let mut answers = Vec::new();
        for look in wanted.looks() {
            answers.push(self.run(&wanted.name(), &look).await?);
        }
        let change = wanted.change(&answers);
        change.map_err(|source| HostError::Ensure {
            host: self.name(),
            source,
        })
    }
}

/// The lines that are complete with this piece; what is left waits for the next.
fn lines(rest: &Mutex<Vec<u8>>, piece: &[u8], says: &(dyn Fn(&str) + Send + Sync)) {
    let mut rest = rest.lock().unwrap_or_else(PoisonError::into_inner);
    rest.extend_from_slice(piece);
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let line: Vec<u8> = rest.drain(..=end).collect();
        says(String::from_utf8_lossy(&line).trim_end());
    }
}

async fn succeed(
    transport: &impl Transport,
    what: &str,
    command: &Command,
) -> Result<Output, HostError> {
    let output = transport.run(command).await?;
    if command.accepts.contains(&output.status) {
        return Ok(output);
    }
    Err(HostError::failed(transport.name(), what, command, &output))
}
