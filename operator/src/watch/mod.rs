//! Turns events of Kubernetes and the bus into inputs of the index.
//!
//! Every watch survives whatever its source does: what cannot be read is refused with a reason,
//! what breaks is opened again with a jittered back-off, and a list that begins anew ends with the
//! removal of what it no longer holds.

mod backoff;
mod bucket;
mod changes;
mod deployments;
mod devices;
mod enrolments;
mod objects;

pub use bucket::follow;
pub use deployments::deployments;
pub use devices::devices;
pub use enrolments::enrolments;

pub use backoff::Backoff;
