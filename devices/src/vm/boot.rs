//! From a machine's start until somebody can work with it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fleet_devices_core::vm::console::tail;
use fleet_devices_core::vm::{FirstBoot, VmName};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::error::VmError;
use super::host::{VirtualMachineHost, VmState, VmWay};
use crate::host::{ConnectError, Ssh, Transport as _, TransportError};

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(500);
/// How long a server that was reached may take to say what it is.
const GREETS_WITHIN: Duration = Duration::from_secs(20);
/// How often it is told that one still waits.
const TELLS_EVERY: Duration = Duration::from_secs(15);
/// How much of a console is shown where something went wrong, and read for that.
const CONSOLE_LINES: usize = 15;
const CONSOLE_BYTES: u64 = 16 * 1024;

/// How far a start has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum BootPhase {
    /// It has no address yet.
    Address,
    /// Nobody listens at port 22 yet.
    Port,
    /// Nobody is let in yet.
    Login,
    /// cloud-init is not done yet.
    FirstBoot,
}

impl BootPhase {
    /// What is waited for.
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Address => "an address",
            Self::Port => "an answer at its port 22",
            Self::Login => "a login by SSH",
            Self::FirstBoot => "the end of its first boot (cloud-init)",
        }
    }
}

/// Is told how a start goes on.
pub trait BootProgress {
    /// This is over.
    fn reached(&mut self, phase: BootPhase, after: Duration);
    /// This is still waited for; the console said that last.
    fn waits(&mut self, phase: BootPhase, after: Duration, console: Option<&str>);
    /// It is up, but not all went well.
    fn degraded(&mut self, told: &str);
}

/// Who logs in, and how long all may take.
#[derive(Debug, Clone)]
pub struct Login {
    /// The private key.
    pub identity: PathBuf,
    /// From now on.
    pub within: Duration,
}

/// Why nobody can work with a machine.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// It cannot be asked.
    #[error(transparent)]
    Vm(#[from] VmError),
    /// It is off.
    #[error("{name} went off while it started; its console said last:\n{}", shown(.console))]
    Off {
        /// Which.
        name: String,
        /// The end of its console.
        console: Vec<String>,
    },
    /// It took too long.
    #[error(
        "{name} was not up within {} s: it waited for {}{}; its console said last:\n{}",
        .within.as_secs(), .phase.describe(), because(.last.as_ref()), shown(.console)
    )]
    Timeout {
        /// Which.
        name: String,
        /// How long it had.
        within: Duration,
        /// What was missing.
        phase: BootPhase,
        /// Why the last try failed.
        last: Option<String>,
        /// The end of its console.
        console: Vec<String>,
    },
    /// Somebody else answers, or we cannot prove who we are.
    #[error("cannot log in to {name}")]
    Login {
        /// Which.
        name: String,
        /// Why.
        #[source]
        source: Box<ConnectError>,
    },
    /// cloud-init failed.
    #[error(
        "the first boot of {name} failed: {told}; see /var/log/cloud-init-output.log there. Its console said \
         last:\n{}",
        shown(.console)
    )]
    FirstBoot {
        /// Which.
        name: String,
        /// What cloud-init said.
        told: String,
        /// The end of its console.
        console: Vec<String>,
    },
}

impl BootError {
    /// The stable reason.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Vm(error) => error.reason(),
            Self::Off { .. } => "WentOff",
            Self::Timeout { .. } => "BootTimeout",
            Self::Login { source, .. } => source.reason(),
            Self::FirstBoot { .. } => "FirstBootFailed",
        }
    }
}

fn shown(console: &[String]) -> String {
    if console.is_empty() {
        return "  (nothing)".to_owned();
    }
    let lines = console.iter().map(|line| format!("  {line}"));
    lines.collect::<Vec<_>>().join("\n")
}

fn because(last: Option<&String>) -> String {
    last.map_or_else(String::new, |last| format!(" ({last})"))
}

/// Waits until somebody can log in and the first boot is over; answers with the way.
///
/// # Errors
/// As [`BootError`]; each with the end of the console, where that could say why.
pub async fn wait_until_up<H: VirtualMachineHost>(
    host: &H,
    name: &VmName,
    login: &Login,
    progress: &mut (impl BootProgress + Send),
) -> Result<VmWay, BootError> {
    let console = host.console(name).await?.log;
    let mut boot = Boot {
        host,
        name,
        login,
        console,
        begun: Instant::now(),
        told: Instant::now(),
        phase: BootPhase::Address,
        last: None,
    };
    loop {
        if let Some(way) = boot.step(progress).await? {
            return Ok(way);
        }
        boot.check_time(progress)?;
        sleep(PAUSE).await;
    }
}

struct Boot<'a, H> {
    host: &'a H,
    name: &'a VmName,
    login: &'a Login,
    console: PathBuf,
    begun: Instant,
    told: Instant,
    phase: BootPhase,
    last: Option<String>,
}

