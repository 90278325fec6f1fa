//! What is set up once: the platform's keys, and `OpenBao`.

use chartgen::{Cond, Document, Expr, v};
use fleet_keys::catalogue::OPENBAO_AUDIENCE;

use super::servers::{self, BAO_CA, BAO_TOKEN, openbao_ca};
use super::values::Values;
use super::{CALLOUT, ENROLMENT, OPENBAO, SECRETS, labelling};
use crate::workload::overlay::{self, Arguments};
use crate::workload::pod::Shape;
use crate::workload::{Mounted, Source, pod_refs};

/// The API server's authority, which Kubernetes puts into every namespace.
const CLUSTER_CA: Mounted = Mounted {
    volume: "cluster-ca",
    folder: "/etc/fleet/cluster-ca",
    file: "ca.crt",
    source: Source::ConfigMap,
};

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
        args: vec![
            "provision".to_owned(),
            "openbao".to_owned(),
            BAO_TOKEN.flag("bao-token-file"),
        ],
        env: Vec::new(),
        ports: Vec::new(),
        files: &[BAO_CA, BAO_TOKEN, CLUSTER_CA],
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
        .authority(openbao_ca())
        .fixed_if_set(
            v!(Values, openbao.external),
            [CLUSTER_CA.flag("kubernetes-ca-file")],
        )
        .fixed_when(
            !Cond::is(v!(Values, openbao.external)),
            [format!("--kubernetes-audience={OPENBAO_AUDIENCE}")],
        );
    let base = Document::new(&shape.job());
    let refs = pod_refs!(Values, openbao_job);
    overlay::job(base, &labelling(OPENBAO), &refs, arguments)
        .within("/spec/template/spec", |spec| {
            let spec = CLUSTER_CA.taken_whole(spec, "kube-root-ca.crt");
            let external = Cond::is(v!(Values, openbao.external));
            let spec = CLUSTER_CA.only_when(spec, OPENBAO, &external);
            servers::openbao(spec, OPENBAO)
        })
        .document_when(v!(Values, openbao_job.enabled))
}
