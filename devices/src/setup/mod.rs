//! A Linux host becomes a device: what it needs is brought there, it enrols, and its agent runs.

mod agent;
mod enrol;
mod run;

pub use agent::{AgentError, AgentProgram};
pub use enrol::Enrolment;
pub use run::{Progress, Setup, SetupError};
