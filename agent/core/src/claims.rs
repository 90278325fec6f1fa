//! What only one can have on a device: host ports and container names.

use std::collections::BTreeMap;
use std::net::IpAddr;

use fleet_contracts::score::{NetworkMode, Protocol};
use fleet_contracts::{DeploymentRef, DeviceReason};

use crate::desired::{DesiredDeployment, DesiredService, Problem};

/// A host port; without an address it stands for all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PortClaim {
    protocol: Protocol,
    port: u16,
    ip: Option<IpAddr>,
}

impl PortClaim {
    pub(crate) fn new(protocol: Protocol, port: u16, ip: Option<IpAddr>) -> Self {
        let ip = ip.filter(|ip| !ip.is_unspecified());
        Self { protocol, port, ip }
    }

    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        let same_ip = self.ip.is_none() || other.ip.is_none() || self.ip == other.ip;
        self.protocol == other.protocol && self.port == other.port && same_ip
    }
}

impl DesiredService {
    pub(crate) fn claims(&self) -> impl Iterator<Item = PortClaim> + '_ {
        let connected = self.spec.network_mode != NetworkMode::None;
        let ports = self.spec.ports.iter().filter(move |_| connected);
        ports.map(|p| PortClaim::new(p.protocol, p.host_port, p.host_ip.or(self.default_host_ip)))
    }
}

/// Lets the earlier of two deployments win; the later is to run nothing and says who won.
///
/// A loser's other claims are free for those after it. The outcome depends on the order alone, so
/// nothing flaps.
pub(crate) fn resolve(deployments: &mut [DesiredDeployment]) {
    let mut ports: Vec<(PortClaim, DeploymentRef)> = vec![];
    let mut names: BTreeMap<String, DeploymentRef> = BTreeMap::new();
    for deployment in deployments {
        if let Some(problem) = clash(deployment, &ports, &names) {
            deployment.services.clear();
            deployment.problem = Some(problem);
            continue;
        }
        for service in &deployment.services {
            ports.extend(service.claims().map(|c| (c, deployment.reference.clone())));
            names.insert(service.container_name.clone(), deployment.reference.clone());
        }
    }
}

fn clash(
    deployment: &DesiredDeployment,
    ports: &[(PortClaim, DeploymentRef)],
    names: &BTreeMap<String, DeploymentRef>,
) -> Option<Problem> {
    deployment.services.iter().find_map(|service| {
        if let Some(winner) = names.get(&service.container_name) {
            let name = &service.container_name;
            let message = format!("container name {name} belongs to deployment {winner}, which is older; choose another name");
            return Some(Problem { reason: DeviceReason::NameClash, message });
        }
        service.claims().find_map(|claim| {
            let (_, winner) = ports.iter().find(|(taken, _)| taken.overlaps(&claim))?;
            let message = format!("host port {} belongs to deployment {winner}, which is older; choose another port", claim.port);
            Some(Problem { reason: DeviceReason::PortClash, message })
        })
    })
}
