//! Five programs in one chart, none of which is taken for another.

use std::collections::BTreeSet;

use chartgen_lint::Rule;
use serde_json::{Value, json};

use crate::scene::{COMPONENTS, at, component, is_hook, settled, told, told_all, workloads};
use crate::support::{Case, Objects};

const LONGEST: &str = "a-release-whose-name-is-as-long-as-helm-lets-it-be-53";

/// Where an object selects pods.
fn selector(object: &Value) -> Option<&Value> {
    let spec = &object["spec"];
    match object["kind"].as_str()? {
        "Deployment" | "PodDisruptionBudget" => Some(&spec["selector"]["matchLabels"]),
        "NetworkPolicy" => Some(&spec["podSelector"]["matchLabels"]),
        "Service" => Some(&spec["selector"]),
        _ => None,
    }
}

fn selects(selector: &Value, pod: &Value) -> bool {
    let labels = &pod["spec"]["template"]["metadata"]["labels"];
    let selector = selector.as_object().expect("labels");
    !selector.is_empty() && selector.iter().all(|(key, value)| labels[key] == *value)
}

#[test]
fn a_selector_finds_the_pods_of_its_own_program_and_no_others() {
    let objects = told_all().objects();
    let workloads = workloads(&objects);
    let of: BTreeSet<_> = workloads.iter().map(|w| component(w)).collect();
    assert_eq!(of, BTreeSet::from(COMPONENTS));
    let mut selectors = 0;
    for (name, object) in &objects.0 {
        let Some(selector) = selector(object) else {
            continue;
        };
        selectors += 1;
        for workload in &workloads {
            let own = component(workload) == component(object);
            assert_eq!(selects(selector, workload), own, "{name}: {selector}");
        }
    }
    assert_eq!(selectors, 2 + 2 + 6 + 3);
}

#[test]
fn each_program_has_an_account_of_its_own_and_only_its_rights() {
    let objects = told_all().objects();
    let accounts: BTreeSet<_> = workloads(&objects)
        .into_iter()
        .map(|w| w["spec"]["template"]["spec"]["serviceAccountName"].as_str())
        .map(|name| name.expect("an account"))
        .collect();
    let wanted = COMPONENTS.map(|component| format!("rel-fleet-auth-{component}"));
    assert_eq!(accounts, wanted.iter().map(String::as_str).collect());
    for name in &accounts {
        objects.get(&format!("ServiceAccount {name}"));
    }
    let bindings = objects
        .of("ClusterRoleBinding")
        .chain(objects.of("RoleBinding"));
    for binding in bindings {
        let subjects = binding["subjects"].as_array().expect("subjects");
        let wanted = format!("rel-fleet-auth-{}", component(binding));
        assert_eq!(subjects.len(), 1);
        assert_eq!(subjects[0]["name"], wanted);
    }
}

#[test]
fn the_service_that_takes_tokens_reads_secrets_in_their_namespace_only() {
    let objects = told().objects();
    let role = objects.get("Role fleet-enrolment/rel-fleet-auth-enrolment");
    let reads_secrets = |role: &Value| {
        let rules = role["rules"].as_array().expect("rules");
        rules.iter().any(|r| r["resources"] == json!(["secrets"]))
    };
    assert!(reads_secrets(role));
    objects.get("Namespace fleet-enrolment");
    for role in objects.of("ClusterRole") {
        assert!(!reads_secrets(role));
    }
}

#[test]
fn a_program_that_is_switched_off_leaves_nothing_and_touches_no_other() {
    let all = settled(&told_all().objects());
    let switches: [(&str, &[&str]); 6] = [
        ("callout.enabled", &["callout"]),
        ("enrolment.enabled", &["enrolment"]),
        ("keys.zitadelMasterkey", &["masterkey"]),
        ("secretsJob.enabled", &["secrets", "masterkey"]),
        ("openbaoJob.enabled", &["openbao"]),
        ("zitadelJob.enabled", &["zitadel"]),
    ];
    for (switch, off) in switches {
        let rest = told_all().values(at(switch, json!(false)));
        let rest = settled(&rest.objects());
        // The token is made for a service that is there; `identity.rs` has that.
        let apart = |name: &str| {
            switch == "enrolment.enabled" && name.contains("Job rel-fleet-auth-zitadel")
        };
        let rest = Objects(rest.0.into_iter().filter(|(n, _)| !apart(n)).collect());
        let on = |object: &Value| !off.contains(&component(object));
        let wanted = all.0.iter().filter(|(n, object)| on(object) && !apart(n));
        let wanted = Objects(wanted.map(|(n, o)| (n.clone(), o.clone())).collect());
        assert_eq!(rest.changes(&wanted), Vec::<String>::new(), "{switch}");
    }
}

