//! What benchmarks have in common: the machine they ran on, what processes took, and how measured
//! times are distributed.
//!
//! It reads `/proc` and asks git. It starts no server and knows nothing of fleets.
//!
//! | module | what it holds |
//! |---|---|
//! | [`machine`] | processor, memory, kernel and commit; the limit of open files |
//! | [`process`] | memory and processor time of a process |
//! | [`stats`] | medians and percentiles of a few samples |
//! | [`histogram`] | the distribution of many samples, in buckets of bounded relative width |

pub mod histogram;
pub mod machine;
pub mod process;
pub mod stats;

pub use histogram::Histogram;
pub use machine::Machine;
pub use process::UsageError;
