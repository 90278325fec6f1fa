use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use fleet_contracts::DeviceId;
use fleet_contracts::enrolment::EnrolmentToken;
use fleet_devices_core::VmArchitecture;
use fleet_devices_core::host::{
    Content, DeviceSetup, Enrolment, Ensured as _, Started, Step, Unit,
};

use super::agent::{AgentError, AgentProgram};
use super::up::{self, UpError};
use crate::host::{
    HostError, Linux, LinuxHostConfiguration, Outcome, SystemdManager as _, Transport,
};

/// Why a host did not become a device, or is none any more.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The host is not as it should be.
    #[error(transparent)]
    Host(#[from] HostError),
    /// There is no agent for it.
    #[error(transparent)]
    Agent(#[from] AgentError),
    /// It has to ask for its enrolment, and has no token to do so.
    #[error("{host} is not enrolled, and has nothing to ask with")]
    Token {
        /// The host.
        host: String,
        /// Why.
        #[source]
        source: TokenError,
    },
    /// Its agent did not come up.
    #[error(transparent)]
    Up(#[from] UpError),
}

impl SetupError {
    /// The stable reason.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Host(error) => error.reason(),
            Self::Agent(error) => error.reason(),
            Self::Token { source, .. } => source.reason(),
            Self::Up(error) => error.reason(),
        }
    }
}

/// Why there is no enrolment token. Says nothing of what is in the file.
#[derive(Debug, Clone, thiserror::Error)]
pub enum TokenError {
    /// It cannot be read.
    #[error("cannot read the token {path}; `fleet-auth token create` makes one")]
    Unreadable {
        /// Where it should be.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: Arc<std::io::Error>,
    },
    /// It is none.
    #[error("{path} holds no enrolment token; `fleet-auth token create` makes one")]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: fleet_contracts::enrolment::InvalidToken,
    },
}

impl TokenError {
    /// The stable reason.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "TokenUnreadable",
            Self::Invalid { .. } => "TokenInvalid",
        }
    }

    /// The token in a file.
    ///
    /// # Errors
    /// When there is none.
    pub fn read(path: &std::path::Path) -> Result<EnrolmentToken, Self> {
        let path = || path.to_owned();
        let text = std::fs::read(path()).map_err(|source| Self::Unreadable {
            path: path(),
            source: Arc::new(source),
        })?;
        let parsed = String::from_utf8_lossy(&text).trim().parse();
        parsed.map_err(|source| Self::Invalid {
            path: path(),
            source,
        })
    }
}

/// Is told what is going on.
pub trait Progress: Sync {
    /// This is being looked at.
    fn begins(&self, what: &str);
    /// This was said meanwhile.
    fn says(&self, line: &str);
    /// This came of it.
    fn ended(&self, what: &str, outcome: &Outcome);
}

/// How a device enrols.
#[derive(Debug, Clone)]
pub struct Asking {
    /// All but the token.
    pub enrolment: Enrolment,
    /// The token. That there is none is no failure where the device is enrolled: a token is good once.
    pub token: Result<Option<EnrolmentToken>, TokenError>,
}

/// Whether an agent has to come up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// Whoever set it up finds out.
    No,
    /// Within this time, or what was there before is put back.
    Within(Duration),
}

/// What makes a device of a host.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Agents, one for each processor.
    pub agents: Arc<[AgentProgram]>,
    /// Which processor the host has to have; without it any for which there is an agent.
    pub architecture: Option<VmArchitecture>,
    /// The agent's configuration.
    pub config: Content,
    /// Who it is by its configuration, where no enrolment says so.
    pub device: Option<DeviceId>,
    /// How it enrols; without, the configuration has all it needs.
    pub asking: Option<Asking>,
    /// Whether the agent has to come up.
    pub wait: Wait,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// How many things were or would be changed.
    pub changes: usize,
    /// Who it is, where an enrolment said so.
    pub device: Option<DeviceId>,
}

