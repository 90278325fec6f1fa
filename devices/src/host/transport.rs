use fleet_devices_core::host::{Command, CommandError, Output};

/// Why a command has no outcome.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The way to the host cannot be opened.
    #[error(transparent)]
    Connect(#[from] super::ssh::ConnectError),
    /// The connection ended before the command did. Whether it made its difference is not known; to do all
    /// again is safe.
    #[error("the connection to {host} was lost during `{command}`; run it again")]
    Lost {
        /// The host.
        host: String,
        /// What was run.
        command: String,
    },
    /// The command cannot be given to a program.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The command could not be started on this machine.
    #[error("failed to run {program}")]
    Start {
        /// The program.
        program: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The host took the command for nothing it would run.
    #[error("{host} does not run commands for this login")]
    Refused {
        /// The host.
        host: String,
    },
}

impl TransportError {
    /// The stable reason.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Connect(error) => error.reason(),
            Self::Lost { .. } => "ConnectionLost",
            Self::Command(_) => "Command",
            Self::Start { .. } => "Start",
            Self::Refused { .. } => "Refused",
        }
    }
}

/// Hears what a command prints and complains about while it runs, piece by piece.
pub type Told<'a> = &'a (dyn Fn(&[u8]) + Send + Sync);

/// A way to run commands on a host.
pub trait Transport: Sync {
    /// Runs a command to its very end: all it prints, and its exit status. What it reads ends where its
    /// input ends. `told` hears the pieces of what comes back as they come.
    fn run_telling(
        &self,
        command: &Command,
        told: Told<'_>,
    ) -> impl Future<Output = Result<Output, TransportError>> + Send;

    /// The same; what it prints is of no interest before its end.
    fn run(
        &self,
        command: &Command,
    ) -> impl Future<Output = Result<Output, TransportError>> + Send {
        self.run_telling(command, &|_| ())
    }

    /// Whether commands that make a difference are run.
    fn changes(&self) -> bool {
        true
    }

    /// The host, for messages.
    fn name(&self) -> String;
}
