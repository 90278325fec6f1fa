//! What keeps pods up and what they may reach.

use chartgen::tree::{Item, Node, Part, entry, item};
use chartgen::{Cond, Document, ValueRef};
use k8s_openapi::api::networking::v1::{
    NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer,
    NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::metadata::{self, Labelling};

/// Where in the values a budget is.
#[derive(Debug, Clone)]
pub(crate) struct BudgetRefs<V> {
    pub(crate) enabled: ValueRef<V>,
    pub(crate) max_unavailable: ValueRef<V>,
    pub(crate) replicas: ValueRef<V>,
}

/// Only with more than one replica: a budget over a single one would block every drain.
pub(crate) fn disruption_budget<V>(labelling: &Labelling, refs: BudgetRefs<V>) -> Document {
    let budget = PodDisruptionBudget {
        metadata: metadata::namespaced(),
        spec: Some(PodDisruptionBudgetSpec {
            max_unavailable: Some(IntOrString::Int(1)),
            selector: Some(metadata::selector()),
            // A replica that is not ready protects nobody.
            unhealthy_pod_eviction_policy: Some("AlwaysAllow".to_owned()),
            ..PodDisruptionBudgetSpec::default()
        }),
        ..PodDisruptionBudget::default()
    };
    labelling
        .in_namespace(Document::new(&budget))
        .bind("/metadata/name", labelling.program.fullname())
        .bind("/spec/maxUnavailable", refs.max_unavailable)
        .splice(
            "/spec/selector/matchLabels",
            labelling.program.selector_labels(),
        )
        .document_when(Cond::is(refs.enabled).and(Cond::more_than(refs.replicas, 1)))
}

/// A policy for a program's pods: what is listed, and nothing else.
pub(crate) fn network_policy(
    labelling: &Labelling,
    ingress: Vec<NetworkPolicyIngressRule>,
    egress: Vec<NetworkPolicyEgressRule>,
) -> Document {
    let policy = NetworkPolicy {
        metadata: metadata::namespaced(),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(metadata::selector()),
            policy_types: Some(vec!["Ingress".to_owned(), "Egress".to_owned()]),
            ingress: Some(ingress),
            egress: Some(egress),
        }),
    };
    labelling
        .in_namespace(Document::new(&policy))
        .bind("/metadata/name", labelling.program.fullname())
        .splice(
            "/spec/podSelector/matchLabels",
            labelling.program.selector_labels(),
        )
}

/// Into a port by its name, from whom the overlay says.
pub(crate) fn into_port(name: &str) -> NetworkPolicyIngressRule {
    NetworkPolicyIngressRule {
        from: Some(Vec::new()),
        ports: Some(vec![NetworkPolicyPort {
            port: Some(IntOrString::String(name.to_owned())),
            protocol: Some("TCP".to_owned()),
            end_port: None,
        }]),
    }
}

/// Out to ports that the overlay lists.
pub(crate) fn to_ports() -> NetworkPolicyEgressRule {
    NetworkPolicyEgressRule {
        ports: Some(Vec::new()),
        to: None,
    }
}

/// Out to where names are resolved.
pub(crate) fn name_resolution() -> NetworkPolicyEgressRule {
    let port = |protocol: &str| NetworkPolicyPort {
        port: Some(IntOrString::Int(53)),
        protocol: Some(protocol.to_owned()),
        end_port: None,
    };
    NetworkPolicyEgressRule {
        ports: Some(vec![port("UDP"), port("TCP")]),
        to: Some(vec![NetworkPolicyPeer {
            namespace_selector: Some(LabelSelector::default()),
            ..NetworkPolicyPeer::default()
        }]),
    }
}

/// The ports of a list.
pub(crate) fn ports<V>(list: ValueRef<V>) -> Part<Item> {
    Part::each(list, |port| {
        let port = [entry("port", port.int()), entry("protocol", "TCP")];
        [item(Node::map(port))]
    })
}
