//! The rules that a type alone cannot express. The CRD holds most of them too; whoever acts on a
//! score checks again, because the bus may carry what no API server saw.

use std::collections::{BTreeMap, BTreeSet};

use super::podman::{NetworkMode, PodmanScore, Service};
use crate::id::ServiceName;

/// Why a score was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScoreError {
    /// `services` is empty or longer than 32.
    #[error("a deployment needs 1 to 32 services, this has {0}")]
    ServiceCount(usize),
    /// Two services have one name.
    #[error("service name {0} is used twice")]
    DuplicateService(ServiceName),
    /// Two services of the deployment publish one host port.
    #[error("host port {0} is published twice, the second time by service {1}")]
    DuplicatePort(u16, ServiceName),
    /// Two services ask for one container name.
    #[error("container name {0} is used twice")]
    DuplicateContainerName(String),
    /// A port is 0.
    #[error("service {0}: ports must be 1 to 65535")]
    ZeroPort(ServiceName),
    /// `dependsOn` names a service that does not exist.
    #[error("service {service} depends on {missing}, which this deployment does not have")]
    UnknownDependency {
        /// The service with the `dependsOn`.
        service: ServiceName,
        /// What it names.
        missing: ServiceName,
    },
    /// `dependsOn` goes round in a circle.
    #[error("service {0} depends on itself, directly or through others")]
    DependencyCycle(ServiceName),
    /// None or several of `named`, `bind`, `tmpfs`.
    #[error("service {service}: the volume at {path} needs exactly one of named, bind and tmpfs")]
    VolumeSource {
        /// The service.
        service: ServiceName,
        /// The mount path.
        path: String,
    },
    /// Two things are mounted at one path.
    #[error("service {service}: {path} is mounted twice")]
    DuplicateMount {
        /// The service.
        service: ServiceName,
        /// The mount path.
        path: String,
    },
    /// None or both of `command`, `http`.
    #[error("service {0}: a healthcheck needs exactly one of command and http")]
    HealthCheckKind(ServiceName),
}

impl ScoreError {
    /// The stable reason.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::ServiceCount(_) => "ServiceCount",
            Self::DuplicateService(_) => "DuplicateService",
            Self::DuplicatePort(..) => "DuplicatePort",
            Self::DuplicateContainerName(_) => "DuplicateContainerName",
            Self::ZeroPort(_) => "ZeroPort",
            Self::UnknownDependency { .. } => "UnknownDependency",
            Self::DependencyCycle(_) => "DependencyCycle",
            Self::VolumeSource { .. } => "VolumeSource",
            Self::DuplicateMount { .. } => "DuplicateMount",
            Self::HealthCheckKind(_) => "HealthCheckKind",
        }
    }
}

/// The largest number of services.
const MAX_SERVICES: usize = 32;

