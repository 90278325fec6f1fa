//! The objects around the pods: whose they are, what they allow, and what switches them.

use serde_json::{Value, json};

use crate::subject::subjects;
use crate::support::Case;

#[test]
fn objects_carry_what_the_user_wants_and_the_users_own_join_them() {
    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "{{ .Release.Name }}-more", "namespace": "{{ .Release.Namespace }}"},
    });
    let values = json!({
        "commonLabels": {"team": "robots"}, "commonAnnotations": {"a": "b"}, "extraObjects": [map],
    });
    for subject in subjects() {
        let objects = subject.with(values.clone());
        assert!(
            objects.0.contains_key("ConfigMap rel-more"),
            "{}",
            subject.name
        );
        for (name, object) in &objects.0 {
            // The user's own, and definitions, which have annotations of their own.
            if name == "ConfigMap rel-more" {
                continue;
            }
            assert_eq!(object["metadata"]["labels"]["team"], "robots", "{name}");
            if object["kind"] != "CustomResourceDefinition" {
                assert_eq!(object["metadata"]["annotations"]["a"], "b", "{name}");
            }
        }
    }
}

#[test]
fn what_watches_guards_and_opens_is_switched_by_values() {
    let kinds = [
        "ServiceMonitor",
        "PrometheusRule",
        "NetworkPolicy",
        "PodDisruptionBudget",
    ];
    let on = json!({
        "metrics": {"serviceMonitor": {"enabled": true}, "prometheusRule": {"enabled": true}},
        "networkPolicy": {"enabled": true},
    });
    for subject in subjects() {
        let objects = subject.case.objects();
        for kind in kinds {
            assert_eq!(objects.of(kind).count(), 0, "{}: {kind}", subject.name);
        }
        // One replica and a budget would keep a node from being drained for ever.
        let case = subject.services(&json!({"replicas": 2}));
        let objects = case.values(on.clone()).objects();
        let deployments = objects.of("Deployment").count();
        for kind in kinds {
            let count = objects.of(kind).count();
            assert!(count >= deployments, "{}: {count} of {kind}", subject.name);
        }
        for (name, policy) in objects
            .0
            .iter()
            .filter(|(_, o)| o["kind"] == "NetworkPolicy")
        {
            // What is not named is refused, both ways, and names can be resolved.
            assert_eq!(
                policy["spec"]["policyTypes"],
                json!(["Ingress", "Egress"]),
                "{name}"
            );
            let dns = |port: &Value| port["port"] == 53;
            let rules = policy["spec"]["egress"].as_array().expect("rules");
            let named = rules
                .iter()
                .filter_map(|rule| rule["ports"].as_array())
                .flatten();
            assert!(named.clone().any(dns), "{name}");
        }
    }
}

#[test]
fn roles_name_what_they_allow_and_leadership_is_of_the_namespace() {
    for subject in subjects() {
        let objects = subject.case.objects();
        let mut leases = 0;
        for (name, role) in &objects.0 {
            for rule in role["rules"].as_array().into_iter().flatten() {
                assert!(!rule.to_string().contains("\"*\""), "{name}: {rule}");
                let about_leases = rule["resources"] == json!(["leases"]);
                leases += usize::from(about_leases);
                assert!(!about_leases || role["kind"] == "Role", "{name}: {rule}");
            }
        }
        assert!(leases > 0, "{}", subject.name);
    }
    let objects = Case::operator().objects();
    for role in ["view", "edit", "admin"] {
        let label = format!("rbac.authorization.k8s.io/aggregate-to-{role}");
        let joins = |object: &&Value| object["metadata"]["labels"][&label] == "true";
        assert!(objects.of("ClusterRole").any(|o| joins(&o)), "{role}");
    }
}

#[test]
fn no_chart_makes_a_namespace_but_that_of_tokens() {
    for subject in subjects() {
        let objects = subject.case.objects();
        let names: Vec<_> = objects
            .of("Namespace")
            .map(|n| n["metadata"]["name"].clone())
            .collect();
        // Enrolment tokens are Secrets which the service reads by names that it cannot know before, so
        // they lie apart from all others; and the namespace is made with the chart, or each
        // installation would begin with an error. It can be switched off.
        let expected = if subject.name == "fleet-auth" {
            vec![json!("fleet-enrolment")]
        } else {
            Vec::new()
        };
        assert_eq!(names, expected, "{}", subject.name);
        let off = json!({"enrolmentTokens": {"createNamespace": false}});
        if subject.name == "fleet-auth" {
            assert_eq!(subject.with(off).of("Namespace").count(), 0);
        }
        let secrets: Vec<_> = objects.of("Secret").collect();
        assert!(secrets.is_empty(), "{}: {secrets:?}", subject.name);
    }
}
