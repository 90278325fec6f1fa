//! What the pods of all our programs have in common.
//!
//! A [`Program`] says how objects are called and told apart, a [`Shape`](pod::Shape) is a Deployment
//! or Job without any value of a user, and [`overlay`] lays the values over it, wherever in a chart's
//! values they are: [`DeploymentRefs`] and its kin name the places.

mod authority;
pub(crate) mod dashboard;
pub(crate) mod hook;
pub(crate) mod metadata;
pub(crate) mod monitoring;
mod mounted;
pub(crate) mod overlay;
pub(crate) mod pod;
pub(crate) mod policies;
mod program;
pub(crate) mod rbac;
mod refs;
pub mod values;

pub(crate) use authority::Authority;
pub(crate) use metadata::Labelling;
pub(crate) use monitoring::MetricsRefs;
pub(crate) use mounted::{Mounted, Source};
pub(crate) use program::Program;
pub(crate) use refs::{DeploymentRefs, PodRefs, ProbeRefs, deployment_refs, pod_refs};
