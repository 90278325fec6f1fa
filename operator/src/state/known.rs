use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use fleet_api::DeploymentStatus;
use fleet_contracts::payload::DeviceInfo;
use fleet_contracts::{DeploymentRef, DeviceId};
use fleet_operator_core::claims::Enrolments;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

/// What the objects say now, as the watches told it.
#[derive(Debug, Default)]
pub struct Known {
    /// Of Deployments.
    pub deployments: HashMap<DeploymentRef, DeploymentKnown>,
    /// Conditions of Devices.
    pub devices: HashMap<DeviceId, Vec<Condition>>,
    /// What devices say they are.
    pub infos: HashMap<DeviceId, Arc<DeviceInfo>>,
    /// What of it they may say.
    pub enrolments: Enrolments,
    /// Deployments that are being deleted and still have our finalizer.
    pub leaving: BTreeSet<DeploymentRef>,
}

/// Of one Deployment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DeploymentKnown {
    /// `metadata.uid`.
    pub uid: String,
    /// `metadata.generation`.
    pub generation: i64,
    /// `metadata.finalizers`.
    pub finalizers: Vec<String>,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// Its status.
    pub status: DeploymentStatus,
}
