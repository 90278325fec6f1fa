//! Every switch alone, and all of them on.

use std::collections::BTreeSet;

use chartgen_lint::Rule;
use serde_json::{Map, Value, json};

use crate::support::Case;

/// The place of every switch among the values.
fn switches(values: &Value, place: &str, found: &mut BTreeSet<String>) {
    match values {
        Value::Bool(_) => {
            found.insert(place.to_owned());
        }
        Value::Object(members) => {
            for (name, value) in members {
                let dot = if place.is_empty() { "" } else { "." };
                switches(value, &format!("{place}{dot}{name}"), found);
            }
        }
        _ => {}
    }
}

fn operator_values() -> Value {
    serde_json::to_value(fleet_chartgen::operator::Values::default()).expect("values")
}

/// Values with one place set.
pub(crate) fn at(place: &str, value: Value) -> Value {
    place.rsplit('.').fold(value, |value, name| {
        Value::Object(Map::from_iter([(name.to_owned(), value)]))
    })
}

fn is_on(values: &Value, place: &str) -> bool {
    let value = place.split('.').fold(values, |value, name| &value[name]);
    value.as_bool().expect("a switch")
}

const CRDS: [&str; 3] = [
    "CustomResourceDefinition deployments.fleet.nationtech.io",
    "CustomResourceDefinition deviceenrolments.fleet.nationtech.io",
    "CustomResourceDefinition devices.fleet.nationtech.io",
];

fn gone(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| format!("- {name}")).collect()
}

fn not_kept() -> Vec<String> {
    let place = "metadata/annotations/helm.sh~1resource-policy: -";
    CRDS.map(|crd| format!("{crd}/{place}")).to_vec()
}

/// What flipping a switch of the operator's chart changes, and nothing else.
fn promised(switch: &str) -> Option<Vec<String>> {
    let lines = |lines: &[&str]| lines.iter().map(|&line| line.to_owned()).collect();
    Some(match switch {
        "crds.enabled" => gone(&CRDS),
        "crds.keep" => not_kept(),
        "serviceAccount.create" => lines(&[
            "ClusterRoleBinding rel-fleet-operator/subjects/0/name: \"rel-fleet-operator\" -> \"default\"",
            "Deployment rel-fleet-operator/spec/template/spec/serviceAccountName: \"rel-fleet-operator\" -> \"default\"",
            "RoleBinding rel-fleet-operator/subjects/0/name: \"rel-fleet-operator\" -> \"default\"",
            "- ServiceAccount rel-fleet-operator",
        ]),
        "serviceAccount.automount" => lines(&[
            "Deployment rel-fleet-operator/spec/template/spec/automountServiceAccountToken: true -> false",
        ]),
        "rbac.create" => gone(&[
            "ClusterRole rel-fleet-operator",
            "ClusterRoleBinding rel-fleet-operator",
            "Role rel-fleet-operator",
            "RoleBinding rel-fleet-operator",
        ]),
        "rbac.userRoles" => gone(&[
            "ClusterRole rel-fleet-operator-deployments-editor",
            "ClusterRole rel-fleet-operator-deployments-viewer",
            "ClusterRole rel-fleet-operator-devices-editor",
            "ClusterRole rel-fleet-operator-devices-viewer",
            "ClusterRole rel-fleet-operator-enrolments-approver",
            "ClusterRole rel-fleet-operator-namespace-admin",
            "ClusterRole rel-fleet-operator-tracer",
        ]),
        "topologySpread.enabled" => lines(&[
            "Deployment rel-fleet-operator/spec/template/spec/topologySpreadConstraints: -",
        ]),
        // With one replica, which is the default, there is none anyway.
        "podDisruptionBudget.enabled" => Vec::new(),
        "networkPolicy.enabled" => lines(&["+ NetworkPolicy rel-fleet-operator"]),
        "metrics.service.enabled" => gone(&["Service rel-fleet-operator-metrics"]),
        "metrics.serviceMonitor.enabled" => lines(&["+ ServiceMonitor rel-fleet-operator"]),
        "metrics.dashboard.enabled" => lines(&["+ ConfigMap rel-fleet-operator-dashboard"]),
        "metrics.prometheusRule.enabled" => lines(&["+ PrometheusRule rel-fleet-operator"]),
        _ => return None,
    })
}

