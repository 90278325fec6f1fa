//! The operator's Deployment: what users can change of it.

use chartgen::tree::{Item, Node, Part, entry, item};
use chartgen::{Cond, Document, Expr, helpers, v};

use super::CONTAINER;
use super::pod::{self, Mounted, NATS, NATS_CA, PORT, SIGNING};
use super::values::Values;

/// A pointer to a place of the pod template's spec.
fn spec(place: &str) -> String {
    format!("/spec/template/spec{place}")
}

/// A pointer to a place of the operator's container.
fn container(place: &str) -> String {
    spec(&format!("/containers/[name={CONTAINER}]{place}"))
}

/// A pointer to a place of a volume.
fn volume(mounted: &Mounted, place: &str) -> String {
    spec(&format!("/volumes/[name={}]/secret{place}", mounted.volume))
}

pub(super) fn document() -> Document {
    let document = Document::new(&pod::base())
        .bind("/metadata/name", helpers::fullname())
        .bind("/metadata/namespace", Expr::release_namespace())
        .splice("/metadata/labels", helpers::labels())
        .splice("/metadata/annotations", v!(Values, common_annotations))
        .bind("/spec/replicas", v!(Values, replicas))
        .splice("/spec/selector/matchLabels", helpers::selector_labels())
        .splice("/spec/template/metadata/labels", helpers::labels())
        .splice("/spec/template/metadata/labels", v!(Values, pod_labels))
        .splice(
            "/spec/template/metadata/annotations",
            v!(Values, pod_annotations),
        );
    scheduling(secrets(probes(arguments(document))))
}

fn flag(name: &str, value: Expr) -> Expr {
    Expr::concat([Expr::text(format!("--{name}=")), value])
}

/// Arguments whose absence means something.
fn arguments_if_set() -> [Part<Item>; 4] {
    [
        Part::when(
            v!(Values, devices.stale_after_seconds),
            [item(flag(
                "stale-after",
                v!(Values, devices.stale_after_seconds).into(),
            ))],
        ),
        Part::when(
            v!(Values, signing.announced_keys),
            [item(flag(
                "announced-keys",
                Expr::join(v!(Values, signing.announced_keys), ","),
            ))],
        ),
        Part::when(
            v!(Values, signing.retired_keys),
            [item(flag(
                "retired-keys",
                Expr::join(v!(Values, signing.retired_keys), ","),
            ))],
        ),
        Part::when(
            v!(Values, nats.ca.name),
            [item(NATS_CA.flag("nats-ca-file"))],
        ),
    ]
}

fn arguments(document: Document) -> Document {
    let args = container("/args");
    document
        .bind(&container("/image"), helpers::image(v!(Values, image)))
        .bind(
            &container("/imagePullPolicy"),
            v!(Values, image.pull_policy),
        )
        .add_items(
            &args,
            [
                item(flag("nats-url", v!(Values, nats.url).into())),
                item(flag(
                    "stream-replicas",
                    v!(Values, nats.stream_replicas).into(),
                )),
                item(flag(
                    "metrics-addr",
                    Expr::concat([Expr::text("0.0.0.0:"), v!(Values, metrics.port).into()]),
                )),
                item(flag(
                    "heartbeat-period",
                    v!(Values, devices.heartbeat_period_seconds).into(),
                )),
                item(flag(
                    "unenrolled-labels",
                    v!(Values, devices.unenrolled_labels).into(),
                )),
                item(flag("lease-name", helpers::fullname())),
                item(flag(
                    "lease-duration",
                    v!(Values, leader_election.lease_duration_seconds).into(),
                )),
                item(flag("log-format", v!(Values, log.format).into())),
            ],
        )
        .add_items(&args, arguments_if_set())
        .splice(&args, v!(Values, extra_args))
        .bind(
            &container("/env/[name=RUST_LOG]/value"),
            v!(Values, log.filter),
        )
        .splice(&container("/env"), v!(Values, extra_env))
        .bind_if_set(&container("/resources"), v!(Values, resources))
}

