//! What every service of the platform does alike: how it logs and stops, which of its tasks must run,
//! what its pages say, how it finds its API server, which of its replicas leads, and how often it does
//! what anybody asks.

pub mod cluster;
pub mod error;
mod exposition;
pub mod lead;
pub mod limit;
pub use fleet_lease as lease;
pub mod logs;
pub mod pages;
pub mod start;
pub mod tasks;
mod usage;

pub use error::{chain, ended};
pub use exposition::exposition;
pub use logs::LogFormat;
pub use tasks::Tasks;
