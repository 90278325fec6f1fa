//! `helm test`: a device for a minute, which goes through all of the platform.
//!
//! Its permissions are hooks as it is, made before it and removed after it: nobody has them otherwise.

mod permissions;
mod values;

use std::collections::BTreeMap;

use chartgen::tree::entry;
use chartgen::{Cond, Document, Expr, helpers, v};
use fleet_keys::catalogue::AUTHORITY_ENTRY;
use k8s_openapi::api::core::v1::{Container, Pod, PodSpec, ResourceRequirements, SecurityContext};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::context;
use super::names;
use super::values::Values;
use crate::workload::overlay::{Arguments, container};
use crate::workload::{Mounted, Program, Source, hook};

pub(super) use permissions::documents as permissions;
pub use values::Check;

const PROGRAM: Program = Program::only("fleet-check");

/// The service's certificate is of an authority of its own, or of somebody else's.
const AUTHORITY: Mounted = Mounted {
    volume: "enrolment-ca",
    folder: "/etc/fleet/enrolment-ca",
    file: "ca.crt",
    source: Source::ConfigMap,
};
const OTHER_AUTHORITY: Mounted = Mounted::secret("other-ca", "/etc/fleet/other-ca", "ca.crt");
/// Where the agent of the check keeps what it knows.
const WORK: Mounted = Mounted {
    volume: "work",
    folder: "/tmp",
    file: "",
    source: Source::Empty,
};

/// There is nothing to check where devices do not enrol.
fn enabled() -> Cond {
    Cond::is(v!(Values, check.enabled)).and(Cond::is(v!(Values, auth.enrolment.enabled)))
}

fn other_authority() -> Cond {
    let named = Cond::is(v!(Values, check.ca.name));
    named.or(Cond::is(v!(Values, auth.enrolment_api.tls_secret)))
}

/// Labels and namespace, which the overlay fills in.
fn metadata() -> ObjectMeta {
    ObjectMeta {
        name: Some(names::CHECK.to_owned()),
        namespace: Some(String::new()),
        labels: Some(BTreeMap::new()),
        annotations: Some(BTreeMap::new()),
        ..ObjectMeta::default()
    }
}

/// The pod. It stays if it fails, so that what it said can be read.
pub(super) fn pod() -> Document {
    let pod = Pod {
        metadata: metadata(),
        spec: Some(spec()),
        status: None,
    };
    hook::test(Document::new(&pod), 0)
        .bind("/metadata/namespace", Expr::release_namespace())
        .splice("/metadata/labels", helpers::component_labels("check"))
        // Helm prints what it said: afterwards the pod is gone.
        .add_entries(
            "/metadata/annotations",
            [entry(
                "helm.sh/hook-output-log-policy",
                "hook-succeeded,hook-failed",
            )],
        )
        .within("/spec", overlay)
        .document_when(enabled())
}

/// Restricted, and without ids: the image has a user that is not root, and OpenShift assigns one.
fn spec() -> PodSpec {
    let files = [AUTHORITY, OTHER_AUTHORITY, WORK];
    PodSpec {
        service_account_name: Some(names::CHECK.to_owned()),
        automount_service_account_token: Some(true),
        enable_service_links: Some(false),
        restart_policy: Some("Never".to_owned()),
        // For what a check that is stopped has to remove.
        termination_grace_period_seconds: Some(40),
        image_pull_secrets: Some(Vec::new()),
        security_context: Some(context::pod()),
        node_selector: Some(BTreeMap::new()),
        tolerations: Some(Vec::new()),
        containers: vec![Container {
            name: PROGRAM.container.to_owned(),
            image: Some(String::new()),
            image_pull_policy: Some("IfNotPresent".to_owned()),
            args: Some(vec!["round-trip".to_owned()]),
            env: Some(Vec::new()),
            resources: Some(ResourceRequirements::default()),
            security_context: Some(SecurityContext {
                run_as_non_root: Some(true),
                ..context::read_only()
            }),
            volume_mounts: Some(files.iter().map(Mounted::mount).collect()),
            ..Container::default()
        }],
        volumes: Some(files.iter().map(Mounted::volume).collect()),
        ..PodSpec::default()
    }
}

fn overlay(spec: Document) -> Document {
    let url = Expr::from(v!(Values, check.url));
    let arguments = Arguments::default()
        .flag(
            "url",
            url.or(Expr::join(v!(Values, auth.enrolment_api.public_urls), ",")),
        )
        .flag_if_set("nats-url", v!(Values, check.nats_url))
        .flag("namespace", Expr::release_namespace())
        .flag(
            "token-namespace",
            v!(Values, auth.enrolment_tokens.namespace),
        )
        .flag("timeout", v!(Values, check.timeout_seconds))
        .fixed_when(!other_authority(), [AUTHORITY.flag("ca-file")])
        .fixed_when(other_authority(), [OTHER_AUTHORITY.flag("ca-file")]);
    let spec = spec.within(&container(PROGRAM, ""), |it| {
        it.bind("/image", helpers::image(v!(Values, check.image)))
            .bind("/imagePullPolicy", v!(Values, check.image.pull_policy))
            .add_items("/args", arguments.0)
            .splice("/env", v!(Values, check.extra_env))
            .bind_if_set("/resources", v!(Values, check.resources))
            .splice("/volumeMounts", v!(Values, check.extra_volume_mounts))
    });
    let spec = spec
        .bind_if_set("/imagePullSecrets", helpers::pull_secrets())
        .bind_if_set("/nodeSelector", v!(Values, check.node_selector))
        .bind_if_set("/tolerations", v!(Values, check.tolerations));
    let spec = AUTHORITY.taken_from(spec, v!(Values, auth.keys.manifests.name), AUTHORITY_ENTRY);
    let spec = AUTHORITY.only_when(spec, PROGRAM, &!other_authority());
    let name = Expr::from(v!(Values, check.ca.name));
    let name = name.or(v!(Values, auth.enrolment_api.tls_secret));
    let spec = OTHER_AUTHORITY.taken_from(spec, name, v!(Values, check.ca.key));
    let spec = OTHER_AUTHORITY.only_when(spec, PROGRAM, &other_authority());
    spec.splice("/volumes", v!(Values, check.extra_volumes))
}
