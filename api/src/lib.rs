//! The custom resources as Rust types; the CRD YAML comes out of these and nowhere else.
//!
//! What the types cannot say, CEL rules in the schema do, so that `kubectl apply` refuses bad input
//! with a message that names field and rule. This crate does no I/O.

pub mod condition;
mod crd;
pub mod deployment;
pub mod device;
pub mod enrolment;
pub mod selector;
pub mod trace;

pub use crd::{CrdError, crds, crds_yaml};
pub use deployment::{Aggregate, Deployment, DeploymentSpec, DeploymentStatus, LastError};
pub use device::{Device, DeviceSpec, DeviceStatus};
pub use enrolment::{
    Approval, Decision, DeviceEnrolment, DeviceEnrolmentSpec, DeviceEnrolmentStatus, NextKey,
    PolicyApproval,
};
pub use selector::{Operator, Requirement, TargetSelector};

/// The API group of every resource.
pub const GROUP: &str = "fleet.nationtech.io";
/// The version served and stored.
pub const VERSION: &str = "v1alpha1";
/// Keeps a `Deployment` until its keys are gone from the bus.
pub const FINALIZER: &str = "fleet.nationtech.io/finalizer";
/// The label every device carries, with its own id as value.
pub const DEVICE_ID_LABEL: &str = "device-id";
