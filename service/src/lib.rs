//! What every service of the platform does alike: how it logs and stops, which of its tasks must run,
//! what its pages say, and how it finds its API server.

pub mod cluster;
pub mod error;
pub mod logs;
pub mod pages;
pub mod start;
pub mod tasks;

pub use error::chain;
pub use logs::LogFormat;
pub use tasks::Tasks;
