//! What a check of a platform does, may do, and takes for done.
//!
//! | module | question |
//! |---|---|
//! | [`step`] | what happens one after the other, and what can a person do when it does not? |
//! | [`workload`] | what is asked of the platform, and has it come? |
//! | [`device`] | has the device joined, and is it shut out again? |
//! | [`containers`] | what does the podman hold that the agent believes to drive? |
//! | [`rbac`] | what may the check do in a cluster, and why? |
//!
//! It never decides what the agent does: that program is the one that devices run, unchanged.

pub mod containers;
pub mod device;
pub mod rbac;
pub mod step;
pub mod workload;

pub use containers::Containers;
pub use step::Step;

/// Who the device of a check is, and what its Deployment is called. It is always the same, so that a
/// run that was killed is cleaned up by the next, and nothing of it adds up anywhere.
pub const NAME: &str = "fleet-check";
