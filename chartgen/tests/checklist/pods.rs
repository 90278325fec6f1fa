//! What the pods of our programs ask for, and what a user may decide about them.

use serde_json::{Value, json};

use crate::subject::{containers, is_deployment, subjects, workloads};

#[test]
fn pods_are_restricted_and_say_what_they_need() {
    for subject in subjects() {
        let objects = subject.case.objects();
        for (name, pod) in workloads(&objects) {
            assert!(
                pod["automountServiceAccountToken"].is_boolean(),
                "{name}: said, not left open"
            );
            assert_eq!(pod["enableServiceLinks"], false, "{name}");
            assert_eq!(pod["securityContext"]["runAsNonRoot"], true, "{name}");
            assert_eq!(
                pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault",
                "{name}"
            );
            assert_ne!(pod["serviceAccountName"], "default", "{name}");
            for container in containers(pod) {
                let context = &container["securityContext"];
                assert_eq!(context["readOnlyRootFilesystem"], true, "{name}");
                assert_eq!(context["allowPrivilegeEscalation"], false, "{name}");
                assert_eq!(context["capabilities"], json!({"drop": ["ALL"]}), "{name}");
                for resource in ["cpu", "memory"] {
                    let asked = &container["resources"]["requests"][resource];
                    assert!(asked.is_string(), "{name}: {resource}");
                }
                assert!(
                    container["resources"]["limits"]["memory"].is_string(),
                    "{name}"
                );
                // A limit of processor time would slow down what has the time: nobody gains by it.
                assert!(
                    container["resources"]["limits"].get("cpu").is_none(),
                    "{name}"
                );
                for probe in ["livenessProbe", "readinessProbe"] {
                    // A Job ends by itself, and says so.
                    assert_eq!(
                        container.get(probe).is_some(),
                        is_deployment(name),
                        "{name}: {probe}"
                    );
                }
            }
            if is_deployment(name) {
                assert!(pod["terminationGracePeriodSeconds"].is_u64(), "{name}");
                let spread = pod["topologySpreadConstraints"].as_array();
                assert_eq!(spread.map(Vec::len), Some(2), "{name}");
            }
        }
    }
}

#[test]
fn what_pods_run_on_and_beside_is_the_users() {
    let toleration = json!({"key": "edge", "operator": "Exists"});
    let affinity = json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
        "nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "Exists"}]}],
    }}});
    let variable = json!({"name": "HTTPS_PROXY", "value": "http://proxy.example:3128"});
    let (volume, mount) = (
        json!({"name": "extra", "emptyDir": {}}),
        json!({"name": "extra", "mountPath": "/extra"}),
    );
    let values = json!({
        "tolerations": [toleration], "affinity": affinity, "nodeSelector": {"disk": "fast"},
        "priorityClassName": "high", "extraEnv": [variable], "extraVolumes": [volume],
        "extraVolumeMounts": [mount], "extraArgs": ["--extra"],
        "podLabels": {"team": "robots"}, "podAnnotations": {"a": "b"},
        "resources": {"requests": {"cpu": "7m"}}, "podSecurityContext": {"supplementalGroups": [7]},
        "serviceAccount": {"annotations": {"cloud": "role"}},
    });
    for subject in subjects() {
        let objects = subject.pods(&values);
        for (name, pod) in workloads(&objects) {
            assert_eq!(pod["tolerations"], json!([toleration]), "{name}");
            assert_eq!(pod["affinity"], affinity, "{name}");
            assert_eq!(pod["nodeSelector"], json!({"disk": "fast"}), "{name}");
            assert_eq!(pod["priorityClassName"], "high", "{name}");
            assert_eq!(
                pod["securityContext"]["supplementalGroups"],
                json!([7]),
                "{name}"
            );
            let holds =
                |list: &Value, item: &Value| list.as_array().is_some_and(|l| l.contains(item));
            assert!(holds(&pod["volumes"], &volume), "{name}");
            let container = &containers(pod)[0];
            assert!(holds(&container["env"], &variable), "{name}");
            assert!(holds(&container["volumeMounts"], &mount), "{name}");
            assert!(holds(&container["args"], &json!("--extra")), "{name}");
            assert_eq!(container["resources"]["requests"]["cpu"], "7m", "{name}");
            let metadata = &objects.get(name)["spec"]["template"]["metadata"];
            assert_eq!(metadata["labels"]["team"], "robots", "{name}");
            assert_eq!(metadata["annotations"]["a"], "b", "{name}");
            let account = pod["serviceAccountName"].as_str().expect("an account");
            let account = objects.get(&format!("ServiceAccount {account}"));
            assert_eq!(
                account["metadata"]["annotations"]["cloud"], "role",
                "{name}"
            );
        }
    }
    let values = json!({
        "terminationGracePeriodSeconds": 77,
        "topologySpread": {"constraints": [{"maxSkew": 1, "topologyKey": "rack", "whenUnsatisfiable": "DoNotSchedule"}]},
    });
    for subject in subjects() {
        let objects = subject.services(&values).objects();
        for (name, pod) in workloads(&objects)
            .iter()
            .filter(|(name, _)| is_deployment(name))
        {
            assert_eq!(pod["terminationGracePeriodSeconds"], 77, "{name}");
            assert_eq!(
                pod["topologySpreadConstraints"][0]["topologyKey"], "rack",
                "{name}"
            );
        }
    }
}

