//! Every alert against series over time: what sets it off, when, and what does not. Prometheus' own
//! `promtool` judges.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output};

use chartgen_lint::Manifests;
use fleet_e2e::helm::{Helm, Major};
use fleet_tools::{Cache, Tool};
use serde_json::{Value, json};

use crate::TOLD;

/// Series that set an alert off, and the same in good times.
struct Case {
    alert: &'static str,
    /// What happens, in promtool's notation: a value for each minute.
    bad: &'static [(&'static str, &'static str)],
    /// The minute at which it is still quiet, and the one at which it fires; both with `bad`.
    quiet: u32,
    fires: u32,
    /// The labels that it fires with, beside its severity.
    labels: &'static [(&'static str, &'static str)],
    /// What must never set it off.
    good: &'static [(&'static str, &'static str)],
}

/// How long good times last.
const LONG: u32 = 60;

const CASES: &[Case] = &[
    Case {
        alert: "FleetOperatorWithoutLeader",
        bad: &[
            ("fleet_operator_leader{pod='a'}", "1x9 0x60"),
            ("fleet_operator_leader{pod='b'}", "0x70"),
        ],
        quiet: 14,
        fires: 16,
        labels: &[],
        // One takes over from the other within a minute.
        good: &[
            ("fleet_operator_leader{pod='a'}", "1x9 0x60"),
            ("fleet_operator_leader{pod='b'}", "0x10 1x60"),
        ],
    },
    Case {
        alert: "FleetOperatorWithoutBus",
        bad: &[("fleet_operator_bus_connected{pod='a'}", "1x9 0x60")],
        quiet: 14,
        fires: 16,
        labels: &[],
        good: &[
            ("fleet_operator_bus_connected{pod='a'}", "1x9 0x60"),
            ("fleet_operator_bus_connected{pod='b'}", "1x70"),
        ],
    },
    Case {
        alert: "FleetInvariantViolated",
        bad: &[("fleet_invariant_violations{pod='a'}", "0x9 2x60")],
        quiet: 9,
        fires: 12,
        labels: &[],
        good: &[("fleet_invariant_violations{pod='a'}", "0x70")],
    },
    Case {
        alert: "FleetDevicesStale",
        bad: &[
            ("fleet_devices{pod='a'}", "100x80"),
            ("fleet_devices_stale{pod='a'}", "2x9 60x70"),
        ],
        quiet: 18,
        fires: 21,
        labels: &[],
        good: &[
            ("fleet_devices{pod='a'}", "100x80"),
            ("fleet_devices_stale{pod='a'}", "2x80"),
        ],
    },
    Case {
        alert: "FleetDevicesRefuse",
        // The very first refusal counts.
        bad: &[(
            "fleet_device_refusals_total{reason='BadSignature'}",
            "0x9 1x60",
        )],
        quiet: 9,
        fires: 11,
        labels: &[("reason", "BadSignature")],
        good: &[("fleet_device_refusals_total{reason='BadSignature'}", "3x70")],
    },
    Case {
        alert: "FleetOperatorWritesFail",
        bad: &[(
            "fleet_operator_writes_total{kind='desired',outcome='BusUnreachable'}",
            "0+30x70",
        )],
        quiet: 9,
        fires: 15,
        labels: &[("kind", "desired")],
        good: &[
            (
                "fleet_operator_writes_total{kind='desired',outcome='BusUnreachable'}",
                "0+1x70",
            ),
            (
                "fleet_operator_writes_total{kind='desired',outcome='Written'}",
                "0+600x70",
            ),
        ],
    },
    Case {
        alert: "FleetPropagationSlow",
        bad: &[
            (
                "fleet_propagation_seconds_bucket{stage='reported',le='30.0'}",
                "0+90x70",
            ),
            (
                "fleet_propagation_seconds_bucket{stage='reported',le='60.0'}",
                "0+100x70",
            ),
            (
                "fleet_propagation_seconds_bucket{stage='reported',le='+Inf'}",
                "0+100x70",
            ),
        ],
        quiet: 9,
        fires: 13,
        labels: &[],
        // Images that take minutes are no matter of the platform's.
        good: &[
            (
                "fleet_propagation_seconds_bucket{stage='reported',le='30.0'}",
                "0+100x70",
            ),
            (
                "fleet_propagation_seconds_bucket{stage='reported',le='+Inf'}",
                "0+100x70",
            ),
            (
                "fleet_propagation_seconds_bucket{stage='applied',le='30.0'}",
                "0x70",
            ),
            (
                "fleet_propagation_seconds_bucket{stage='applied',le='+Inf'}",
                "0+100x70",
            ),
        ],
    },
    Case {
        alert: "FleetOperatorLags",
        bad: &[("fleet_operator_queue_depth{kind='statuses'}", "5x9 1500x60")],
        quiet: 18,
        fires: 21,
        labels: &[("kind", "statuses")],
        // A wave that passes.
        good: &[(
            "fleet_operator_queue_depth{kind='statuses'}",
            "5x9 1500x5 5x60",
        )],
    },
    Case {
        alert: "FleetCalloutAbsent",
        bad: &[("fleet_auth_requests_in_flight{pod='a'}", "0x9 stale")],
        quiet: 14,
        fires: 17,
        labels: &[],
        good: &[("fleet_auth_requests_in_flight{pod='a'}", "0x70")],
    },
    Case {
        alert: "FleetCalloutFails",
        bad: &[(
            "fleet_auth_verdicts_total{reason='KeysUnavailable'}",
            "0x9 1+1x60",
        )],
        quiet: 9,
        fires: 17,
        labels: &[("reason", "KeysUnavailable")],
        // A device with a bad token is the device's matter.
        good: &[("fleet_auth_verdicts_total{reason='TokenExpired'}", "0+9x70")],
    },
    Case {
        alert: "FleetCalloutSlow",
        bad: &[
            ("fleet_auth_verdict_seconds_bucket{le='1.0'}", "0+90x70"),
            ("fleet_auth_verdict_seconds_bucket{le='5.0'}", "0+100x70"),
            ("fleet_auth_verdict_seconds_bucket{le='+Inf'}", "0+100x70"),
        ],
        quiet: 9,
        fires: 13,
        labels: &[],
        good: &[
            ("fleet_auth_verdict_seconds_bucket{le='1.0'}", "0+100x70"),
            ("fleet_auth_verdict_seconds_bucket{le='+Inf'}", "0+100x70"),
        ],
    },
    Case {
        alert: "FleetCalloutKeysStale",
        bad: &[("fleet_auth_jwks_age_seconds{pod='a'}", "60x9 4000x60")],
        quiet: 14,
        fires: 16,
        labels: &[],
        good: &[("fleet_auth_jwks_age_seconds{pod='a'}", "600x70")],
    },
    Case {
        alert: "FleetCalloutPoliciesStale",
        bad: &[("fleet_auth_policy_reads_total{outcome='stale'}", "0+1x70")],
        quiet: 9,
        fires: 13,
        labels: &[],
        good: &[("fleet_auth_policy_reads_total{outcome='fresh'}", "0+1x70")],
    },
    Case {
        alert: "FleetDeviceCloned",
        bad: &[("fleet_auth_clones_total{action='alert'}", "0x9 1x60")],
        quiet: 9,
        fires: 11,
        labels: &[],
        good: &[("fleet_auth_clones_total{action='alert'}", "1x70")],
    },
    Case {
        alert: "FleetEnrolmentsStuck",
        bad: &[(
            "fleet_enrol_reconciled_total{reason='PolicyFailed'}",
            "0+1x70",
        )],
        quiet: 14,
        fires: 18,
        labels: &[("reason", "PolicyFailed")],
        good: &[(
            "fleet_enrol_reconciled_total{reason='Provisioned'}",
            "0+1x70",
        )],
    },
];

