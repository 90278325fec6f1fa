//! What keeps the operator's pods up and what they may reach.

use chartgen::{Document, v};

use super::metadata::labelling;
use super::values::Values;
use crate::workload::pod::PORT;
use crate::workload::policies::{self, BudgetRefs, into_port, name_resolution, ports, to_ports};

pub(super) fn disruption_budget() -> Document {
    policies::disruption_budget(
        &labelling(),
        BudgetRefs {
            enabled: v!(Values, pod_disruption_budget.enabled),
            max_unavailable: v!(Values, pod_disruption_budget.max_unavailable),
            replicas: v!(Values, replicas),
        },
    )
}

pub(super) fn network_policy() -> Document {
    let ingress = vec![into_port(PORT)];
    let egress = vec![name_resolution(), to_ports(), to_ports()];
    policies::network_policy(&labelling(), ingress, egress)
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
