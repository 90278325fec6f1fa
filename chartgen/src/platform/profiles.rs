//! Files of values for common places to install in. Each stands for itself, and several can be given
//! to Helm, one after the other.

use std::collections::BTreeMap;

use chartgen::Profile;
use chartgen::common::FreeFormList;
use k8s_openapi::api::networking::v1::{
    NetworkPolicyEgressRule, NetworkPolicyPeer, NetworkPolicyPort,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::context;
use super::nats::{Ids, Spread, pod_patch};
use super::values::Values;

/// The registry that `values-airgap.yaml` names; to be replaced by one's own.
pub const MIRROR: &str = "registry.example.com/fleet";

/// All of them.
pub fn all() -> [Profile<Values>; 4] {
    [high_availability(), openshift(), external(), air_gap()]
}

fn high_availability() -> Profile<Values> {
    let about = "High availability: three nodes or more, of which one may be lost. OpenBao stays one \
                 server: while it is away, devices work on and the fleet goes on by what was read last.";
    Profile::<Values>::new("ha", about)
        .set("Three servers, of which two must be there.", |values| {
            values.nats.config.cluster.enabled = true;
        })
        .set(
            "No two servers on one node. Zones are used where there are any.",
            |values| {
                let spread = &mut values.nats.pod_template.topology_spread_constraints;
                let demand = |when_unsatisfiable| Spread {
                    max_skew: 1,
                    when_unsatisfiable,
                };
                let hosts = "kubernetes.io/hostname".to_owned();
                spread.insert(hosts, demand("DoNotSchedule"));
                let zones = "topology.kubernetes.io/zone".to_owned();
                spread.insert(zones, demand("ScheduleAnyway"));
            },
        )
        .set(
            "One leads; the other takes over. Their spread and their budget are in the defaults.",
            |values| values.operator.replicas = 2,
        )
        .set("Both answer; the bus asks either.", |values| {
            values.auth.callout.replicas = 2;
        })
        .set("Both let devices in.", |values| {
            values.auth.enrolment.replicas = 2;
        })
        .set("Each server has every stream.", |values| {
            values.operator.nats.stream_replicas = 3;
        })
        .set("One of two goes when its node is drained.", |values| {
            let zitadel = &mut values.zitadel;
            zitadel.replica_count = 2;
            zitadel.pdb.enabled = true;
        })
        .set("Neither are people kept from logging in.", |values| {
            let login = &mut values.zitadel.login;
            login.replica_count = 2;
            login.pdb.enabled = true;
        })
}

fn openshift() -> Profile<Values> {
    let about = "OpenShift and OKD, in a namespace with restricted-v2: the cluster chooses the ids that \
                 pods run as, and refuses those of others.";
    let chosen = "The cluster chooses ids. Defaults of the chart go only by null.";
    Profile::<Values>::new("okd", about)
        .set("Without ids; the volume stays.", |values| {
            values.nats.pod_template.patch = pod_patch(Ids::Clusters);
        })
        .set("Without the ids of the image's user.", |values| {
            values.openbao.global.openshift = true;
        })
        .set("The image that its makers mean for OpenShift.", |values| {
            values.openbao.server.image.repository.push_str("-ubi");
        })
        .set(
            "Here the chart sets none, and \"restricted\" asks for these.",
            |values| {
                let contexts = &mut values.openbao.server.stateful_set.security_context;
                contexts.pod = context::pod();
            },
        )
        .set(
            "Name servers listen at another port here; of use once networkPolicy.enabled is on.",
            |values| values.operator.network_policy.extra_egress = name_servers(),
        )
        .set("The same for the services that let devices in.", |values| {
            values.auth.network_policy.extra_egress = name_servers();
        })
        .remove(
            chosen,
            [
                ["zitadel", "podSecurityContext", "runAsUser"],
                ["zitadel", "podSecurityContext", "fsGroup"],
                ["zitadel", "securityContext", "runAsUser"],
            ],
        )
}

/// The way to OpenShift's name servers: a policy sees the port of their pods.
fn name_servers() -> FreeFormList {
    let port = |protocol: &str| NetworkPolicyPort {
        port: Some(IntOrString::Int(5353)),
        protocol: Some(protocol.to_owned()),
        end_port: None,
    };
    let namespace = ("kubernetes.io/metadata.name", "openshift-dns");
    let namespace = [(namespace.0.to_owned(), namespace.1.to_owned())];
    let rule = NetworkPolicyEgressRule {
        ports: Some(vec![port("UDP"), port("TCP")]),
        to: Some(vec![NetworkPolicyPeer {
            namespace_selector: Some(LabelSelector {
                match_labels: Some(BTreeMap::from(namespace)),
                ..LabelSelector::default()
            }),
            ..NetworkPolicyPeer::default()
        }]),
    };
    // Objects of Kubernetes always become JSON.
    let rule = serde_json::to_value(rule).unwrap_or_default();
    FreeFormList(rule.as_object().cloned().into_iter().collect())
}

fn external() -> Profile<Values> {
    let about = "Bus, OpenBao and identity provider of your own. Replace the addresses. Who runs the \
                 bus includes `accounts.conf` of the ConfigMap fleet-public-keys in its configuration.";
    Profile::<Values>::new("external", about)
        .set("Your own.", |values| values.nats.enabled = false)
        .set("Where the bus is.", |values| {
            "tls://nats.example.com:4222".clone_into(&mut values.operator.nats.url);
        })
        .set(
            "Where the services that let devices in find it.",
            |values| {
                "tls://nats.example.com:4222".clone_into(&mut values.auth.nats.url);
            },
        )
        .set("Your own.", |values| values.openbao.enabled = false)
        .set(
            "Where OpenBao is. Empty the name below if a public authority vouches for it.",
            |values| {
                let openbao = &mut values.auth.openbao;
                "https://openbao.example.com:8200".clone_into(&mut openbao.address);
                "openbao-ca".clone_into(&mut openbao.ca.name);
            },
        )
        .set(
            "Leave the last two out if it runs in this cluster; else it has to reach the API server, to ask \
             about tokens of services.",
            |values| {
                let openbao = &mut values.auth.openbao;
                openbao.external = true;
                "https://kubernetes.example.com:6443".clone_into(&mut openbao.kubernetes_host);
            },
        )
        .set("Neither a certificate for OpenBao nor a key for Zitadel.", |values| {
            values.auth.keys.openbao_hosts.clear();
            values.auth.keys.zitadel_masterkey = false;
        })
        .set("Your own.", |values| values.zitadel.enabled = false)
        .set(
            "Who gives people and devices their tokens. It is reached at that address.",
            |values| {
                let oidc = &mut values.auth.oidc;
                "https://id.example.com".clone_into(&mut oidc.issuer);
                oidc.url.clear();
            },
        )
        .set(
            "Whoever runs it says what tokens look like: set auth.oidc.project and auth.oidc.organisation. For a \
             Zitadel, leave this on and name a Secret with an administrator's token, \
             auth.oidc.setup.token.name.",
            |values| values.auth.zitadel_job.enabled = false,
        )
}

fn air_gap() -> Profile<Values> {
    let about = format!(
        "Without the internet: every image from one registry. Replace {MIRROR} everywhere in a copy of \
         this file, and put what images.txt lists there, each under its path without the host."
    );
    let mirror = || MIRROR.to_owned();
    Profile::<Values>::new("airgap", about)
        .set("The platform's own images.", move |values| {
            values.global.image_registry = mirror();
        })
        .set("All images of the bus.", move |values| {
            values.nats.global.image.registry = mirror();
        })
        .set("The image of the server.", move |values| {
            values.openbao.server.image.registry = mirror();
        })
        .set("The images of Zitadel's tools.", move |values| {
            values.zitadel.image_registry = mirror();
        })
        .set("Its own.", move |values| {
            values.zitadel.image.repository = format!("{MIRROR}/zitadel/zitadel");
        })
        .set("Its pages'.", move |values| {
            values.zitadel.login.image.repository = format!("{MIRROR}/zitadel/zitadel-login");
        })
}