/// The rules of both charts.
async fn rules(home: &Path) -> Value {
    let helm = Helm::offline(Major::Four, home).expect("helm");
    let mut groups = Vec::new();
    for chart in ["fleet-operator", "fleet-auth"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../charts");
        let folder = folder.join(chart);
        let mut args = vec!["template", "rel", folder.to_str().expect("a path")];
        args.push("--set=metrics.prometheusRule.enabled=true");
        if chart == "fleet-auth" {
            args.push(TOLD);
        }
        let rendered = Manifests::read("rules", &helm.run(args).await.expect("rendered"));
        let objects = rendered.objects().iter();
        let rules = objects.filter(|object| object.kind() == "PrometheusRule");
        groups.extend(rules.flat_map(|rule| {
            let groups = rule.value["spec"]["groups"].as_array();
            groups.expect("a list").clone()
        }));
    }
    json!({"groups": groups})
}

fn rules_of(rules: &Value) -> impl Iterator<Item = &Value> {
    let groups = rules["groups"].as_array().expect("a list").iter();
    groups.flat_map(|group| group["rules"].as_array().expect("a list"))
}

fn series(all: &[(&str, &str)]) -> Vec<Value> {
    let series = all.iter();
    let series = series
        .map(|(series, values)| json!({"series": series.replace('\'', "\""), "values": values}));
    series.collect()
}