pub(super) fn validate(score: &PodmanScore) -> Result<(), ScoreError> {
    let count = score.services.len();
    if count == 0 || count > MAX_SERVICES {
        return Err(ScoreError::ServiceCount(count));
    }
    let (mut names, mut ports, mut containers) =
        (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for service in &score.services {
        if !names.insert(&service.name) {
            return Err(ScoreError::DuplicateService(service.name.clone()));
        }
        if let Some(name) = &service.container_name
            && !containers.insert(name)
        {
            return Err(ScoreError::DuplicateContainerName(name.to_string()));
        }
        for port in claimed_ports(service)? {
            if !ports.insert(port) {
                return Err(ScoreError::DuplicatePort(port.0, service.name.clone()));
            }
        }
        validate_service(service)?;
    }
    start_order(score).map(drop)
}

type PortClaim = (u16, super::Protocol, Option<std::net::IpAddr>);

fn claimed_ports(service: &Service) -> Result<Vec<PortClaim>, ScoreError> {
    let zero = service
        .ports
        .iter()
        .any(|p| p.container_port == 0 || p.host_port == 0);
    if zero {
        return Err(ScoreError::ZeroPort(service.name.clone()));
    }
    if service.network_mode == NetworkMode::None {
        return Ok(vec![]);
    }
    Ok(service
        .ports
        .iter()
        .map(|p| (p.host_port, p.protocol, p.host_ip))
        .collect())
}

fn validate_service(service: &Service) -> Result<(), ScoreError> {
    let mut mounts = BTreeSet::new();
    let files = service.files.iter().map(|f| f.path.as_str());
    for path in service
        .volumes
        .iter()
        .map(|v| v.mount_path.as_str())
        .chain(files)
    {
        if !mounts.insert(path) {
            let service = service.name.clone();
            return Err(ScoreError::DuplicateMount {
                service,
                path: path.to_owned(),
            });
        }
    }
    if let Some(volume) = service.volumes.iter().find(|v| v.source().is_none()) {
        let (service, path) = (service.name.clone(), volume.mount_path.to_string());
        return Err(ScoreError::VolumeSource { service, path });
    }
    match &service.healthcheck {
        Some(check) if check.command.is_empty() == check.http.is_none() => {
            Err(ScoreError::HealthCheckKind(service.name.clone()))
        }
        _ => Ok(()),
    }
}

/// The services in an order in which each comes after those it depends on; ties keep the order
/// they are written in.
pub fn start_order(score: &PodmanScore) -> Result<Vec<&Service>, ScoreError> {
    let by_name: BTreeMap<_, _> = score.services.iter().map(|s| (&s.name, s)).collect();
    for service in &score.services {
        if let Some(missing) = service.depends_on.iter().find(|d| !by_name.contains_key(d)) {
            let (service, missing) = (service.name.clone(), missing.clone());
            return Err(ScoreError::UnknownDependency { service, missing });
        }
    }
    let mut placed = BTreeSet::new();
    let mut order = Vec::with_capacity(score.services.len());
    while order.len() < score.services.len() {
        let next = score
            .services
            .iter()
            .find(|s| !placed.contains(&s.name) && s.depends_on.iter().all(|d| placed.contains(d)));
        let Some(service) = next else {
            let stuck = score.services.iter().find(|s| !placed.contains(&s.name));
            return stuck.map_or(Ok(order), |s| {
                Err(ScoreError::DependencyCycle(s.name.clone()))
            });
        };
        placed.insert(&service.name);
        order.push(service);
    }
    Ok(order)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::score::ReconcileScore;
    use rstest::rstest;
    use serde_json::{Value, json};

    fn checked(services: &Value) -> Result<(), &'static str> {
        let score: ReconcileScore =
            serde_json::from_value(json!({"PodmanV0": {"services": services}})).expect("parses");
        score.validate().map_err(|e| e.reason())
    }

    #[rstest]
    #[case(json!([{"name": "a", "image": "i"}]), Ok(()))]
    #[case(json!([]), Err("ServiceCount"))]
    #[case(json!([{"name": "a", "image": "i"}, {"name": "a", "image": "i"}]), Err("DuplicateService"))]
    #[case(json!([{"name": "a", "image": "i", "ports": [{"hostPort": 0, "containerPort": 1}]}]), Err("ZeroPort"))]
    #[case(json!([
        {"name": "a", "image": "i", "ports": [{"hostPort": 80, "containerPort": 1}]},
        {"name": "b", "image": "i", "ports": [{"hostPort": 80, "containerPort": 2}]}
    ]), Err("DuplicatePort"))]
    #[case(json!([
        {"name": "a", "image": "i", "containerName": "x"},
        {"name": "b", "image": "i", "containerName": "x"}
    ]), Err("DuplicateContainerName"))]
    #[case(json!([{"name": "a", "image": "i", "dependsOn": ["b"]}]), Err("UnknownDependency"))]
    #[case(json!([
        {"name": "a", "image": "i", "dependsOn": ["b"]},
        {"name": "b", "image": "i", "dependsOn": ["a"]}
    ]), Err("DependencyCycle"))]
    #[case(json!([{"name": "a", "image": "i", "volumes": [{"mountPath": "/d"}]}]), Err("VolumeSource"))]
    #[case(json!([{"name": "a", "image": "i", "volumes": [{"mountPath": "/d", "named": "v", "bind": "/x"}]}]), Err("VolumeSource"))]
    #[case(json!([{"name": "a", "image": "i", "volumes": [{"mountPath": "/d", "tmpfs": {}}],
        "files": [{"path": "/d", "content": ""}]}]), Err("DuplicateMount"))]
    #[case(json!([{"name": "a", "image": "i", "healthcheck": {}}]), Err("HealthCheckKind"))]
    fn rules(#[case] services: Value, #[case] expected: Result<(), &str>) {
        assert_eq!(checked(&services), expected);
    }

    #[test]
    fn dependencies_come_first() {
        let score: PodmanScore = serde_json::from_value(json!({"services": [
            {"name": "web", "image": "i", "dependsOn": ["db", "cache"]},
            {"name": "cache", "image": "i", "dependsOn": ["db"]},
            {"name": "db", "image": "i"},
        ]}))
        .expect("parses");
        let order = start_order(&score).expect("no cycle");
        let names: Vec<_> = order.iter().map(|s| s.name.as_str()).collect();
        assert_eq!(names, ["db", "cache", "web"]);
    }
}