fn probes(document: Document) -> Document {
    let probe = |name: &str, field: &str| container(&format!("/{name}/{field}"));
    document
        .bind(
            &container(&format!("/ports/[name={PORT}]/containerPort")),
            v!(Values, metrics.port),
        )
        .bind(
            &probe("livenessProbe", "initialDelaySeconds"),
            v!(Values, liveness_probe.initial_delay_seconds),
        )
        .bind(
            &probe("livenessProbe", "periodSeconds"),
            v!(Values, liveness_probe.period_seconds),
        )
        .bind(
            &probe("livenessProbe", "timeoutSeconds"),
            v!(Values, liveness_probe.timeout_seconds),
        )
        .bind(
            &probe("livenessProbe", "failureThreshold"),
            v!(Values, liveness_probe.failure_threshold),
        )
        .bind(
            &probe("readinessProbe", "initialDelaySeconds"),
            v!(Values, readiness_probe.initial_delay_seconds),
        )
        .bind(
            &probe("readinessProbe", "periodSeconds"),
            v!(Values, readiness_probe.period_seconds),
        )
        .bind(
            &probe("readinessProbe", "timeoutSeconds"),
            v!(Values, readiness_probe.timeout_seconds),
        )
        .bind(
            &probe("readinessProbe", "failureThreshold"),
            v!(Values, readiness_probe.failure_threshold),
        )
}

fn secrets(document: Document) -> Document {
    let named = Cond::is(v!(Values, nats.ca.name));
    document
        .bind(
            &volume(&SIGNING, "/secretName"),
            v!(Values, signing.existing_secret.name),
        )
        .bind(
            &volume(&SIGNING, "/items/0/key"),
            v!(Values, signing.existing_secret.key),
        )
        .bind(
            &volume(&NATS, "/secretName"),
            v!(Values, nats.existing_secret.name),
        )
        .bind(
            &volume(&NATS, "/items/0/key"),
            v!(Values, nats.existing_secret.key),
        )
        .bind(&volume(&NATS_CA, "/secretName"), v!(Values, nats.ca.name))
        .bind(&volume(&NATS_CA, "/items/0/key"), v!(Values, nats.ca.key))
        .when(
            &spec(&format!("/volumes/[name={}]", NATS_CA.volume)),
            named.clone(),
        )
        .when(
            &container(&format!("/volumeMounts/[name={}]", NATS_CA.volume)),
            named,
        )
        .splice(&spec("/volumes"), v!(Values, extra_volumes))
        .splice(&container("/volumeMounts"), v!(Values, extra_volume_mounts))
}

fn scheduling(document: Document) -> Document {
    let spread = spec("/topologySpreadConstraints");
    document
        .bind(
            &spec("/serviceAccountName"),
            helpers::service_account_name(),
        )
        .bind(
            &spec("/automountServiceAccountToken"),
            v!(Values, service_account.automount),
        )
        .bind_if_set(&spec("/imagePullSecrets"), helpers::pull_secrets())
        .splice(&spec("/securityContext"), v!(Values, pod_security_context))
        .bind_if_set(&spec("/priorityClassName"), v!(Values, priority_class_name))
        .bind(
            &spec("/terminationGracePeriodSeconds"),
            v!(Values, termination_grace_period_seconds),
        )
        .bind_if_set(&spec("/nodeSelector"), v!(Values, node_selector))
        .bind_if_set(&spec("/tolerations"), v!(Values, tolerations))
        .bind_if_set(&spec("/affinity"), v!(Values, affinity))
        .add_items(&spread, [constraints()])
        .when(&spread, v!(Values, topology_spread.enabled))
}

/// The user's, or a preference for nodes and zones without a replica: a cluster of one node shall
/// run it too.
fn constraints() -> Part<Item> {
    let own = v!(Values, topology_spread.constraints);
    let spread_over = |topology: &str| {
        item(Node::map([
            entry("maxSkew", 1),
            entry("topologyKey", topology),
            entry("whenUnsatisfiable", "ScheduleAnyway"),
            entry(
                "labelSelector",
                Node::map([entry("matchLabels", helpers::selector_labels())]),
            ),
        ]))
    };
    Part::when(own.clone(), [Part::splice(own)]).otherwise([
        spread_over("kubernetes.io/hostname"),
        spread_over("topology.kubernetes.io/zone"),
    ])
}
