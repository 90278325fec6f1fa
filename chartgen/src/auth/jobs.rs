//! What is set up once: the platform's keys, and `OpenBao`.

use chartgen::{Document, Expr, v};

use super::callout::BAO_CA;
use super::values::Values;
use super::{CALLOUT, ENROLMENT, OPENBAO, SECRETS, labelling};
use crate::workload::overlay::{self, Arguments};
use crate::workload::pod::Shape;
use crate::workload::pod_refs;

/// Where Kubernetes puts the API server's authority into pods.
const CLUSTER_CA: &str = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt";

/// Keys that are not there. Pods that need one wait for its Secret, so no order has to be kept.
pub(super) fn secrets() -> Document {
    let shape = Shape {
        program: SECRETS,
        args: vec!["secrets".to_owned(), "ensure".to_owned()],
        env: Vec::new(),
        ports: Vec::new(),
        files: &[],
    };
    let arguments = Arguments::default()
        .flag("namespace", Expr::release_namespace())
        .flag("seal-number", v!(Values, keys.seal_number))
        .list_if_set("openbao-host", v!(Values, keys.openbao_hosts));
    let base = Document::new(&shape.job());
    let refs = pod_refs!(Values, secrets_job);
    overlay::job(base, &labelling(SECRETS), &refs, arguments)
        .document_when(v!(Values, secrets_job.enabled))
}

/// What `OpenBao` has to hold.
pub(super) fn openbao() -> Document {
    let shape = Shape {
        program: OPENBAO,
        args: vec!["provision".to_owned(), "openbao".to_owned()],
        env: Vec::new(),
        ports: Vec::new(),
        files: &[BAO_CA],
    };
    let arguments = Arguments::default()
        .flag("bao-address", v!(Values, openbao.address))
        .flag("bao-role", v!(Values, openbao.provisioner_role))
        .flag("kubernetes-host", v!(Values, openbao.kubernetes_host))
        .flag("namespace", Expr::release_namespace())
        .flag(
            "callout-account",
            CALLOUT.account_name(v!(Values, callout.service_account)),
        )
        .flag(
            "enrol-account",
            ENROLMENT.account_name(v!(Values, enrolment.service_account)),
        )
        .fixed_if_set(v!(Values, openbao.ca.name), [BAO_CA.flag("bao-ca-file")])
        .fixed_if_set(
            v!(Values, openbao.external),
            [format!("--kubernetes-ca-file={CLUSTER_CA}")],
        );
    let base = Document::new(&shape.job());
    let refs = pod_refs!(Values, openbao_job);
    overlay::job(base, &labelling(OPENBAO), &refs, arguments)
        .within("/spec/template/spec", |spec| {
            BAO_CA.taken_if_named(
                spec,
                OPENBAO,
                v!(Values, openbao.ca.name),
                v!(Values, openbao.ca.key),
            )
        })
        .document_when(v!(Values, openbao_job.enabled))
}
