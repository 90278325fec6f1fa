//! What keeps the operator's pods up and what they may reach.

use std::collections::BTreeMap;

use chartgen::tree::{Item, Node, Part, entry, item};
use chartgen::{Cond, Document, ValueRef, helpers, v};
use k8s_openapi::api::networking::v1::{
    NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer,
    NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::metadata::{self, Overlay as _};
use super::pod::PORT;
use super::values::Values;

/// Only with more than one replica: a budget over a single one would block every drain.
pub(super) fn disruption_budget() -> Document {
    let budget = PodDisruptionBudget {
        metadata: metadata::namespaced(),
        spec: Some(PodDisruptionBudgetSpec {
            max_unavailable: Some(IntOrString::Int(1)),
            selector: Some(selector()),
            // A replica that is not ready protects nobody.
            unhealthy_pod_eviction_policy: Some("AlwaysAllow".to_owned()),
            ..PodDisruptionBudgetSpec::default()
        }),
        ..PodDisruptionBudget::default()
    };
    Document::new(&budget)
        .in_namespace()
        .bind("/metadata/name", helpers::fullname())
        .bind(
            "/spec/maxUnavailable",
            v!(Values, pod_disruption_budget.max_unavailable),
        )
        .splice("/spec/selector/matchLabels", helpers::selector_labels())
        .document_when(
            Cond::is(v!(Values, pod_disruption_budget.enabled))
                .and(Cond::more_than(v!(Values, replicas), 1)),
        )
}

pub(super) fn network_policy() -> Document {
    let policy = NetworkPolicy {
        metadata: metadata::namespaced(),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(selector()),
            policy_types: Some(vec!["Ingress".to_owned(), "Egress".to_owned()]),
            ingress: Some(vec![NetworkPolicyIngressRule {
                from: Some(Vec::new()),
                ports: Some(vec![NetworkPolicyPort {
                    port: Some(IntOrString::String(PORT.to_owned())),
                    protocol: Some("TCP".to_owned()),
                    end_port: None,
                }]),
            }]),
            egress: Some(vec![name_resolution(), to_ports(), to_ports()]),
        }),
    };
    Document::new(&policy)
        .in_namespace()
        .bind("/metadata/name", helpers::fullname())
        .splice("/spec/podSelector/matchLabels", helpers::selector_labels())
        .comment(
            "/spec/ingress/0",
            "Metrics and probes; nothing else listens.",
        )
        .bind_if_set(
            "/spec/ingress/0/from",
            v!(Values, network_policy.metrics_from),
        )
        .comment("/spec/egress/0", "Name resolution.")
        .comment(
            "/spec/egress/1",
            "The API server. It is no pod, so only its ports can be named.",
        )
        .comment("/spec/egress/2", "NATS, wherever it is.")
        .add_items(
            "/spec/egress/1/ports",
            [ports(v!(Values, network_policy.api_server_ports))],
        )
        .add_items(
            "/spec/egress/2/ports",
            [ports(v!(Values, network_policy.nats_ports))],
        )
        .splice("/spec/egress", v!(Values, network_policy.extra_egress))
        .document_when(v!(Values, network_policy.enabled))
}

fn ports(list: ValueRef<Values>) -> Part<Item> {
    Part::each(list, |port| {
        let port = [entry("port", port.int()), entry("protocol", "TCP")];
        [item(Node::map(port))]
    })
}

fn to_ports() -> NetworkPolicyEgressRule {
    NetworkPolicyEgressRule {
        ports: Some(Vec::new()),
        to: None,
    }
}

fn name_resolution() -> NetworkPolicyEgressRule {
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

fn selector() -> LabelSelector {
    LabelSelector {
        match_labels: Some(BTreeMap::new()),
        ..LabelSelector::default()
    }
}