#[test]
fn images_can_come_from_elsewhere_and_be_pinned() {
    let digest = format!("sha256:{}", "0a".repeat(32));
    let values = json!({
        "global": {"imageRegistry": "mirror.example:5000", "imagePullSecrets": [{"name": "all"}]},
        "imagePullSecrets": [{"name": "own"}],
        "image": {"repository": "ours/x", "tag": "v7", "digest": digest, "pullPolicy": "Always"},
    });
    for subject in subjects() {
        let objects = subject.with(values.clone());
        for (name, pod) in workloads(&objects) {
            let image = format!("mirror.example:5000/ours/x:v7@{digest}");
            assert_eq!(containers(pod)[0]["image"], image, "{name}");
            assert_eq!(containers(pod)[0]["imagePullPolicy"], "Always", "{name}");
            assert_eq!(
                pod["imagePullSecrets"],
                json!([{"name": "all"}, {"name": "own"}]),
                "{name}"
            );
        }
        // By default no digest: the images of a version are pushed after the chart that names them is
        // written, to a registry of whoever builds them.
        let objects = subject.case.objects();
        for (name, pod) in workloads(&objects) {
            let image = containers(pod)[0]["image"].as_str().expect("an image");
            assert!(
                image.ends_with(&format!(":{}", env!("CARGO_PKG_VERSION"))),
                "{name}: {image}"
            );
        }
    }
}

#[test]
fn a_changed_configuration_of_the_chart_reaches_its_pods() {
    for subject in subjects() {
        let objects = subject.case.objects();
        let made: Vec<_> = objects
            .of("ConfigMap")
            .map(|map| map["metadata"]["name"].clone())
            .collect();
        for (name, pod) in workloads(&objects) {
            let volumes = pod["volumes"].as_array().into_iter().flatten();
            let mut own = volumes.filter(|volume| made.contains(&volume["configMap"]["name"]));
            if own.next().is_none() {
                continue;
            }
            // It reads the rules of approval anew for each device (`auth/tests/enrolment/policy.rs`), so a
            // checksum over them would only restart it.
            if name == "Deployment rel-fleet-auth-enrolment" {
                continue;
            }
            let annotations = &objects.get(name)["spec"]["template"]["metadata"]["annotations"];
            let annotations = annotations.as_object().expect("annotations");
            let sum = annotations.keys().any(|key| key.starts_with("checksum/"));
            assert!(
                sum,
                "{name}: mounts what the chart makes, and would not notice a change"
            );
        }
    }
}
