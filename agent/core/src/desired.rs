//! What should run: a manifest, its bodies, and what this device makes of them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use fleet_contracts::score::{PodmanScore, PullPolicy, Service, start_order};
use fleet_contracts::{
    DeploymentRef, DeviceReason, Manifest, ReconcileScore, Revision, ServiceName,
};
use serde_json::{Value, json};

use crate::claims;

/// One service of one deployment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceKey {
    /// The deployment.
    pub deployment: DeploymentRef,
    /// The service in it.
    pub service: ServiceName,
}

impl std::fmt::Display for ServiceKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.deployment, self.service)
    }
}

/// The body of a deployment, its hash already checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    /// The hash.
    pub revision: Revision,
    /// The score as received.
    pub score: Arc<Value>,
}

/// What keeps a deployment from running as asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Why.
    pub reason: DeviceReason,
    /// For people: what, on what, what to do.
    pub message: String,
}

/// A container that should run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DesiredService {
    /// Which.
    pub key: ServiceKey,
    /// The revision of its deployment's body.
    pub revision: Revision,
    /// The hash of all that needs a new container when it changes.
    pub hash: Revision,
    /// The container's name.
    pub container_name: String,
    /// What to run.
    pub spec: Service,
    /// Where ports are published that name no address.
    pub default_host_ip: Option<IpAddr>,
}

/// A deployment that should run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DesiredDeployment {
    /// Which.
    pub reference: DeploymentRef,
    /// The revision the manifest asks for.
    pub revision: Revision,
    /// Its services; each after those it depends on.
    pub services: Vec<Arc<DesiredService>>,
    /// What keeps it from running as asked.
    pub problem: Option<Problem>,
    /// Whether its containers are to be left as they are, since it is not known what should run.
    pub hold: bool,
}

/// All that should run, in order of precedence.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Desired {
    /// The oldest first.
    pub deployments: Vec<DesiredDeployment>,
}

impl Desired {
    /// Works out what a manifest means on this device.
    ///
    /// A deployment whose body is not the one the manifest names keeps running the body there is.
    pub fn new(
        manifest: &Manifest,
        bodies: &BTreeMap<DeploymentRef, Body>,
        default_host_ip: Option<IpAddr>,
    ) -> Self {
        Self::default().next(manifest, bodies, default_host_ip)
    }

    /// The same after this one. What is at the revision at which it had no problem is taken over: to
    /// read and hash each score again would cost a device with many deployments most of the time that
    /// a change of one of them takes.
    #[must_use]
    pub fn next(
        &self,
        manifest: &Manifest,
        bodies: &BTreeMap<DeploymentRef, Body>,
        default_host_ip: Option<IpAddr>,
    ) -> Self {
        let known: BTreeMap<_, _> = self
            .deployments
            .iter()
            .map(|known| (&known.reference, known))
            .collect();
        let mut named = BTreeSet::new();
        let listed = manifest.order.iter().chain(manifest.deployments.keys());
        let wanted = listed.filter_map(|r| manifest.deployments.get_key_value(r));
        let mut deployments: Vec<_> = wanted
            .filter(|(reference, _)| named.insert(*reference))
            .map(|(reference, &revision)| {
                let body = bodies.get(reference);
                let known = known.get(reference).filter(|known| {
                    let same = body.is_some_and(|body| body.revision == revision);
                    same && known.still_means(revision, default_host_ip)
                });
                known.map_or_else(
                    || deployment(reference, revision, body, default_host_ip),
                    |&known| known.clone(),
                )
            })
            .collect();
        claims::resolve(&mut deployments);
        Self { deployments }
    }

    /// The services of all deployments.
    pub fn services(&self) -> impl Iterator<Item = &Arc<DesiredService>> {
        self.deployments.iter().flat_map(|d| &d.services)
    }
}

impl DesiredDeployment {
    fn still_means(&self, revision: Revision, default_host_ip: Option<IpAddr>) -> bool {
        let mut services = self.services.iter();
        self.revision == revision
            && self.problem.is_none()
            && services.all(|service| service.default_host_ip == default_host_ip)
    }
}