#[test]
fn switches_change_what_they_promise() {
    let base = settled(&told_all().objects());
    let gone = |kinds: &[&str]| -> Vec<String> {
        let is = |name: &&String| kinds.contains(&name.split(' ').next().unwrap_or_default());
        let names = base.0.keys().filter(is);
        names.map(|name| format!("- {name}")).collect()
    };
    let table = [
        (
            "rbac.create",
            gone(&["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"]),
        ),
        ("networkPolicy.enabled", gone(&["NetworkPolicy"])),
        ("metrics.prometheusRule.enabled", gone(&["PrometheusRule"])),
        ("metrics.serviceMonitor.enabled", gone(&["ServiceMonitor"])),
        ("enrolmentTokens.createNamespace", gone(&["Namespace"])),
    ];
    for (switch, promised) in table {
        let flipped = told_all().values(at(switch, json!(false)));
        let changes = base.changes(&settled(&flipped.objects()));
        let set = |lines: Vec<String>| lines.into_iter().collect::<BTreeSet<_>>();
        assert_eq!(set(changes), set(promised), "{switch}");
    }
}

#[test]
fn a_job_has_another_name_where_a_value_differs_and_only_there() {
    let jobs = |case: Case| -> BTreeSet<String> {
        let objects = case.objects();
        let names = objects.0.into_keys();
        names.filter(|name| name.starts_with("Job ")).collect()
    };
    let first = jobs(told());
    assert_eq!(jobs(told()), first);
    let other = jobs(told().values(json!({"log": {"filter": "debug"}})));
    assert_eq!(first.intersection(&other).count(), 0);
}

#[test]
fn releases_may_have_any_name_and_two_share_no_object_but_the_tokens_namespace() {
    for release in [LONGEST, "n", "on", "1e3", "web-1.5", "fleet-auth"] {
        for (name, object) in &told_all().release(release).objects().0 {
            let own = object["metadata"]["name"].as_str().expect("a name");
            assert!(own.len() <= 63, "{name}");
        }
    }
    let names = |last: &str| -> BTreeSet<String> {
        let release = format!("{}{last}", &LONGEST[..52]);
        told_all()
            .release(&release)
            .objects()
            .0
            .into_keys()
            .collect()
    };
    let (one, two) = (names("1"), names("2"));
    let shared: Vec<_> = one.intersection(&two).collect();
    assert_eq!(shared, ["Namespace fleet-enrolment"]);
}

#[test]
fn an_existing_account_is_used_by_pods_and_bindings() {
    let own = json!({"callout": {"serviceAccount": {"create": false, "name": "robot"}}});
    let objects = told_all().values(own).warns(Rule::RbacSubjectMissing);
    let objects = objects.objects();
    let callout = objects.get("Deployment rel-fleet-auth-callout");
    let pod = &callout["spec"]["template"]["spec"];
    assert_eq!(pod["serviceAccountName"], "robot");
    let binding = objects.get("ClusterRoleBinding rel-fleet-auth-callout-auth-delegator");
    assert_eq!(binding["subjects"][0]["name"], "robot");
    // OpenBao is told who may log in there.
    let jobs: Vec<_> = objects
        .of("Job")
        .filter(|j| component(j) == "openbao")
        .collect();
    let args = &jobs[0]["spec"]["template"]["spec"]["containers"][0]["args"];
    let args = args.as_array().expect("arguments");
    assert!(args.contains(&json!("--callout-account=robot")), "{args:?}");
}

/// Zitadel's own Jobs are hooks too, of weight 0 and more.
#[test]
fn zitadels_key_is_made_before_everything_else_and_nothing_of_it_stays() {
    let objects = told_all().objects();
    let hooks: Vec<_> = objects.0.values().filter(|o| is_hook(o)).collect();
    let weight = |object: &Value| -> i32 {
        let annotations = &object["metadata"]["annotations"];
        assert_eq!(annotations["helm.sh/hook"], "pre-install,pre-upgrade");
        let gone = "before-hook-creation,hook-succeeded";
        assert_eq!(annotations["helm.sh/hook-delete-policy"], gone);
        let weight = annotations["helm.sh/hook-weight"].as_str();
        weight.and_then(|w| w.parse().ok()).expect("a weight")
    };
    for hook in &hooks {
        assert_eq!(component(hook), "masterkey");
        let is_job = hook["kind"] == "Job";
        assert!(weight(hook) < if is_job { 0 } else { -10 });
    }
    let mut kinds: Vec<_> = hooks.iter().filter_map(|o| o["kind"].as_str()).collect();
    kinds.sort_unstable();
    let all = [
        "Job",
        "NetworkPolicy",
        "Role",
        "RoleBinding",
        "ServiceAccount",
    ];
    assert_eq!(kinds, all);
}
