//! With every policy on, who needs to reach whom does, and nobody else gets between servers of the bus.

use serde_json::{Value, json};

use crate::scene::{Scene, rendered};
use crate::support::Objects;

/// One end of a connection.
#[derive(Debug, Clone, Copy)]
enum End<'a> {
    /// A pod of this workload.
    Pod(&'a str),
    /// A pod of another namespace, such as name resolution or Prometheus.
    Elsewhere,
    /// No pod: a device, the API server, a provider outside.
    Outside,
}

/// The policies of a release, and whose pods they are about.
struct Network<'a>(&'a Objects);

impl Network<'_> {
    fn template(&self, workload: &str) -> &Value {
        &self.0.get(workload)["spec"]["template"]
    }

    /// Whether a connection is let out and let in. Policies add up; a pod that none is about is open.
    fn allows(&self, from: End<'_>, to: End<'_>, port: &str) -> bool {
        self.one_way(from, to, to, port, "Egress") && self.one_way(to, from, to, port, "Ingress")
    }

    fn one_way(&self, about: End<'_>, peer: End<'_>, to: End<'_>, port: &str, way: &str) -> bool {
        let End::Pod(workload) = about else {
            return true;
        };
        let labels = &self.template(workload)["metadata"]["labels"];
        let number = self.number(to, port);
        let policies: Vec<_> = self
            .0
            .of("NetworkPolicy")
            .map(|policy| &policy["spec"])
            .filter(|spec| has(&spec["policyTypes"], way))
            .filter(|spec| selects(&spec["podSelector"], labels))
            .collect();
        let (rules, peers) = match way {
            "Egress" => ("egress", "to"),
            _ => ("ingress", "from"),
        };
        let fits = |rule: &Value| {
            self.is_port(&rule["ports"], to, number) && self.is_peer(&rule[peers], peer)
        };
        policies.is_empty()
            || policies
                .iter()
                .filter_map(|spec| spec[rules].as_array())
                .flatten()
                .any(fits)
    }

    /// A port by number, or by its name in the pod that is reached.
    fn number(&self, to: End<'_>, port: &str) -> u64 {
        if let Ok(number) = port.parse() {
            return number;
        }
        let End::Pod(workload) = to else {
            panic!("{port} is no number, and nobody knows the pod");
        };
        let containers = self.template(workload)["spec"]["containers"].as_array();
        let ports = containers
            .into_iter()
            .flatten()
            .filter_map(|container| container["ports"].as_array())
            .flatten();
        let found = ports.into_iter().find(|known| known["name"] == port);
        let number = found.and_then(|known| known["containerPort"].as_u64());
        number.unwrap_or_else(|| panic!("{workload} has no port {port}"))
    }

    fn is_port(&self, ports: &Value, to: End<'_>, number: u64) -> bool {
        let Some(ports) = ports.as_array().filter(|ports| !ports.is_empty()) else {
            return true;
        };
        ports.iter().any(|range| {
            let first = match &range["port"] {
                Value::String(name) => self.number(to, name),
                first => first.as_u64().expect("a number"),
            };
            let last = range["endPort"].as_u64().unwrap_or(first);
            (first..=last).contains(&number)
        })
    }

    fn is_peer(&self, peers: &Value, peer: End<'_>) -> bool {
        let Some(peers) = peers.as_array().filter(|peers| !peers.is_empty()) else {
            return true;
        };
        peers.iter().any(|selector| match peer {
            End::Outside => false,
            End::Elsewhere => selector.get("namespaceSelector").is_some(),
            End::Pod(workload) => {
                let labels = &self.template(workload)["metadata"]["labels"];
                let everywhere = selector.get("namespaceSelector") == Some(&json!({}));
                let named = selector.get("podSelector");
                named.map_or(everywhere, |named| selects(named, labels))
            }
        })
    }
}

fn has(list: &Value, item: &str) -> bool {
    list.as_array()
        .is_some_and(|list| list.iter().any(|one| one == item))
}

fn selects(selector: &Value, labels: &Value) -> bool {
    let wanted = selector["matchLabels"].as_object();
    wanted
        .into_iter()
        .flatten()
        .all(|(key, value)| &labels[key] == value)
}

