//! The values about devices that join.

use std::collections::BTreeMap;

use chartgen::common::{Annotations, ExistingSecret};
use schemars::JsonSchema;
use serde::Serialize;

use crate::workload::values::OBJECT_NAME;

/// How devices reach the enrolment service.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EnrolmentApi {
    /// The URLs by which devices know it: a device's proof names one, and its own certificate is for
    /// their hosts.
    #[schemars(inner(regex(pattern = r"^https://[^\s,]+$")))]
    pub public_urls: Vec<String>,
    /// A Secret of type `kubernetes.io/tls` with its certificate. Without one, an authority of its own
    /// makes it.
    #[schemars(regex(pattern = OBJECT_NAME), length(max = 253))]
    pub tls_secret: String,
    /// The Secret with that authority (`ca.crt`, `ca.key`), which devices pin.
    #[schemars(regex(pattern = OBJECT_NAME), length(min = 1, max = 253))]
    pub authority_secret: String,
    /// Calls of one address that are taken at once.
    #[schemars(range(min = 1))]
    pub call_burst: u32,
    /// Calls of one address that are taken each minute after that.
    #[schemars(range(min = 1))]
    pub calls_per_minute: u32,
    /// The Service, outside of which devices are.
    pub service: EnrolmentService,
}

/// The Service of the enrolment service.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EnrolmentService {
    /// How it is reached from outside. The certificate is the service's own, so that what is before it
    /// must pass TLS through.
    #[serde(rename = "type")]
    pub r#type: ServiceType,
    /// Its port.
    #[schemars(range(min = 1))]
    pub port: u16,
    /// The port on nodes, for the types that have one; 0 lets Kubernetes choose.
    pub node_port: u16,
    /// Its annotations.
    pub annotations: Annotations,
}

/// How a Service is reached.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
pub enum ServiceType {
    /// From inside the cluster; something else brings devices there.
    ClusterIP,
    /// At a port of each node.
    NodePort,
    /// At an address of its own.
    LoadBalancer,
}

/// The tokens by which devices may ask.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EnrolmentTokens {
    /// The namespace of the tokens, for nothing else: the service may read all Secrets there.
    #[schemars(regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"), length(max = 63))]
    pub namespace: String,
    /// Make it. It is kept when the release is uninstalled.
    pub create_namespace: bool,
}

/// Who is approved.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Approval {
    /// A device that fits one of these is approved with nobody looking. All others wait for a person.
    pub rules: Vec<ApprovalRule>,
    /// Seconds after which an enrolment that nobody decided about is denied.
    #[schemars(range(min = 60))]
    pub timeout_seconds: u32,
}

/// Conditions, of which there is at least one, and all of which must hold.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApprovalRule {
    /// How it is called where it was the reason.
    #[schemars(length(min = 1))]
    pub name: String,
    /// The token was made for this fleet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_fleet: Option<String>,
    /// The token is bound to all of these labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_labels: Option<BTreeMap<String, String>>,
    /// The device id fits one of these; `*` stands for any text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_ids: Option<Vec<String>>,
    /// The address that the device asks from is in one of these ranges.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sources: Option<Vec<String>>,
}

/// What an approved device is told.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Devices {
    /// Where the bus is for devices; several separated by commas. Empty: as `nats.url`.
    #[schemars(regex(pattern = NATS_URL_OR_NONE))]
    pub nats_url: String,
    /// The Secret with certificates of the bus for devices to trust beside the public ones.
    pub nats_ca: ExistingSecret,
    /// The Secret with the only certificates that devices shall trust at the identity provider.
    pub issuer_ca: ExistingSecret,
    /// Seconds for which a device's key is taken. After two thirds of it the device replaces the key.
    #[schemars(range(min = 3600))]
    pub key_lifetime_seconds: u32,
}

/// Such a URL, or nothing.
const NATS_URL_OR_NONE: &str = r"^((nats|tls)://[^,\s]+(,(nats|tls)://[^,\s]+)*)?$";