/// The two tests of a case, as promtool reads them.
fn tests(case: &Case, severity: &str) -> [Value; 2] {
    let labels = case.labels.iter();
    let mut labels: serde_json::Map<_, _> = labels
        .map(|(label, value)| ((*label).to_owned(), json!(value)))
        .collect();
    labels.insert("severity".to_owned(), severity.into());
    let at = |minute: u32, alerts: Vec<Value>| json!({"eval_time": format!("{minute}m"), "alertname": case.alert, "exp_alerts": alerts});
    let fires = vec![json!({"exp_labels": labels})];
    let test = |input: Vec<Value>, expected: Vec<Value>| json!({"interval": "1m", "input_series": input, "alert_rule_test": expected});
    let good = (0..=LONG).step_by(5).map(|minute| at(minute, vec![]));
    [
        test(
            series(case.bad),
            vec![at(case.quiet, vec![]), at(case.fires, fires)],
        ),
        test(series(case.good), good.collect()),
    ]
}

fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

/// promtool reads YAML, and JSON is that.
fn promtool(program: &Path, args: [&str; 2], file: &Path, content: &Value) -> Output {
    fs::write(file, content.to_string()).expect("written");
    let output = Command::new(program).args(args).arg(file).output();
    output.expect("promtool starts")
}

#[tokio::test]
async fn alerts_fire_when_they_should_and_not_before() {
    let Some(program) = Cache::from_env().find(Tool::Promtool) else {
        let mut stderr = std::io::stderr().lock();
        let why = "promtool is not built; `make alerts` builds it, which takes minutes";
        writeln!(stderr, "skipped: when alerts fire: {why}").expect("standard error");
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let mut rules = rules(folder.path()).await;
    let file = folder.path().join("rules.json");
    let checked = promtool(&program, ["check", "rules"], &file, &rules);
    assert!(checked.status.success(), "{}", said(&checked));

    // What is said depends on values to the last digit; that it can be said was checked.
    for group in rules["groups"].as_array_mut().expect("a list") {
        for rule in group["rules"].as_array_mut().expect("a list") {
            rule.as_object_mut().expect("a rule").remove("annotations");
        }
    }
    fs::write(&file, rules.to_string()).expect("written");
    let severity = |alert: &str| {
        let mut found = rules_of(&rules).filter(|rule| rule["alert"] == alert);
        let rule = found.next().expect("an alert of a chart");
        rule["labels"]["severity"]
            .as_str()
            .expect("text")
            .to_owned()
    };
    let all = CASES
        .iter()
        .flat_map(|case| tests(case, &severity(case.alert)));
    let content = json!({"rule_files": ["rules.json"], "evaluation_interval": "1m",
        "tests": all.collect::<Vec<_>>()});
    let tested = folder.path().join("tests.json");
    let tried = promtool(&program, ["test", "rules"], &tested, &content);
    assert!(tried.status.success(), "{}", said(&tried));
}

#[tokio::test]
async fn every_alert_is_tried() {
    let folder = tempfile::tempdir().expect("a folder");
    let rules = rules(folder.path()).await;
    let alerts: BTreeSet<_> = rules_of(&rules)
        .filter_map(|r| r["alert"].as_str())
        .collect();
    let tried: BTreeSet<_> = CASES.iter().map(|case| case.alert).collect();
    assert_eq!(alerts, tried);
}
