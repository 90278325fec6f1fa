//! What keeps pods up and what they may reach.

use chartgen::{Cond, Document, ValueRef, v};

use super::enrolment::PORT as DEVICES;
use super::values::Values;
use super::{CALLOUT, ENROLMENT, MASTERKEY, OPENBAO, SECRETS, ZITADEL, labelling};
use crate::workload::Program;
use crate::workload::pod::PORT as METRICS;
use crate::workload::policies::{self, BudgetRefs, into_port, name_resolution, ports, to_ports};

pub(super) fn disruption_budgets() -> [Document; 2] {
    let callout = BudgetRefs {
        enabled: v!(Values, callout.pod_disruption_budget.enabled),
        max_unavailable: v!(Values, callout.pod_disruption_budget.max_unavailable),
        replicas: v!(Values, callout.replicas),
    };
    let enrolment = BudgetRefs {
        enabled: v!(Values, enrolment.pod_disruption_budget.enabled),
        max_unavailable: v!(Values, enrolment.pod_disruption_budget.max_unavailable),
        replicas: v!(Values, enrolment.replicas),
    };
    [
        policies::disruption_budget(&labelling(CALLOUT), callout)
            .document_when(v!(Values, callout.enabled)),
        policies::disruption_budget(&labelling(ENROLMENT), enrolment)
            .document_when(v!(Values, enrolment.enabled)),
    ]
}

/// What pods reach: each with why.
type Reached = (&'static str, fn() -> ValueRef<Values>);

const API_SERVER: Reached = (
    "The API server. It is no pod, so only its ports can be named.",
    || v!(Values, network_policy.api_server_ports),
);
const NATS: Reached = ("NATS, wherever it is.", || {
    v!(Values, network_policy.nats_ports)
});
const BAO: Reached = ("OpenBao, wherever it is.", || {
    v!(Values, network_policy.openbao_ports)
});
const OIDC: Reached = ("The identity provider, wherever it is.", || {
    v!(Values, network_policy.oidc_ports)
});

pub(super) fn network_policies() -> [Document; 5] {
    let on = || Cond::is(v!(Values, network_policy.enabled));
    let metrics = |policy: Document| {
        policy
            .comment("/spec/ingress/0", "Metrics and probes.")
            .bind_if_set(
                "/spec/ingress/0/from",
                v!(Values, network_policy.metrics_from),
            )
    };
    let callout = metrics(policy(CALLOUT, &[METRICS], &[NATS, BAO, OIDC]))
        .document_when(on().and(Cond::is(v!(Values, callout.enabled))));
    let enrolment = metrics(policy(
        ENROLMENT,
        &[METRICS, DEVICES],
        &[API_SERVER, BAO, OIDC],
    ))
    .comment("/spec/ingress/1", "Devices that ask to join.")
    .bind_if_set(
        "/spec/ingress/1/from",
        v!(Values, network_policy.devices_from),
    )
    .document_when(on().and(Cond::is(v!(Values, enrolment.enabled))));
    [
        callout,
        enrolment,
        policy(SECRETS, &[], &[API_SERVER])
            .document_when(on().and(Cond::is(v!(Values, secrets_job.enabled)))),
        policy(OPENBAO, &[], &[BAO])
            .document_when(on().and(Cond::is(v!(Values, openbao_job.enabled)))),
        policy(ZITADEL, &[], &[API_SERVER, OIDC])
            .document_when(on().and(Cond::is(v!(Values, zitadel_job.enabled)))),
    ]
}

/// Of the Job that runs before everything else, these policies too.
pub(super) fn masterkey() -> Document {
    policy(MASTERKEY, &[], &[API_SERVER]).document_when(v!(Values, network_policy.enabled))
}

fn policy(program: Program, into: &[&str], to: &[Reached]) -> Document {
    let ingress = into.iter().map(|port| into_port(port)).collect();
    let egress = [name_resolution()]
        .into_iter()
        .chain(to.iter().map(|_| to_ports()))
        .collect();
    let policy = policies::network_policy(&labelling(program), ingress, egress)
        .comment("/spec/egress/0", "Name resolution.");
    let policy = to.iter().enumerate().fold(policy, |policy, (at, reached)| {
        let place = format!("/spec/egress/{}", at + 1);
        policy
            .comment(&place, reached.0)
            .add_items(&format!("{place}/ports"), [ports((reached.1)())])
    });
    policy.splice("/spec/egress", v!(Values, network_policy.extra_egress))
}
