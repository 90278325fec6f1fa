use fleet_devices_core::host::{AGENT_USER, Content, DeviceSetup, Ensured, Step};

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
        let mut changes = 0;
        let mut anew = false;
        let mut steps = setup.steps();
        steps.extend(
            self.enrolment
                .iter()
                .filter_map(Enrolment::file)
                .map(Step::File),
        );
        for step in &steps {
            let outcome = carry_out(host, step, progress).await?;
            let same = outcome == Outcome::Unchanged;
            changes += usize::from(!same);
            anew |= !same && matches!(step, Step::File(_));
        }
        if let Some(enrolment) = &self.enrolment {
            changes += usize::from(enrol(host, enrolment, progress).await?);
        }
        let unit = DeviceSetup::agent_unit();
        let outcome = carry_out(host, &Step::Unit(unit.clone()), progress).await?;
        let ran = outcome == Outcome::Unchanged;
        changes += usize::from(!ran);
        if ran && anew {
            let what = format!("{} with what is new", unit.name);
            progress.begins(&what);
            let outcome = if host.plans() {
                Outcome::Planned(vec![format!("~ {} restarted", unit.name)])
            } else {
                host.restart_unit(&unit).await?
            };
            progress.ended(&what, &outcome);
        }
        Ok(changes)
    }
}

async fn carry_out<H: LinuxHostConfiguration>(
    host: &H,
    step: &Step,
    progress: &mut impl Progress,
) -> Result<Outcome, HostError> {
    let what = match step {
        Step::Packages(packages) => packages.name(),
        Step::User(user) => Ensured::name(user),
        Step::Subordinates(ids) => ids.name(),
        Step::Linger(linger) => linger.name(),
        Step::Unit(unit) => Ensured::name(unit),
        Step::File(file) => file.name(),
    };
    progress.begins(&what);
    let outcome = match step {
        Step::Packages(packages) => host.ensure_packages(packages).await?,
        Step::User(user) => host.ensure_user(user).await?,
        Step::Subordinates(ids) => host.ensure_subordinates(ids).await?,
        Step::Linger(linger) => host.ensure_linger(linger).await?,
        Step::Unit(unit) => host.ensure_unit(unit).await?,
        Step::File(file) => host.ensure_file(file).await?,
    };
    progress.ended(&what, &outcome);
    Ok(outcome)
}

/// Says whether there was something to do.
async fn enrol<T: Transport>(
    host: &Linux<T>,
    enrolment: &Enrolment,
    progress: &mut impl Progress,
) -> Result<bool, HostError> {
    let what = format!("enrolment at {}", enrolment.url);
    progress.begins(&what);
    let done = host.run(&what, &Enrolment::done()).await?.status == 0;
    let difference = vec![format!("+ {AGENT_USER} has an identity")];
    let outcome = match (done, host.plans()) {
        (true, _) => Outcome::Unchanged,
        (false, true) => Outcome::Planned(difference),
        (false, false) => {
            host.run(&what, &enrolment.ask()).await?;
            Outcome::Changed(difference)
        }
    };
    progress.ended(&what, &outcome);
    Ok(!done)
}