impl<H: VirtualMachineHost> Boot<'_, H> {
    /// As far as it goes at once.
    async fn step(
        &mut self,
        progress: &mut (impl BootProgress + Send),
    ) -> Result<Option<VmWay>, BootError> {
        let info = self.host.info(self.name).await?;
        if info.state == VmState::Off {
            return Err(BootError::Off {
                name: self.name.to_string(),
                console: self.console(),
            });
        }
        let Some(way) = info.way else {
            return Ok(None);
        };
        self.reach(BootPhase::Port, progress);
        if let Err(error) = greets(&way).await {
            self.last = Some(error.to_string());
            return Ok(None);
        }
        self.reach(BootPhase::Login, progress);
        let Some(ssh) = self.log_in(&way).await? else {
            return Ok(None);
        };
        self.reach(BootPhase::FirstBoot, progress);
        if self.first_boot(&ssh, progress).await? {
            progress.reached(BootPhase::FirstBoot, self.begun.elapsed());
            return Ok(Some(way));
        }
        Ok(None)
    }

    /// What came before is over.
    fn reach(&mut self, phase: BootPhase, progress: &mut impl BootProgress) {
        if phase > self.phase {
            progress.reached(self.phase, self.begun.elapsed());
            self.phase = phase;
            self.last = None;
        }
    }

    /// A server that starts refuses for a while; one that shows another key than it should never gets better.
    async fn log_in(&mut self, way: &VmWay) -> Result<Option<Ssh>, BootError> {
        let settings = way.settings(self.login.identity.clone());
        let connecting = timeout(self.left(), Ssh::connect(&way.address, &settings));
        match connecting.await {
            Ok(Ok(ssh)) => Ok(Some(ssh)),
            Ok(Err(
                source @ (ConnectError::UnknownHostKey { .. }
                | ConnectError::ChangedHostKey { .. }
                | ConnectError::KnownHosts { .. }
                | ConnectError::Key { .. }),
            )) => Err(BootError::Login {
                name: self.name.to_string(),
                source: source.into(),
            }),
            Ok(Err(error)) => {
                self.last = Some(error.to_string());
                Ok(None)
            }
            Err(_) => Ok(None),
        }
    }

    /// Whether it is over. A connection that is lost meanwhile is opened again.
    async fn first_boot(
        &mut self,
        ssh: &Ssh,
        progress: &mut impl BootProgress,
    ) -> Result<bool, BootError> {
        let wait = FirstBoot::wait();
        let waiting = ssh.run(&wait);
        tokio::pin!(waiting);
        let answer = loop {
            match timeout(TELLS_EVERY.min(self.left()), &mut waiting).await {
                Ok(answer) => break answer,
                Err(_) => self.check_time(progress)?,
            }
        };
        match answer {
            Ok(answer) => match FirstBoot::of(&answer) {
                FirstBoot::Done => Ok(true),
                FirstBoot::Degraded(told) => {
                    progress.degraded(&told);
                    Ok(true)
                }
                FirstBoot::Failed(told) => Err(BootError::FirstBoot {
                    name: self.name.to_string(),
                    told,
                    console: self.console(),
                }),
            },
            Err(error @ (TransportError::Lost { .. } | TransportError::Connect(_))) => {
                self.last = Some(error.to_string());
                Ok(false)
            }
            Err(error) => Err(BootError::FirstBoot {
                name: self.name.to_string(),
                told: error.to_string(),
                console: self.console(),
            }),
        }
    }

    fn left(&self) -> Duration {
        self.login.within.saturating_sub(self.begun.elapsed())
    }

    fn check_time(&mut self, progress: &mut impl BootProgress) -> Result<(), BootError> {
        if self.left().is_zero() {
            return Err(BootError::Timeout {
                name: self.name.to_string(),
                within: self.login.within,
                phase: self.phase,
                last: self.last.take(),
                console: self.console(),
            });
        }
        if self.told.elapsed() >= TELLS_EVERY {
            self.told = Instant::now();
            let said = self.console();
            let last = said.last().map(String::as_str);
            progress.waits(self.phase, self.begun.elapsed(), last);
        }
        Ok(())
    }

    fn console(&self) -> Vec<String> {
        end_of(&self.console).map_or_else(|_| vec![], |said| tail(&said, CONSOLE_LINES))
    }
}

/// Whether SSH itself answers. A connection proves nothing: QEMU takes it before it asks the guest.
async fn greets(way: &VmWay) -> std::io::Result<()> {
    let address = (way.address.host.as_str(), way.address.port);
    let mut socket = TcpStream::connect(address).await?;
    let mut greeting = [0; 4];
    let read = timeout(GREETS_WITHIN, socket.read_exact(&mut greeting)).await;
    let silent = || std::io::Error::new(std::io::ErrorKind::TimedOut, "it says nothing");
    let closed = |_| std::io::Error::other("nobody listens in the machine yet");
    read.map_err(|_| silent())?.map_err(closed)?;
    if greeting == *b"SSH-" {
        return Ok(());
    }
    Err(std::io::Error::other("what answers is not SSH"))
}

fn end_of(log: &Path) -> std::io::Result<Vec<u8>> {
    use std::io::{Read as _, Seek as _, SeekFrom};
    let mut file = fs::File::open(log)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(CONSOLE_BYTES)))?;
    let mut said = Vec::new();
    file.take(CONSOLE_BYTES).read_to_end(&mut said)?;
    Ok(said)
}
