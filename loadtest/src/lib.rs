//! A simulated fleet over the real platform: what it can take, measured and published.
//!
//! etcd, API server, NATS and operator are real processes of a testbed. Devices are simulated in this
//! process, with the real subjects, keys and payloads; what is replaced is the container runtime, and
//! each report says so. It must never grade what it measured by a clock alone: each scenario counts
//! again, naively, what the operator says, and any difference fails it.
//!
//! | module | what it holds |
//! |---|---|
//! | [`args`] | the command line |
//! | [`fleet`] | which devices, groups and Deployments there are: values from a seed |
//! | [`platform`] | the servers under test and what they take |
//! | [`device`] | devices that are the agent's own code, with containers in memory |
//! | [`wire`] | connections on which many devices report, with their acknowledgements |
//! | [`scenario`] | what is done to the platform, one module each |
//! | [`record`] | what is noted on the way, also when a run is interrupted |
//! | [`report`] | what a run says in the end |
//! | [`compare`] | whether one set of runs is worse than another by more than noise |
//! | [`capacity`] | what fleets of other sizes would cost |
//! | [`trend`] | whether something rises while a run goes on |
//! | [`plot`] | pages with curves, as SVG |

pub mod args;
pub mod capacity;
pub mod compare;
pub mod device;
pub mod error;
pub mod fleet;
pub mod platform;
pub mod plot;
pub mod progress;
pub mod record;
pub mod report;
pub mod run;
pub mod scenario;
pub mod trend;
pub mod wire;

pub use error::Error;
pub use report::Report;