impl Setup {
    /// Does it, or says what is to be done where the way to the host is one of plans.
    ///
    /// # Errors
    /// At the first thing that cannot be done. All before it stay done, and to begin again is safe; an agent that
    /// does not come up is replaced by the one before.
    pub async fn run<T: Transport>(
        &self,
        host: &Linux<T>,
        progress: &dyn Progress,
    ) -> Result<Done, SetupError> {
        let name = host.name();
        AgentProgram::fits(&name, host.architecture, self.architecture)?;
        let agent = AgentProgram::for_host(&self.agents, &name, host.architecture)?;
        let setup = DeviceSetup {
            family: host.distribution.family,
            agent: agent.content.clone(),
            config: self.config.clone(),
        };
        let unit = DeviceSetup::agent_unit();
        let before = up::Before::look(host, &unit).await?;
        let mut changes = 0;
        let mut count = |outcome: &Outcome| changes += usize::from(*outcome != Outcome::Unchanged);
        let certificates = self
            .asking
            .as_ref()
            .and_then(|asking| asking.enrolment.file());
        for step in setup
            .steps()
            .into_iter()
            .chain(certificates.map(Step::File))
        {
            count(&carry_out(host, &step, progress).await?);
        }
        if let Some(asking) = &self.asking {
            count(&enrol(host, asking, progress).await?);
        }
        let files = setup.read_at_start();
        let started = start(host, &unit, &files, progress).await;
        match (&started, self.wait) {
            (Ok(outcome), Wait::Within(limit)) if !host.plans() => {
                count(outcome);
                up::settle(host, &unit, &files, &before, limit, progress).await?;
            }
            (Ok(outcome), _) => count(outcome),
            (Err(_), _) => {}
        }
        if let Err(error) = started {
            let error = error.into();
            let error = up::put_back(host, &unit, &files, &before, error, progress).await;
            return Err(error.into());
        }
        if !host.plans() {
            host.ensure(&Started::with(&files).file()).await?;
        }
        Ok(Done {
            changes,
            device: who(host).await?.or_else(|| self.device.clone()),
        })
    }
}

/// Who a host is in its fleet, if it is in one.
pub(super) async fn who<T: Transport>(host: &Linux<T>) -> Result<Option<DeviceId>, HostError> {
    let answer = host.run("identity", &Enrolment::look()).await?;
    Enrolment::device(&answer).map_err(|error| HostError::Ensure {
        host: host.name(),
        source: error.into(),
    })
}

async fn enrol<T: Transport>(
    host: &Linux<T>,
    asking: &Asking,
    progress: &dyn Progress,
) -> Result<Outcome, SetupError> {
    let token = match (&asking.token, who(host).await?) {
        (Err(source), None) => {
            return Err(SetupError::Token {
                host: host.name(),
                source: source.clone(),
            });
        }
        (Ok(token), None) => token.clone(),
        (_, Some(_)) => None,
    };
    let enrolment = Enrolment {
        token,
        ..asking.enrolment.clone()
    };
    let says = |line: &str| progress.says(line);
    let doing = host.ensure_telling(&enrolment, &says);
    Ok(watched(progress, &enrolment.name(), doing).await?)
}

/// Starts the agent, or starts it again where it was started with other files.
async fn start<T: Transport>(
    host: &Linux<T>,
    unit: &Unit,
    files: &[fleet_devices_core::host::File],
    progress: &dyn Progress,
) -> Result<Outcome, HostError> {
    let noted = host.is_so(&Started::with(files).file()).await?;
    let outcome = carry_out(host, &Step::Unit(unit.clone()), progress).await?;
    if outcome != Outcome::Unchanged || noted {
        return Ok(outcome);
    }
    let what = format!("{} with what is new", unit.name);
    watched(progress, &what, host.restart_unit(unit)).await
}

async fn carry_out<H: LinuxHostConfiguration>(
    host: &H,
    step: &Step,
    progress: &dyn Progress,
) -> Result<Outcome, HostError> {
    let what = step.name();
    match step {
        Step::Packages(packages) => watched(progress, &what, host.ensure_packages(packages)).await,
        Step::User(user) => watched(progress, &what, host.ensure_user(user)).await,
        Step::Subordinates(ids) => watched(progress, &what, host.ensure_subordinates(ids)).await,
        Step::Linger(linger) => watched(progress, &what, host.ensure_linger(linger)).await,
        Step::Unit(unit) => watched(progress, &what, host.ensure_unit(unit)).await,
        Step::Folders(folders) => watched(progress, &what, host.ensure_folders(folders)).await,
        Step::File(file) => watched(progress, &what, host.ensure_file(file)).await,
    }
}

pub(super) async fn watched<E>(
    progress: &dyn Progress,
    what: &str,
    doing: impl Future<Output = Result<Outcome, E>>,
) -> Result<Outcome, E> {
    progress.begins(what);
    let outcome = doing.await?;
    progress.ended(what, &outcome);
    Ok(outcome)
}
