//! What users can change of pods.

use chartgen::tree::{Item, Node, Part, entry, item};
use chartgen::{Cond, Document, Expr, ValueRef, helpers};

use super::metadata::Labelling;
use super::pod::PORT;
use super::{DeploymentRefs, PodRefs, ProbeRefs, Program};

/// What a program is told, by values.
#[derive(Debug, Clone, Default)]
pub(crate) struct Arguments(pub(crate) Vec<Part<Item>>);

impl Arguments {
    /// An argument with a value.
    pub(crate) fn flag(mut self, name: &str, value: impl Into<Expr>) -> Self {
        self.0.push(item(flag(name, value.into())));
        self
    }

    /// The same if the value is not empty.
    pub(crate) fn flag_if_set<V>(mut self, name: &str, value: ValueRef<V>) -> Self {
        let given = item(flag(name, value.clone().into()));
        self.0.push(Part::when(value, [given]));
        self
    }

    /// An argument with a value, under a condition.
    pub(crate) fn flag_when(mut self, cond: Cond, name: &str, value: impl Into<Expr>) -> Self {
        self.0
            .push(Part::when(cond, [item(flag(name, value.into()))]));
        self
    }

    /// A list with commas, if it is not empty.
    pub(crate) fn list_if_set<V>(mut self, name: &str, list: ValueRef<V>) -> Self {
        let given = item(flag(name, Expr::join(list.clone(), ",")));
        self.0.push(Part::when(list, [given]));
        self
    }

    /// One for each item of a list, with something before the item.
    pub(crate) fn each<V>(mut self, name: &str, prefix: &str, list: ValueRef<V>) -> Self {
        self.0.push(Part::each(list, |one| {
            let value = Expr::concat([Expr::text(prefix), one.str()]);
            [item(flag(name, value))]
        }));
        self
    }

    /// Arguments as they are, if a value is not empty.
    pub(crate) fn fixed_if_set<V, const N: usize>(
        self,
        value: ValueRef<V>,
        arguments: [String; N],
    ) -> Self {
        self.fixed_when(Cond::is(value), arguments)
    }

    /// Arguments as they are, under a condition.
    pub(crate) fn fixed_when<const N: usize>(mut self, cond: Cond, arguments: [String; N]) -> Self {
        self.0.push(Part::when(cond, arguments.map(item)));
        self
    }
}

/// `--name=value`.
fn flag(name: &str, value: Expr) -> Expr {
    Expr::concat([Expr::text(format!("--{name}=")), value])
}

/// A pointer to a place of a program's container, in a pod's spec.
pub(crate) fn container(program: Program, place: &str) -> String {
    format!("/containers/[name={}]{place}", program.container)
}

/// The overlay of a Deployment's own fields and of its pods.
pub(crate) fn deployment<V>(
    document: Document,
    labelling: &Labelling,
    refs: &DeploymentRefs<V>,
    arguments: Arguments,
) -> Document {
    let program = labelling.program;
    let document = labelling
        .in_namespace(document)
        .bind("/metadata/name", program.fullname())
        .bind("/spec/replicas", refs.replicas.clone())
        .splice("/spec/selector/matchLabels", program.selector_labels());
    template(document, program, &refs.pod, arguments, |spec| {
        let place = |below: &str| container(program, below);
        let spec = spec
            .bind(
                &place(&format!("/ports/[name={PORT}]/containerPort")),
                refs.metrics_port.clone(),
            )
            .bind("/terminationGracePeriodSeconds", refs.grace_period.clone())
            .add_items("/topologySpreadConstraints", [constraints(program, refs)])
            .when("/topologySpreadConstraints", refs.spread.clone());
        let spec = spec.within(&place("/livenessProbe"), |it| probe(it, &refs.liveness));
        spec.within(&place("/readinessProbe"), |it| probe(it, &refs.readiness))
    })
}

