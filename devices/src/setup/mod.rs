//! A Linux host becomes a device, and ceases to be one.
//!
//! | module | does |
//! |---|---|
//! | `agent` | reads the agent, and takes the one for a host's processor |
//! | `run` | brings there what a device needs, lets it enrol, and starts its agent |
//! | `up` | waits until the agent has its connection, and puts the one before back where it does not come up |
//! | `reachable` | waits until the fleet says that the device is there |
//! | `remove` | takes all of that away again |
//! | `fleet` | does it with many hosts at once, one's failure being no other's |

mod agent;
mod fleet;
mod reachable;
mod remove;
mod run;
mod up;

pub use agent::{AgentError, AgentProgram};
pub use fleet::{
    Check, ErrorReport, Event, HostReport, Job, Limits, Outcomes, StepReport, run_all,
};
pub use reachable::{Reachability, ReachableError, forget, until_reachable};
pub use remove::{Removed, remove};
pub use run::{Asking, Done, Progress, Setup, SetupError, TokenError, Wait};
pub use up::UpError;
