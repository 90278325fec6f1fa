//! Decides what every device should run and what every Deployment may report.
//!
//! Plain values in, plain values out: this crate does no I/O, has no tasks and reads no clock (time
//! and randomness come in as arguments). It must never keep anything that a restart could not
//! rebuild from the CRs and the buckets.
//!
//! | in | module | out |
//! |---|---|---|
//! | a `Deployment` object | [`admit`] | [`Admitted`](admit::Admitted): selector and score, or a reason to refuse them |
//! | enrolments | [`claims`] | which labels a device may claim |
//! | a `DeviceInfo` | [`describe`], [`labels`] | labels that Kubernetes takes, and what was dropped |
//! | events of CRs and buckets | [`index`] | [`Dirty`]: what has to be written again, and the documents to write |
//! | what `desired-state` holds | [`mirror`] | the writes that make it what it should be, in order |
//! | dirty keys | [`queue`] | which to write now: rate limits, back-off, one writer per key |
//! | the index's documents | [`status`] | conditions, statuses and Events |
//! | values of the buckets | [`follow`] | inputs of the index, or a reason to refuse them |
//! | all of the above | [`replica`] | when to write, which key, which document |
//! | a question | [`trace`] | where a change is on its way to a device |
//! | | [`rbac`] | what the operator and people may do, and why |

pub mod admit;
mod body;
pub mod claims;
pub mod describe;
pub mod follow;
pub mod index;
pub mod labels;
pub mod mirror;
pub mod queue;
pub mod rbac;
pub mod replica;
mod slots;
pub mod status;
pub mod targeting;
pub mod trace;

pub use body::Body;
pub use index::{Dirty, FleetIndex, Input};
pub use replica::Replica;
