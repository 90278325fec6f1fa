use fleet_devices_core::host::{Content, DeviceSetup, Ensured as _, Step};

use super::agent::{AgentError, AgentProgram};
use super::enrol::Enrolment;
use crate::host::{
    HostError, Linux, LinuxHostConfiguration, Outcome, SystemdManager as _, Transport,
};

/// Why a host did not become a device.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The host is not as it should be.
    #[error(transparent)]
    Host(#[from] HostError),
    /// There is no agent for it.
    #[error(transparent)]
    Agent(#[from] AgentError),
}

impl SetupError {
    /// The stable reason.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Host(error) => error.reason(),
            Self::Agent(error) => error.reason(),
        }
    }
}

/// Is told what is going on.
pub trait Progress {
    /// This is being looked at.
    fn begins(&mut self, what: &str);
    /// This came of it.
    fn ended(&mut self, what: &str, outcome: &Outcome);
}

/// What makes a device of a host.
#[derive(Debug)]
pub struct Setup {
    /// Agents, one for each processor.
    pub agents: Vec<AgentProgram>,
    /// The agent's configuration.
    pub config: Content,
    /// How it enrols; without, the configuration has all it needs.
    pub enrolment: Option<Enrolment>,
}

impl Setup {
    /// Does it, or says what is to be done where the way to the host is one of plans. Answers with how many
    /// things were or would be changed.
    ///
    /// # Errors
    /// At the first thing that cannot be done. All before it stay done, and to begin again is safe.
    pub async fn run<T: Transport>(
        &self,
        host: &Linux<T>,
        progress: &mut impl Progress,
    ) -> Result<usize, SetupError> {
        let agent = AgentProgram::for_host(&self.agents, &host.name(), host.architecture)?;
        let setup = DeviceSetup {
            family: host.distribution.family,
            agent: agent.content.clone(),
            config: self.config.clone(),
        };
        let mut steps = setup.steps();
        let certificates = self.enrolment.as_ref().and_then(Enrolment::file);
        steps.extend(certificates.map(Step::File));
        let (mut changes, mut anew) = (0, false);
        for step in &steps {
            let outcome = carry_out(host, step, progress).await?;
            let same = outcome == Outcome::Unchanged;
            changes += usize::from(!same);
            anew |= !same && matches!(step, Step::File(_));
        }
        if let Some(enrolment) = &self.enrolment {
            let outcome = watched(progress, &enrolment.name(), host.ensure(enrolment)).await?;
            changes += usize::from(outcome != Outcome::Unchanged);
        }
        let unit = DeviceSetup::agent_unit();
        let outcome = carry_out(host, &Step::Unit(unit.clone()), progress).await?;
        if outcome != Outcome::Unchanged {
            changes += 1;
        } else if anew {
            let what = format!("{} with what is new", unit.name);
            watched(progress, &what, host.restart_unit(&unit)).await?;
        }
        Ok(changes)
    }
}

async fn carry_out<H: LinuxHostConfiguration>(
    host: &H,
    step: &Step,
    progress: &mut impl Progress,
) -> Result<Outcome, HostError> {
    let what = step.name();
    match step {
        Step::Packages(packages) => watched(progress, &what, host.ensure_packages(packages)).await,
        Step::User(user) => watched(progress, &what, host.ensure_user(user)).await,
        Step::Subordinates(ids) => watched(progress, &what, host.ensure_subordinates(ids)).await,
        Step::Linger(linger) => watched(progress, &what, host.ensure_linger(linger)).await,
        Step::Unit(unit) => watched(progress, &what, host.ensure_unit(unit)).await,
        Step::File(file) => watched(progress, &what, host.ensure_file(file)).await,
    }
}

async fn watched(
    progress: &mut impl Progress,
    what: &str,
    doing: impl Future<Output = Result<Outcome, HostError>>,
) -> Result<Outcome, HostError> {
    progress.begins(what);
    let outcome = doing.await?;
    progress.ended(what, &outcome);
    Ok(outcome)
}
