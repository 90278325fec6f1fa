//! Who may reach the bus.

use std::collections::BTreeMap;

use chartgen::{Cond, Document, Expr, helpers, v};
use k8s_openapi::api::networking::v1::{
    NetworkPolicy, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort,
    NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::names;
use super::values::Values;

/// The port between servers of the bus, which the chart `nats` has by default.
const ROUTES: i32 = 6222;
const LAST: i32 = 65_535;

/// A server that is let in between takes part in everything, so only servers are.
pub(super) fn routes() -> Document {
    let policy = NetworkPolicy {
        metadata: ObjectMeta {
            name: Some(format!("{}-routes", names::NATS)),
            namespace: Some(String::new()),
            labels: Some(BTreeMap::new()),
            ..ObjectMeta::default()
        },
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(servers()),
            policy_types: Some(vec!["Ingress".to_owned()]),
            ingress: Some(vec![others(), between()]),
            egress: None,
        }),
    };
    let instance = "matchLabels/app.kubernetes.io~1instance";
    Document::new(&policy)
        .bind("/metadata/namespace", Expr::release_namespace())
        .splice("/metadata/labels", helpers::labels())
        .bind(
            &format!("/spec/podSelector/{instance}"),
            Expr::release_name(),
        )
        .comment(
            "/spec/ingress/0",
            "Everybody, to every port but the one below.",
        )
        .comment("/spec/ingress/1", "Servers, to the port between them.")
        .bind(
            &format!("/spec/ingress/1/from/0/podSelector/{instance}"),
            Expr::release_name(),
        )
        .document_when(Cond::all([
            v!(Values, nats.enabled),
            v!(Values, routes_policy.enabled),
        ]))
}

/// As the chart `nats` labels its servers.
fn servers() -> LabelSelector {
    let labels = [
        ("app.kubernetes.io/component", "nats"),
        ("app.kubernetes.io/instance", ""),
        ("app.kubernetes.io/name", "nats"),
    ];
    let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned()));
    LabelSelector {
        match_labels: Some(BTreeMap::from(labels)),
        ..LabelSelector::default()
    }
}

fn others() -> NetworkPolicyIngressRule {
    NetworkPolicyIngressRule {
        ports: Some(vec![range(1, ROUTES - 1), range(ROUTES + 1, LAST)]),
        from: None,
    }
}

fn between() -> NetworkPolicyIngressRule {
    NetworkPolicyIngressRule {
        ports: Some(vec![NetworkPolicyPort {
            port: Some(IntOrString::Int(ROUTES)),
            protocol: Some("TCP".to_owned()),
            end_port: None,
        }]),
        from: Some(vec![NetworkPolicyPeer {
            pod_selector: Some(servers()),
            ..NetworkPolicyPeer::default()
        }]),
    }
}

fn range(first: i32, last: i32) -> NetworkPolicyPort {
    NetworkPolicyPort {
        port: Some(IntOrString::Int(first)),
        end_port: Some(last),
        protocol: Some("TCP".to_owned()),
    }
}
