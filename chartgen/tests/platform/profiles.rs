//! The files of values beside the chart's own.

use fleet_chartgen::platform::MIRROR;
use serde_json::json;

use crate::scene::{Scene, errors, images, pods, rendered};
use crate::support::Objects;

/// All of them, and none.
const ALL: [Option<&str>; 5] = [
    None,
    Some("ha"),
    Some("okd"),
    Some("external"),
    Some("airgap"),
];

#[test]
fn every_profile_renders_and_breaks_no_rule() {
    let scene = Scene::with_stand_ins();
    for profile in ALL {
        let text = rendered(&scene.case(profile));
        assert_eq!(errors(&text, true), Vec::<String>::new(), "{profile:?}");
    }
}

#[test]
fn with_real_charts_every_pod_is_restricted() {
    let Some(scene) = Scene::with_real_charts("pods of the whole platform against restricted")
    else {
        return;
    };
    for profile in ALL {
        let text = rendered(&scene.case(profile));
        // Only where the cluster chooses ids none may be set.
        let openshift = profile == Some("okd");
        assert_eq!(
            errors(&text, openshift),
            Vec::<String>::new(),
            "{profile:?}"
        );
    }
    let both = scene.case(Some("ha"));
    let okd = scene.chart().join("values-okd.yaml");
    let text = rendered(&both.args(["--values", crate::support::path(&okd)]));
    assert_eq!(errors(&text, true), Vec::<String>::new());
    // What the rules are for: without the profile they are broken.
    assert!(!errors(&rendered(&scene.case(None)), true).is_empty());
}

#[test]
fn the_list_of_images_is_what_pods_run() {
    let Some(scene) = Scene::with_real_charts("the list of images against all pods") else {
        return;
    };
    let listed = scene.text("images.txt");
    let mut found: Vec<_> = [None, Some("ha"), Some("okd")]
        .into_iter()
        .flat_map(|profile| images(&Objects::read(&rendered(&scene.case(profile)))))
        .collect();
    found.sort();
    found.dedup();
    assert_eq!(listed.lines().collect::<Vec<_>>(), found);
    let objects = Objects::read(&rendered(&scene.case(Some("airgap"))));
    for image in images(&objects) {
        let path = image.strip_prefix(&format!("{MIRROR}/")).expect(&image);
        let from = |line: &str| line.split_once('/').is_some_and(|(_, rest)| rest == path);
        assert!(
            listed.lines().any(from),
            "{image} comes from nowhere in {listed}"
        );
    }
}

#[test]
fn high_availability_has_three_servers_apart_and_two_of_the_rest() {
    let Some(scene) = Scene::with_real_charts("the profile for high availability") else {
        return;
    };
    let objects = Objects::read(&rendered(&scene.case(Some("ha"))));
    let servers = &objects.get("StatefulSet fleet-nats")["spec"];
    assert_eq!(servers["replicas"], 3);
    let labels = &servers["template"]["metadata"]["labels"];
    let spread = servers["template"]["spec"]["topologySpreadConstraints"].as_array();
    for constraint in spread.expect("a list") {
        for (key, value) in constraint["labelSelector"]["matchLabels"]
            .as_object()
            .expect("labels")
        {
            assert_eq!(&labels[key], value);
        }
    }
    assert_eq!(spread.map(Vec::len), Some(2));
    for name in [
        "fleet-auth-callout",
        "fleet-auth-enrolment",
        "fleet-operator",
        "fleet-zitadel",
        "fleet-zitadel-login",
    ] {
        assert_eq!(
            objects.get(&format!("Deployment {name}"))["spec"]["replicas"],
            2
        );
        let budget = objects.get(&format!("PodDisruptionBudget {name}"));
        assert_eq!(budget["spec"]["maxUnavailable"], 1, "{name}");
    }
    let budget = objects.get("PodDisruptionBudget fleet-nats");
    assert_eq!(budget["spec"]["maxUnavailable"], 1);
    let operator = objects.get("Deployment fleet-operator").to_string();
    assert!(operator.contains("--stream-replicas=3"), "{operator}");
}

#[test]
fn with_parts_of_ones_own_only_ours_are_installed() {
    let Some(scene) = Scene::with_real_charts("the profile for parts of one's own") else {
        return;
    };
    let objects = Objects::read(&rendered(&scene.case(Some("external"))));
    let pods: Vec<_> = pods(&objects)
        .into_iter()
        .map(|(name, _)| name.to_owned())
        .collect();
    let ours = [" fleet-operator", " fleet-auth-", " fleet-check"];
    let is_ours = |pod: &String| ours.iter().any(|name| pod.contains(name));
    assert!(pods.iter().all(is_ours), "{pods:?}");
    let operator = objects.get("Deployment fleet-operator").to_string();
    assert!(
        operator.contains("--nats-url=tls://nats.example.com:4222"),
        "{operator}"
    );
}

#[test]
fn ids_go_where_the_cluster_chooses_them_and_nowhere_else() {
    let Some(scene) = Scene::with_real_charts("user ids of all pods") else {
        return;
    };
    let ids = |profile| {
        let objects = Objects::read(&rendered(&scene.case(profile)));
        let text = json!(pods(&objects)).to_string();
        ["runAsUser", "runAsGroup", "fsGroup"].map(|id| text.matches(&format!("\"{id}\"")).count())
    };
    assert_eq!(ids(Some("okd")), [0; 3]);
    // The images of others run as root by themselves, or as users that only have a name.
    assert!(ids(None).iter().all(|count| *count > 0));
}
