//! What Pod Security and restricted-v2 say to pods, control by control.
#![allow(clippy::expect_used, clippy::panic, reason = "test code")]
#![allow(
    clippy::needless_pass_by_value,
    clippy::enum_glob_use,
    clippy::too_many_lines,
    reason = "the cases are one table"
)]

mod pods;

use chartgen_lint::pod::{Pod, Range, Violation, openshift, restricted};
use chartgen_lint::{Options, Rule, Severity, lint_text};
use proptest::prelude::*;
use serde_json::{Value, json};

fn rules(found: &[Violation]) -> Vec<Rule> {
    let mut rules: Vec<_> = found.iter().map(|violation| violation.rule).collect();
    rules.sort();
    rules
}

#[test]
fn each_control_refuses_what_it_is_for_and_nothing_else() {
    let mut wrong = Vec::new();
    for mut case in pods::cases() {
        case.restricted.sort();
        case.openshift.sort();
        let found = rules(&restricted::check(Pod::of(&case.pod)));
        if found != case.restricted {
            wrong.push(format!(
                "{}: Pod Security: {found:?}, not {:?}",
                case.name, case.restricted
            ));
        }
        let found = rules(&openshift::check(Pod::of(&case.pod), &Range::default()));
        if found != case.openshift {
            wrong.push(format!(
                "{}: restricted-v2: {found:?}, not {:?}",
                case.name, case.openshift
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_rule_about_pods_has_a_case() {
    let cases = pods::cases();
    let covered: Vec<_> = cases
        .iter()
        .flat_map(|c| c.restricted.iter().chain(&c.openshift))
        .collect();
    let about_pods = |rule: &&Rule| rule.id().starts_with("psa-") || rule.id().starts_with("scc-");
    for rule in Rule::ALL.iter().filter(about_pods) {
        assert!(covered.contains(&rule), "{rule}");
    }
}

/// An object of this kind around the pod's template.
fn wrapped(api_version: &str, kind: &str, pod: &Value) -> Value {
    let template = json!({"metadata": {"labels": {"a": "b"}}, "spec": pod["spec"]});
    let spec = match kind {
        "Pod" => pod["spec"].clone(),
        "CronJob" => {
            json!({"schedule": "* * * * *", "jobTemplate": {"spec": {"template": template}}})
        }
        "Job" => json!({"template": template}),
        "ReplicationController" => json!({"selector": {"a": "b"}, "template": template}),
        _ => json!({"selector": {"matchLabels": {"a": "b"}}, "template": template}),
    };
    let mut object = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "o"}});
    if kind == "PodTemplate" {
        object["template"] = template;
    } else {
        object["spec"] = spec;
    }
    object
}

#[test]
fn every_kind_with_a_pod_is_looked_into_hooks_and_all_containers_included() {
    let mut pod = pods::good();
    let bad = json!({"name": "x", "image": "x:1", "securityContext": {
        "privileged": true, "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]},
    }});
    for list in ["initContainers", "ephemeralContainers"] {
        pod["spec"][list] = json!([bad]);
    }
    for (api_version, kind) in [
        ("v1", "Pod"),
        ("v1", "PodTemplate"),
        ("v1", "ReplicationController"),
        ("apps/v1", "Deployment"),
        ("apps/v1", "StatefulSet"),
        ("apps/v1", "DaemonSet"),
        ("apps/v1", "ReplicaSet"),
        ("batch/v1", "Job"),
        ("batch/v1", "CronJob"),
    ] {
        let mut object = wrapped(api_version, kind, &pod);
        object["metadata"]["annotations"] = json!({"helm.sh/hook": "pre-install"});
        let report = lint_text("o.json", &object.to_string(), &Options::default());
        let errors: Vec<_> = report
            .findings
            .iter()
            .filter(|f| f.severity == Severity::Error)
            .collect();
        let found: Vec<_> = errors.iter().map(|f| f.rule).collect();
        let (psa, scc) = (Rule::PsaPrivileged, Rule::SccPrivileged);
        // Both lists have a container of this name; findings name it.
        let expected = [psa, psa, scc, scc];
        let without_duplicates: Vec<_> = found
            .into_iter()
            .filter(|r| *r != Rule::DuplicateEntry)
            .collect();
        assert_eq!(without_duplicates, expected, "{kind}: {report}");
        assert!(
            errors
                .iter()
                .all(|f| f.rule == Rule::DuplicateEntry || f.container.as_deref() == Some("x"))
        );
    }
}

fn security_context() -> impl Strategy<Value = Value> {
    let user = prop_oneof![
        Just(json!(null)),
        Just(json!(0)),
        Just(json!(1000)),
        Just(json!(1_000_660_005))
    ];
    let flag = || prop_oneof![Just(json!(null)), Just(json!(true)), Just(json!(false))];
    let names = || {
        proptest::collection::vec(
            proptest::sample::select(vec!["ALL", "NET_RAW", "NET_BIND_SERVICE"]),
            0..3,
        )
    };
    let capabilities = prop_oneof![
        Just(json!(null)),
        (names(), names()).prop_map(|(add, drop)| json!({"add": add, "drop": drop})),
        names().prop_map(|drop| json!({"drop": drop})),
    ];
    let profile = prop_oneof![
        Just(json!(null)),
        Just(json!({"type": "RuntimeDefault"})),
        Just(json!({"type": "Unconfined"})),
    ];
    let parts = (user, flag(), flag(), flag(), capabilities, profile);
    parts.prop_map(
        |(user, non_root, escalation, privileged, capabilities, seccomp)| {
            json!({
                "runAsUser": user, "runAsNonRoot": non_root, "allowPrivilegeEscalation": escalation,
                "privileged": privileged, "capabilities": capabilities, "seccompProfile": seccomp,
            })
        },
    )
}

fn any_pod() -> impl Strategy<Value = Value> {
    let contexts = proptest::collection::vec(security_context(), 1..4);
    let volume = proptest::sample::select(vec!["emptyDir", "hostPath", "secret", "nfs"]);
    (security_context(), contexts, volume, any::<bool>()).prop_map(
        |(of_pod, contexts, volume, network)| {
            let container =
                |(index, context)| json!({"name": format!("c{index}"), "securityContext": context});
            let mut containers: Vec<_> = contexts.into_iter().enumerate().map(container).collect();
            let first = containers.remove(0);
            json!({"metadata": {"name": "p"}, "spec": {
                "hostNetwork": network, "volumes": [{"name": "v", volume: {}}],
                "securityContext": {
                    "runAsUser": of_pod["runAsUser"], "runAsNonRoot": of_pod["runAsNonRoot"],
                    "seccompProfile": of_pod["seccompProfile"],
                },
                "containers": [first], "initContainers": containers,
            }})
        },
    )
}

/// Without what restricted-v2 overlooks.
fn judged_pod() -> impl Strategy<Value = Value> {
    fn clear(context: &mut Value) {
        if context["runAsNonRoot"] == json!(false) {
            context["runAsNonRoot"] = Value::Null;
        }
    }
    any_pod().prop_map(|mut pod| {
        let spec = &mut pod["spec"];
        clear(&mut spec["securityContext"]);
        if spec["securityContext"]["runAsUser"] == json!(0) {
            spec["securityContext"]["runAsUser"] = Value::Null;
        }
        for kind in ["containers", "initContainers"] {
            for container in spec[kind].as_array_mut().into_iter().flatten() {
                clear(&mut container["securityContext"]);
            }
        }
        pod
    })
}

proptest! {
    /// What OpenShift lets in, Pod Security would let in too. There are two exceptions: an explicit
    /// `runAsNonRoot: false`, which restricted-v2 does not look at, and user 0 at the pod, of which it
    /// looks only at what becomes of it in each container.
    #[test]
    fn what_restricted_v2_admits_is_restricted(pod in judged_pod()) {
        if let Ok(admitted) = openshift::admit(&pod, &Range::default()) {
            prop_assert_eq!(restricted::check(Pod::of(&admitted)), vec![]);
        }
    }

    /// Admission is idempotent.
    #[test]
    fn what_was_admitted_is_admitted_unchanged(pod in any_pod()) {
        if let Ok(admitted) = openshift::admit(&pod, &Range::default()) {
            prop_assert_eq!(openshift::admit(&admitted, &Range::default()), Ok(admitted));
        }
    }

    /// Null is the same as absent.
    #[test]
    fn null_says_nothing(pod in any_pod()) {
        let mut without = pod.clone();
        remove_nulls(&mut without);
        prop_assert_eq!(restricted::check(Pod::of(&pod)), restricted::check(Pod::of(&without)));
        prop_assert_eq!(
            openshift::check(Pod::of(&pod), &Range::default()),
            openshift::check(Pod::of(&without), &Range::default())
        );
    }
}

fn remove_nulls(value: &mut Value) {
    if let Some(map) = value.as_object_mut() {
        map.retain(|_, member| !member.is_null());
        map.values_mut().for_each(remove_nulls);
    }
    if let Some(list) = value.as_array_mut() {
        list.iter_mut().for_each(remove_nulls);
    }
}