#[test]
fn a_switch_changes_what_it_promises_and_nothing_else() {
    let values = operator_values();
    let mut found = BTreeSet::new();
    switches(&values, "", &mut found);
    let base = Case::operator().objects();
    for switch in &found {
        let flipped = Value::Bool(!is_on(&values, switch));
        let mut case = Case::operator().values(at(switch, flipped));
        if switch == "crds.keep" {
            case = case.not_kept();
        }
        if switch == "serviceAccount.create" {
            case = case.warns(Rule::RbacSubjectMissing);
        }
        let changes = base.changes(&case.objects());
        let promised = promised(switch);
        let promised = promised.unwrap_or_else(|| panic!("say here what {switch} promises"));
        let as_set = |lines: &[String]| lines.iter().cloned().collect::<BTreeSet<_>>();
        assert_eq!(as_set(&changes), as_set(&promised), "{switch}");
    }
}

#[test]
fn switches_of_the_definitions_chart() {
    let values = serde_json::to_value(fleet_chartgen::crds::Values::default()).expect("values");
    let mut found = BTreeSet::new();
    switches(&values, "", &mut found);
    assert_eq!(
        found.iter().collect::<Vec<_>>(),
        ["crds.enabled", "crds.keep"]
    );
    let base = Case::crds().objects();
    assert_eq!(base.0.keys().collect::<Vec<_>>(), CRDS);
    let without = Case::crds().values(at("crds.enabled", json!(false)));
    assert_eq!(base.changes(&without.objects()), gone(&CRDS));
    let deletable = Case::crds()
        .values(at("crds.keep", json!(false)))
        .not_kept();
    assert_eq!(base.changes(&deletable.objects()), not_kept());
}

/// All switches on, and enough replicas for a budget.
pub(crate) fn everything_on() -> Case {
    let mut found = BTreeSet::new();
    switches(&operator_values(), "", &mut found);
    let on = found.iter().map(|switch| at(switch, json!(true)));
    let case = on.fold(Case::operator(), Case::values);
    case.values(json!({"replicas": 2}))
}

#[test]
fn with_everything_on_nothing_is_missing() {
    let base = Case::operator().objects();
    let came = [
        "+ ConfigMap rel-fleet-operator-dashboard",
        "Deployment rel-fleet-operator/spec/replicas: 1 -> 2",
        "+ NetworkPolicy rel-fleet-operator",
        "+ PodDisruptionBudget rel-fleet-operator",
        "+ PrometheusRule rel-fleet-operator",
        "+ ServiceMonitor rel-fleet-operator",
    ];
    assert_eq!(base.changes(&everything_on().objects()), came);
}

#[test]
fn the_budget_is_there_for_several_replicas_only_and_can_be_switched_off() {
    let several = Case::operator().values(json!({"replicas": 3}));
    let budget = several.objects();
    let budget = budget.only("PodDisruptionBudget");
    assert_eq!(budget["spec"]["maxUnavailable"], 1);
    let percent = several
        .clone()
        .values(at("podDisruptionBudget.maxUnavailable", json!("50%")));
    let percent = percent.objects();
    assert_eq!(
        percent.only("PodDisruptionBudget")["spec"]["maxUnavailable"],
        "50%"
    );
    let off = several.values(at("podDisruptionBudget.enabled", json!(false)));
    assert_eq!(off.objects().of("PodDisruptionBudget").count(), 0);
    let none = Case::operator().values(json!({"replicas": 0}));
    assert_eq!(none.objects().deployment()["spec"]["replicas"], 0);
}