fn deployment(
    reference: &DeploymentRef,
    revision: Revision,
    body: Option<&Body>,
    default_host_ip: Option<IpAddr>,
) -> DesiredDeployment {
    let missing = || Problem {
        reason: DeviceReason::EntryMissing,
        message: format!(
            "the body of {reference} at revision {} is not on the bus",
            revision.short()
        ),
    };
    let (services, problem) = match body {
        None => (Err(()), Some(missing())),
        Some(body) => {
            let stale = (body.revision != revision).then(missing);
            match services(reference, body, default_host_ip) {
                Ok(services) => (Ok(services), stale),
                Err(problem) => (Err(()), stale.or(Some(problem))),
            }
        }
    };
    DesiredDeployment {
        reference: reference.clone(),
        revision,
        hold: services.is_err(),
        services: services.unwrap_or_default(),
        problem,
    }
}

fn services(
    reference: &DeploymentRef,
    body: &Body,
    default_host_ip: Option<IpAddr>,
) -> Result<Vec<Arc<DesiredService>>, Problem> {
    let invalid = |message: String| Problem {
        reason: DeviceReason::InvalidScore,
        message,
    };
    let score = parse(&body.score)?;
    score.validate().map_err(|e| invalid(e.to_string()))?;
    let ReconcileScore::PodmanV0(podman) = &score else {
        return Err(unsupported(&body.score));
    };
    let order = start_order(podman).map_err(|e| invalid(e.to_string()))?;
    let with_hash = |spec: &Service| {
        let key = ServiceKey {
            deployment: reference.clone(),
            service: spec.name.clone(),
        };
        let named = spec.container_name.as_ref().map(ToString::to_string);
        let container_name = named.unwrap_or_else(|| key.to_string());
        let hash = hash(spec, podman, body, default_host_ip);
        Arc::new(DesiredService {
            key,
            revision: body.revision,
            hash,
            container_name,
            spec: spec.clone(),
            default_host_ip,
        })
    };
    Ok(order.into_iter().map(with_hash).collect())
}

fn parse(score: &Value) -> Result<ReconcileScore, Problem> {
    let known = score
        .as_object()
        .is_some_and(|o| o.contains_key("PodmanV0"));
    if !known {
        return Err(unsupported(score));
    }
    serde_json::from_value(score.clone()).map_err(|e| Problem {
        reason: DeviceReason::InvalidScore,
        message: format!("the score cannot be read: {e}"),
    })
}

fn unsupported(score: &Value) -> Problem {
    let kind = score.as_object().and_then(|o| o.keys().next());
    let kind: String = kind
        .map_or("nothing", String::as_str)
        .chars()
        .take(60)
        .collect();
    Problem {
        reason: DeviceReason::UnsupportedScore,
        message: format!("this agent runs PodmanV0, the score holds {kind}; update the agent"),
    }
}

/// Fields the agent acts on by itself: changing them needs no new container.
const AGENT_FIELDS: [&str; 4] = ["dependsOn", "healthcheck", "restartPolicy", "pullPolicy"];

/// From the JSON as received, so that fields of a newer version keep counting.
fn hash(
    spec: &Service,
    score: &PodmanScore,
    body: &Body,
    default_host_ip: Option<IpAddr>,
) -> Revision {
    let index = score
        .services
        .iter()
        .position(|s| s.name == spec.name)
        .unwrap_or_default();
    let mut raw = body.score["PodmanV0"]["services"][index].clone();
    if let Some(fields) = raw.as_object_mut() {
        fields.retain(|name, _| !AGENT_FIELDS.contains(&name.as_str()));
    }
    let published = spec.ports.iter().any(|p| p.host_ip.is_none());
    let host_ip = default_host_ip
        .filter(|_| published)
        .map(|ip| ip.to_string());
    // `Always` asks for a fresh pull, and so a fresh container, at every change of the deployment.
    let change = (spec.pull_policy == PullPolicy::Always).then(|| body.revision.to_string());
    Revision::of(&json!({"service": raw, "hostIp": host_ip, "change": change}))
}
