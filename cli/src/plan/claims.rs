//! What a Deployment claims of a device for itself alone: host ports and container names.

use std::fmt;
use std::net::IpAddr;

use fleet_api::Deployment;
use fleet_contracts::ReconcileScore;
use fleet_contracts::score::{NetworkMode, Protocol, Service};

/// A claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Claim {
    /// A port of the device; without address, on all of them.
    Port {
        number: u16,
        protocol: Protocol,
        address: Option<IpAddr>,
    },
    /// The name of a container.
    Name(String),
}

impl Claim {
    /// Whether one device cannot grant both.
    pub(super) fn excludes(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Port {
                    number,
                    protocol,
                    address,
                },
                Self::Port {
                    number: number2,
                    protocol: protocol2,
                    address: address2,
                },
            ) => {
                let meet = match (address, address2) {
                    (Some(a), Some(b)) => a == b,
                    _ => true,
                };
                number == number2 && protocol == protocol2 && meet
            }
            (Self::Name(a), Self::Name(b)) => a == b,
            _ => false,
        }
    }
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Port {
                number, protocol, ..
            } => {
                let protocol = if *protocol == Protocol::Udp {
                    "UDP"
                } else {
                    "TCP"
                };
                write!(f, "host port {number}/{protocol}")
            }
            Self::Name(name) => write!(f, "container name {name}"),
        }
    }
}

/// All claims of a Deployment.
pub(super) fn of(deployment: &Deployment) -> Vec<Claim> {
    let ReconcileScore::PodmanV0(score) = &deployment.spec.score else {
        return vec![];
    };
    let (name, namespace) = (&deployment.metadata.name, &deployment.metadata.namespace);
    let prefix = [namespace, name]
        .map(|part| part.as_deref().unwrap_or_default())
        .join(".");
    score
        .services
        .iter()
        .flat_map(|service| of_service(&prefix, service))
        .collect()
}

fn of_service(prefix: &str, service: &Service) -> Vec<Claim> {
    let default = || format!("{prefix}.{}", service.name);
    let name = service
        .container_name
        .as_ref()
        .map_or_else(default, ToString::to_string);
    let published = service
        .ports
        .iter()
        .filter(|_| service.network_mode != NetworkMode::None);
    let ports = published.map(|port| Claim::Port {
        number: port.host_port,
        protocol: port.protocol,
        address: port.host_ip.filter(|ip| !ip.is_unspecified()),
    });
    ports.chain([Claim::Name(name)]).collect()
}
