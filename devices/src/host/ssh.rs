//! SSH, in this process: no program and no configuration of the workstation decides how.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use fleet_devices_core::host::{Address, As, Command, Output};
use russh::client::{self, Handle};
use russh::keys::{PrivateKeyWithHashAlg, load_secret_key};
use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf};

use super::host_key::{Verifier, VerifyError};
use super::transport::{Told, Transport, TransportError};

/// How long a host may take to answer at all.
const CONNECT_WITHIN: Duration = Duration::from_secs(30);
/// A connection on which nothing comes back for three of these is lost.
const KEEPALIVE: Duration = Duration::from_secs(10);
/// What a signal that killed a command counts as.
const KILLED: u32 = 255;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Nobody listens there.
    #[error("cannot reach {address}; is it up, and is SSH listening there?")]
    Unreachable {
        /// The host.
        address: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// It answers, but not in time.
    #[error("{0} did not answer within half a minute")]
    Timeout(String),
    /// A host that was never seen.
    #[error(
        "{address} shows the key {fingerprint}, and {known_hosts} has none for it; compare it with what the host \
         itself says (ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub), then run again with --accept-new-host-key"
    )]
    UnknownHostKey {
        /// The host.
        address: String,
        /// The key it shows.
        fingerprint: String,
        /// Where keys are kept.
        known_hosts: String,
    },
    /// Another host than before.
    #[error(
        "{address} shows the key {fingerprint}, but line {line} of {known_hosts} says another: either the host was \
         set up anew, then remove that line (ssh-keygen -R), or somebody stands between"
    )]
    ChangedHostKey {
        /// The host.
        address: String,
        /// The key it shows.
        fingerprint: String,
        /// Where keys are kept.
        known_hosts: String,
        /// Which line of it.
        line: usize,
    },
    /// The list of known hosts cannot be used.
    #[error("cannot use {path}")]
    KnownHosts {
        /// The list.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: russh::keys::Error,
    },
    /// The private key cannot be used.
    #[error("cannot use the private key {path}; one with a passphrase is not supported")]
    Key {
        /// The key.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: russh::keys::Error,
    },
    /// The host lets this user not in.
    #[error("{address} does not let {user} in with this {by}; it takes {takes}")]
    Denied {
        /// The host.
        address: String,
        /// Who asked.
        user: String,
        /// With what.
        by: &'static str,
        /// What it would take.
        takes: String,
    },
    /// What was said was not SSH as we know it.
    #[error("{address} and this program do not understand each other")]
    Protocol {
        /// The host.
        address: String,
        /// What is wrong.
        #[source]
        source: russh::Error,
    },
}

impl ConnectError {
    /// The stable reason.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "Unreachable",
            Self::Timeout(_) => "Timeout",
            Self::UnknownHostKey { .. } => "UnknownHostKey",
            Self::ChangedHostKey { .. } => "ChangedHostKey",
            Self::KnownHosts { .. } => "KnownHosts",
            Self::Key { .. } => "Key",
            Self::Denied { .. } => "Denied",
            Self::Protocol { .. } => "Protocol",
        }
    }
}

/// How to prove who asks.
#[derive(Clone)]
pub enum Proof {
    /// A private key in a file.
    Key(PathBuf),
    /// A password.
    Password(String),
}

impl std::fmt::Debug for Proof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Key(path) => f.debug_tuple("Key").field(path).finish(),
            Self::Password(_) => f.write_str("Password"),
        }
    }
}

/// What else a connection needs.
#[derive(Debug, Clone)]
pub struct SshSettings {
    /// How to prove who asks.
    pub proof: Proof,
    /// Keys of hosts, in the form of OpenSSH.
    pub known_hosts: PathBuf,
    /// Whether a host that was never seen is believed, and its key kept.
    pub accept_new: bool,
    /// What sudo asks for, where it does.
    pub sudo_password: Option<String>,
}

/// A connection to a host.
pub struct Ssh {
    address: Address,
    session: Handle<Verifier>,
    sudo_password: Option<String>,
}

impl std::fmt::Debug for Ssh {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Ssh").field(&self.address).finish()
    }
}

impl Ssh {
    /// Connects, checks who answers, and logs in.
    ///
    /// # Errors
    /// As [`ConnectError`].
    pub async fn connect(address: &Address, settings: &SshSettings) -> Result<Self, ConnectError> {
        let connecting = connect(address, settings);
        let connected = tokio::time::timeout(CONNECT_WITHIN, connecting).await;
        let mut session =
            connected.unwrap_or_else(|_| Err(ConnectError::Timeout(address.to_string())))?;
        log_in(&mut session, address, &settings.proof).await?;
        let mut ssh = Self {
            address: address.clone(),
            session,
            sudo_password: None,
        };
        if let Some(password) = &settings.sudo_password
            && ssh.asks_for_a_password().await
        {
            ssh.sudo_password = Some(password.clone());
        }
        Ok(ssh)
    }

    /// Where sudo asks for none, a password would not be read by it but by the command, and could end in a
    /// file.
    async fn asks_for_a_password(&self) -> bool {
        let asked = Command::look("sudo", ["-k", "-n", "--", "env", "LC_ALL=C", "true"]);
        let asked = self.run(&asked).await;
        asked.is_ok_and(|output| output.status != 0)
    }

