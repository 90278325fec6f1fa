//! The enrolment service: its Deployment, its Service, and what it is told to approve.

use std::collections::BTreeMap;

use chartgen::tree::{Node, entry};
use chartgen::{Cond, Document, Expr, v};
use k8s_openapi::api::core::v1::{
    ConfigMap, ContainerPort, Namespace, Service, ServicePort, ServiceSpec,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::callout::metrics_addr;
use super::identity::{self, ISSUER, Known, ORGANISATION, PROJECT, from_config_map, variables};
use super::servers::{BAO_CA, BAO_TOKEN, OIDC_CA, oidc_ca, openbao, openbao_ca};
use super::values::Values;
use super::{ENROLMENT, labelling};
use crate::workload::overlay::{self, Arguments, container};
use crate::workload::pod::{Shape, from_field};
use crate::workload::{Authority, Mounted, Source, deployment_refs, metadata};

/// The name of the port that devices ask at.
pub(super) const PORT: &str = "https";
/// Where the program listens, in a pod of its own.
const LISTEN: u16 = 8443;
const FILE: &str = "approval.json";
const MANIFEST_KEYS: &str = "FLEET_MANIFEST_KEYS";

const TOKEN: Mounted = Mounted::secret("idp-token", "/etc/fleet/idp-token", "token");
const AUTHORITY: Mounted = Mounted::folder("authority", "/etc/fleet/authority");
const TLS: Mounted = Mounted::folder("tls", "/etc/fleet/tls");
const DEVICE_NATS_CA: Mounted =
    Mounted::secret("device-nats-ca", "/etc/fleet/device-nats-ca", "ca.crt");
const DEVICE_ISSUER_CA: Mounted =
    Mounted::secret("device-issuer-ca", "/etc/fleet/device-issuer-ca", "ca.crt");
const APPROVAL: Mounted = Mounted {
    volume: "approval",
    folder: "/etc/fleet/approval",
    file: FILE,
    source: Source::ConfigMap,
};

pub(super) fn deployment() -> Document {
    let shape = Shape {
        program: ENROLMENT,
        args: vec![
            "enrol".to_owned(),
            format!("--listen=0.0.0.0:{LISTEN}"),
            TOKEN.flag("idp-token-file"),
            APPROVAL.flag("approval-policy-file"),
            BAO_TOKEN.flag("bao-token-file"),
        ],
        env: [
            from_field("FLEET_IDENTITY", "metadata.name"),
            // Whose manifests devices follow is known once the keys are made; until then the pod waits.
            from_config_map(MANIFEST_KEYS, ""),
        ]
        .into_iter()
        .chain(variables(&KNOWN))
        .collect(),
        ports: vec![ContainerPort {
            name: Some(PORT.to_owned()),
            container_port: LISTEN.into(),
            protocol: Some("TCP".to_owned()),
            ..ContainerPort::default()
        }],
        files: &[
            TOKEN,
            APPROVAL,
            AUTHORITY,
            TLS,
            OIDC_CA,
            BAO_CA,
            BAO_TOKEN,
            DEVICE_NATS_CA,
            DEVICE_ISSUER_CA,
        ],
    };
    let base = Document::new(&shape.deployment());
    let refs = deployment_refs!(Values, enrolment);
    overlay::deployment(base, &labelling(ENROLMENT), &refs, arguments())
        .within("/spec/template/spec", files)
        .document_when(v!(Values, enrolment.enabled))
}

/// What it has to know of the identity provider.
const KNOWN: [Known; 3] = [ISSUER, ORGANISATION, PROJECT];

fn own_certificate() -> Cond {
    !Cond::is(v!(Values, enrolment_api.tls_secret))
}

fn arguments() -> Arguments {
    let device_nats = Expr::from(v!(Values, devices.nats_url)).or(v!(Values, nats.url));
    identity::arguments(&KNOWN, Arguments::default())
        .flag(
            "public-url",
            Expr::join(v!(Values, enrolment_api.public_urls), ","),
        )
        .flag("oidc-role", v!(Values, oidc.role))
        .flag("bao-address", v!(Values, openbao.address))
        .flag("device-nats-url", device_nats)
        .flag("key-lifetime", v!(Values, devices.key_lifetime_seconds))
        .flag("token-namespace", v!(Values, enrolment_tokens.namespace))
        .flag("lease-name", ENROLMENT.fullname())
        .flag("approval-timeout", v!(Values, approval.timeout_seconds))
        .flag("call-burst", v!(Values, enrolment_api.call_burst))
        .flag(
            "calls-per-minute",
            v!(Values, enrolment_api.calls_per_minute),
        )
        .flag("metrics-addr", metrics_addr())
        .flag("log-format", v!(Values, log.format))
        .fixed_when(
            own_certificate(),
            [format!("--tls-folder={}", AUTHORITY.path())],
        )
        .fixed_when(
            !own_certificate(),
            [
                format!("--tls-cert-file={}/tls.crt", TLS.path()),
                format!("--tls-key-file={}/tls.key", TLS.path()),
            ],
        )
        .flag_if_set("idp-url", v!(Values, oidc.url))
        .flag_if_set("idp-host", v!(Values, oidc.host))
        .authority(oidc_ca())
        .authority(openbao_ca())
        .authority(device_nats_ca())
        .authority(device_issuer_ca())
}

/// The authority of the bus, as devices reach it.
fn device_nats_ca() -> Authority<Values> {
    Authority {
        file: DEVICE_NATS_CA,
        flag: "device-nats-ca-file",
        name: v!(Values, devices.nats_ca.name),
        key: v!(Values, devices.nats_ca.key),
    }
}

/// The identity provider's authority, as devices reach it.
fn device_issuer_ca() -> Authority<Values> {
    Authority {
        file: DEVICE_ISSUER_CA,
        flag: "device-issuer-ca-file",
        name: v!(Values, devices.issuer_ca.name),
        key: v!(Values, devices.issuer_ca.key),
    }
}

fn files(spec: Document) -> Document {
    let keys = container(
        ENROLMENT,
        &format!("/env/[name={MANIFEST_KEYS}]/valueFrom/configMapKeyRef"),
    );
    let spec = spec
        .bind(&format!("{keys}/name"), v!(Values, keys.manifests.name))
        .bind(&format!("{keys}/key"), v!(Values, keys.manifests.key));
    let spec = identity::taken(&KNOWN, spec, ENROLMENT);
    let spec = TOKEN.taken_from(
        spec,
        v!(Values, oidc.token.name),
        v!(Values, oidc.token.key),
    );
    let spec = APPROVAL.taken_whole(spec, ENROLMENT.fullname());
    let spec = AUTHORITY.taken_whole(spec, v!(Values, enrolment_api.authority_secret));
    let spec = AUTHORITY.only_when(spec, ENROLMENT, &own_certificate());
    let spec = TLS.taken_whole(spec, v!(Values, enrolment_api.tls_secret));
    let spec = TLS.only_when(spec, ENROLMENT, &!own_certificate());
    let spec = oidc_ca().taken(spec, ENROLMENT);
    let spec = openbao(spec, ENROLMENT);
    let spec = device_nats_ca().taken(spec, ENROLMENT);
    device_issuer_ca().taken(spec, ENROLMENT)
}

/// The rules, which the program reads anew for each device.
pub(super) fn approval() -> Document {
    let map = ConfigMap {
        metadata: metadata::namespaced(),
        data: Some(BTreeMap::from([(FILE.to_owned(), String::new())])),
        ..ConfigMap::default()
    };
    let rules = Expr::concat([
        Expr::text("{\"rules\": "),
        Expr::json(v!(Values, approval.rules)),
        Expr::text("}"),
    ]);
    labelling(ENROLMENT)
        .in_namespace(Document::new(&map))
        .bind("/metadata/name", ENROLMENT.fullname())
        .bind(&format!("/data/{FILE}"), rules)
        .document_when(v!(Values, enrolment.enabled))
}

/// What devices reach.
pub(super) fn service() -> Document {
    let service = Service {
        metadata: metadata::namespaced(),
        spec: Some(ServiceSpec {
            type_: Some("ClusterIP".to_owned()),
            selector: Some(BTreeMap::new()),
            ports: Some(vec![ServicePort {
                name: Some(PORT.to_owned()),
                port: LISTEN.into(),
                node_port: Some(0),
                target_port: Some(IntOrString::String(PORT.to_owned())),
                protocol: Some("TCP".to_owned()),
                ..ServicePort::default()
            }]),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    };
    labelling(ENROLMENT)
        .in_namespace(Document::new(&service))
        .bind("/metadata/name", ENROLMENT.fullname())
        .splice(
            "/metadata/annotations",
            v!(Values, enrolment_api.service.annotations),
        )
        .bind("/spec/type", v!(Values, enrolment_api.service.r#type))
        .splice("/spec/selector", ENROLMENT.selector_labels())
        .bind("/spec/ports/0/port", v!(Values, enrolment_api.service.port))
        .bind_if_set(
            "/spec/ports/0/nodePort",
            v!(Values, enrolment_api.service.node_port),
        )
        .document_when(v!(Values, enrolment.enabled))
}

/// The namespace of tokens. Helm keeps it, and the tokens in it, when the release goes.
pub(super) fn token_namespace() -> Document {
    let namespace = Namespace {
        metadata: metadata::cluster(),
        ..Namespace::default()
    };
    let keep = [
        entry("helm.sh/resource-policy", "keep"),
        entry(
            "argocd.argoproj.io/sync-options",
            "Prune=false,Delete=false",
        ),
    ];
    labelling(ENROLMENT)
        .anywhere(Document::new(&namespace))
        .add_entries("/metadata/annotations", keep)
        .bind("/metadata/name", v!(Values, enrolment_tokens.namespace))
        .set(
            "/metadata/labels",
            Node::map([
                // Nothing runs there.
                entry("pod-security.kubernetes.io/enforce", "restricted"),
                chartgen::tree::Part::splice(ENROLMENT.labels()),
            ]),
        )
        .document_when(
            Cond::is(v!(Values, enrolment.enabled))
                .and(Cond::is(v!(Values, enrolment_tokens.create_namespace))),
        )
}