const OPERATOR: End<'_> = End::Pod("Deployment fleet-operator");
const CALLOUT: End<'_> = End::Pod("Deployment fleet-auth-callout");
const ENROLMENT: End<'_> = End::Pod("Deployment fleet-auth-enrolment");
const NATS: End<'_> = End::Pod("StatefulSet fleet-nats");
const OPENBAO: End<'_> = End::Pod("StatefulSet fleet-openbao");
const ZITADEL: End<'_> = End::Pod("Deployment fleet-zitadel");

#[test]
fn with_every_policy_on_the_platform_still_works() {
    let Some(scene) = Scene::with_real_charts("network policies against who needs whom") else {
        return;
    };
    let on = json!({"enabled": true});
    let values = json!({"operator": {"networkPolicy": on}, "auth": {"networkPolicy": on}});
    let objects = Objects::read(&rendered(&scene.case(Some("ha")).values(values)));
    let network = Network(&objects);
    let job = |part: &str| {
        let jobs = objects
            .0
            .iter()
            .filter(|(name, _)| name.starts_with("Job "));
        let mut found = jobs.filter(|(_, job)| job.to_string().contains(part));
        let (name, _) = found.next().expect(part);
        name.clone()
    };
    let (provision, ensure) = (
        job("\"provision\",\"openbao\""),
        job("\"secrets\",\"ensure\""),
    );
    let (provision, ensure) = (End::Pod(&provision), End::Pod(&ensure));
    let needed = [
        (OPERATOR, NATS, "nats"),
        (OPERATOR, End::Outside, "443"),
        (OPERATOR, End::Outside, "6443"),
        (CALLOUT, NATS, "nats"),
        (CALLOUT, OPENBAO, "8200"),
        (CALLOUT, ZITADEL, "8080"),
        (CALLOUT, End::Outside, "443"),
        (ENROLMENT, OPENBAO, "8200"),
        (ENROLMENT, ZITADEL, "8080"),
        (ENROLMENT, End::Outside, "443"),
        (provision, OPENBAO, "8200"),
        (ensure, End::Outside, "6443"),
        (NATS, NATS, "cluster"),
        (End::Outside, NATS, "nats"),
        (End::Outside, ENROLMENT, "https"),
        (End::Elsewhere, OPERATOR, "metrics"),
        (End::Elsewhere, CALLOUT, "metrics"),
        (End::Elsewhere, NATS, "monitor"),
    ];
    for (from, to, port) in needed {
        assert!(network.allows(from, to, port), "{from:?} to {to:?}, {port}");
    }
    for from in [OPERATOR, CALLOUT, ENROLMENT, provision, ensure] {
        assert!(
            network.allows(from, End::Elsewhere, "53"),
            "{from:?} resolves no names"
        );
    }
    let refused = [
        (OPERATOR, NATS, "cluster"),
        (ZITADEL, NATS, "cluster"),
        (End::Elsewhere, NATS, "cluster"),
        (End::Outside, NATS, "cluster"),
        (OPERATOR, OPENBAO, "8200"),
        (CALLOUT, OPERATOR, "22"),
        (End::Elsewhere, CALLOUT, "22"),
    ];
    for (from, to, port) in refused {
        assert!(
            !network.allows(from, to, port),
            "{from:?} to {to:?}, {port}"
        );
    }
}

#[test]
fn names_are_resolved_on_openshift_too() {
    let scene = Scene::with_stand_ins();
    let on = json!({"enabled": true});
    let values = json!({"operator": {"networkPolicy": on}, "auth": {"networkPolicy": on}});
    let resolves = |profile| {
        let case = scene.case(profile).values(values.clone());
        let objects = Objects::read(&rendered(&case));
        let network = Network(&objects);
        // Its name servers are pods that listen there.
        [OPERATOR, CALLOUT, ENROLMENT].map(|from| network.allows(from, End::Elsewhere, "5353"))
    };
    assert_eq!(resolves(Some("okd")), [true; 3]);
    assert_eq!(resolves(None), [false; 3]);
}