/// The overlay of a Job's own fields and of its pods.
pub(crate) fn job<V>(
    document: Document,
    labelling: &Labelling,
    refs: &PodRefs<V>,
    arguments: Arguments,
) -> Document {
    let name = labelling.program.job_name();
    job_named(name, document, labelling, refs, arguments)
}

/// The same of a Job that is replaced and not kept: one name will do.
pub(crate) fn job_named<V>(
    name: Expr,
    document: Document,
    labelling: &Labelling,
    refs: &PodRefs<V>,
    arguments: Arguments,
) -> Document {
    let document = labelling
        .in_namespace(document)
        .bind("/metadata/name", name);
    template(document, labelling.program, refs, arguments, |spec| spec)
}

/// The overlay of the pods of a Deployment or Job; `more` is laid over their spec.
fn template<V>(
    document: Document,
    program: Program,
    refs: &PodRefs<V>,
    arguments: Arguments,
    more: impl FnOnce(Document) -> Document,
) -> Document {
    let document = document.within("/spec/template/metadata", |metadata| {
        metadata
            .splice("/labels", program.labels())
            .splice("/labels", refs.labels.clone())
            .splice("/annotations", refs.annotations.clone())
    });
    document.within("/spec/template/spec", |spec| {
        let spec = spec.within(&container(program, ""), |it| own(it, refs, arguments));
        more(placement(spec, program, refs))
    })
}

/// The container.
fn own<V>(container: Document, refs: &PodRefs<V>, arguments: Arguments) -> Document {
    container
        .bind("/image", helpers::image(refs.image.clone()))
        .bind("/imagePullPolicy", refs.pull_policy.clone())
        .add_items("/args", arguments.0)
        .splice("/args", refs.extra_args.clone())
        .bind("/env/[name=RUST_LOG]/value", refs.log_filter.clone())
        .splice("/env", refs.extra_env.clone())
        .bind_if_set("/resources", refs.resources.clone())
        .splice("/volumeMounts", refs.extra_volume_mounts.clone())
}

fn probe<V>(probe: Document, refs: &ProbeRefs<V>) -> Document {
    probe
        .bind("/initialDelaySeconds", refs.initial_delay.clone())
        .bind("/periodSeconds", refs.period.clone())
        .bind("/timeoutSeconds", refs.timeout.clone())
        .bind("/failureThreshold", refs.failure_threshold.clone())
}

fn placement<V>(spec: Document, program: Program, refs: &PodRefs<V>) -> Document {
    spec.bind(
        "/serviceAccountName",
        program.account_name(refs.account.clone()),
    )
    .bind("/automountServiceAccountToken", refs.automount.clone())
    .bind_if_set("/imagePullSecrets", helpers::pull_secrets())
    .splice("/securityContext", refs.security_context.clone())
    .bind_if_set("/priorityClassName", refs.priority_class.clone())
    .bind_if_set("/nodeSelector", refs.node_selector.clone())
    .bind_if_set("/tolerations", refs.tolerations.clone())
    .bind_if_set("/affinity", refs.affinity.clone())
    .splice("/volumes", refs.extra_volumes.clone())
}

/// The user's, or a preference for nodes and zones without a replica: a cluster of one node shall
/// run it too.
fn constraints<V>(program: Program, refs: &DeploymentRefs<V>) -> Part<Item> {
    let own = refs.spread_constraints.clone();
    let spread_over = |topology: &str| {
        item(Node::map([
            entry("maxSkew", 1),
            entry("topologyKey", topology),
            entry("whenUnsatisfiable", "ScheduleAnyway"),
            entry(
                "labelSelector",
                Node::map([entry("matchLabels", program.selector_labels())]),
            ),
        ]))
    };
    Part::when(own.clone(), [Part::splice(own)]).otherwise([
        spread_over("kubernetes.io/hostname"),
        spread_over("topology.kubernetes.io/zone"),
    ])
}