    /// The line for the login's shell, and what the command reads.
    fn wrapped(&self, command: &Command) -> Result<(String, Vec<u8>), TransportError> {
        let line = command.line()?;
        if command.user == As::Login || self.address.user == "root" {
            return Ok((format!("LC_ALL=C {line}"), command.input.clone()));
        }
        Ok(match &self.sudo_password {
            // The password is the first line of what is read, and sudo reads no further. `-k`: it asks each
            // time, and so leaves no password to the command.
            Some(password) => {
                let mut input = format!("{password}\n").into_bytes();
                input.extend_from_slice(&command.input);
                (format!("sudo -k -S -p '' -- env LC_ALL=C {line}"), input)
            }
            None => (
                format!("sudo -n -- env LC_ALL=C {line}"),
                command.input.clone(),
            ),
        })
    }
}

async fn connect(
    address: &Address,
    settings: &SshSettings,
) -> Result<Handle<Verifier>, ConnectError> {
    let unreachable = |source| ConnectError::Unreachable {
        address: address.to_string(),
        source,
    };
    let socket = tokio::net::TcpStream::connect((address.host.as_str(), address.port)).await;
    let socket = socket.map_err(unreachable)?;
    // Commands are short; each would wait for the one before to be acknowledged.
    let _ = socket.set_nodelay(true);
    let config = client::Config {
        keepalive_interval: Some(KEEPALIVE),
        ..client::Config::default()
    };
    let verifier = Verifier {
        address: address.clone(),
        known_hosts: settings.known_hosts.clone(),
        accept_new: settings.accept_new,
    };
    let session = client::connect_stream(Arc::new(config), socket, verifier).await;
    session.map_err(|error| match error {
        VerifyError::Refused(error) => *error,
        VerifyError::Ssh(source) => ConnectError::Protocol {
            address: address.to_string(),
            source,
        },
    })
}

async fn log_in(
    session: &mut Handle<Verifier>,
    address: &Address,
    proof: &Proof,
) -> Result<(), ConnectError> {
    let protocol = |source| ConnectError::Protocol {
        address: address.to_string(),
        source,
    };
    let (result, by) = match proof {
        Proof::Password(password) => {
            let result = session.authenticate_password(&address.user, password);
            (result.await.map_err(protocol)?, "password")
        }
        Proof::Key(path) => {
            let key = load_secret_key(path, None).map_err(|source| ConnectError::Key {
                path: path.clone(),
                source,
            })?;
            let key = PrivateKeyWithHashAlg::new(Arc::new(key), None);
            let result = session.authenticate_publickey(&address.user, key);
            (result.await.map_err(protocol)?, "key")
        }
    };
    match result {
        client::AuthResult::Success => Ok(()),
        client::AuthResult::Failure {
            remaining_methods, ..
        } => Err(ConnectError::Denied {
            address: address.to_string(),
            user: address.user.clone(),
            by,
            takes: format!("{remaining_methods:?}"),
        }),
    }
}

impl Transport for Ssh {
    async fn run_telling(
        &self,
        command: &Command,
        told: Told<'_>,
    ) -> Result<Output, TransportError> {
        let lost = || TransportError::Lost {
            host: self.address.to_string(),
            command: command.to_string(),
        };
        let (line, input) = self.wrapped(command)?;
        let channel = self.session.channel_open_session().await;
        let channel = channel.map_err(|_| lost())?;
        let (mut from, to) = channel.split();
        to.exec(true, line).await.map_err(|_| lost())?;
        // At once: a command that prints much waits for us while we wait for it to read. And one that ended
        // reads no more, so that what is left to write would wait for ever.
        let (write, read) = (write_all(&to, &input), read_all(&mut from, told));
        tokio::pin!(write, read);
        let answer = tokio::select! {
            answer = &mut read => answer,
            _ = &mut write => read.await,
        };
        match answer {
            Answer::Ended(output) => Ok(output),
            Answer::Refused => Err(TransportError::Refused {
                host: self.address.to_string(),
            }),
            Answer::Lost => Err(lost()),
        }
    }

    fn name(&self) -> String {
        self.address.to_string()
    }
}

/// What is read ends here, whatever there was to read.
async fn write_all(to: &ChannelWriteHalf<client::Msg>, input: &[u8]) -> Result<(), russh::Error> {
    if !input.is_empty() {
        to.data(input).await?;
    }
    to.eof().await
}

enum Answer {
    Ended(Output),
    Refused,
    Lost,
}

/// Until the channel is closed: some servers tell the exit status after the end of the output.
async fn read_all(from: &mut ChannelReadHalf, told: Told<'_>) -> Answer {
    let mut output = Output::default();
    let mut status = None;
    while let Some(message) = from.wait().await {
        match message {
            ChannelMsg::Data { data } => {
                told(&data);
                output.output.extend_from_slice(&data);
            }
            ChannelMsg::ExtendedData { data, .. } => {
                told(&data);
                output.errors.extend_from_slice(&data);
            }
            ChannelMsg::ExitStatus { exit_status } => status = Some(exit_status),
            ChannelMsg::ExitSignal { .. } => status = Some(KILLED),
            ChannelMsg::Failure => return Answer::Refused,
            _ => {}
        }
    }
    match status {
        Some(status) => Answer::Ended(Output { status, ..output }),
        None => Answer::Lost,
    }
}
