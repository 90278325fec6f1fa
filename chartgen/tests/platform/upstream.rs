//! The charts of others have what is set of them, and call things as others expect.

use std::path::Path;

use fleet_chartgen::platform::{Values, names, upstream};
use serde_json::{Value, json};

use crate::scene::{Scene, rendered};
use crate::support::Objects;

/// Keys of a preset that the chart does not know: neither a default nor below an open map or list.
fn unknown(path: &str, preset: &Value, theirs: &Value, found: &mut Vec<String>) {
    let (Value::Object(preset), Value::Object(theirs)) = (preset, theirs) else {
        return;
    };
    // A map without entries is the user's, and some are objects of Kubernetes.
    if theirs.is_empty() || path.ends_with("ecurityContext") {
        return;
    }
    for (key, value) in preset {
        let path = format!("{path}.{key}");
        match theirs.get(key) {
            Some(theirs) => unknown(&path, value, theirs, found),
            None => found.push(path),
        }
    }
}

#[test]
fn presets_set_keys_that_the_charts_have() {
    let Some(scene) = Scene::with_real_charts("presets against the values of the real charts")
    else {
        return;
    };
    let values = serde_json::to_value(Values::default()).expect("JSON");
    for chart in upstream::ALL {
        let meta = scene.text(&format!("charts/{}/Chart.yaml", chart.name));
        let version = format!("version: {}", chart.version);
        assert!(meta.lines().any(|line| line == version), "{meta}");
        let text = scene.text(&format!("charts/{}/values.yaml", chart.name));
        let theirs: Value = serde_saphyr::from_str(&text).expect("YAML");
        let mut preset = values[chart.name].clone();
        preset.as_object_mut().expect("a map").remove("enabled");
        let mut found = Vec::new();
        unknown(chart.name, &preset, &theirs, &mut found);
        // Keys that templates read, but that have no default.
        found.retain(|path| {
            let known = [
                "openbao.fullnameOverride",
                "zitadel.zitadel.configmapConfig.ExternalPort",
                "zitadel.tools.wait4x.resources",
            ];
            !known.contains(&path.as_str())
        });
        assert_eq!(found, Vec::<String>::new());
    }
}

#[test]
fn addresses_are_those_of_services() {
    let Some(scene) = Scene::with_real_charts("addresses of the real charts' Services") else {
        return;
    };
    let objects = Objects::read(&rendered(&scene.case(None)));
    for (url, service) in [
        (names::NATS_URL, names::NATS),
        (names::OPENBAO_URL, names::OPENBAO),
    ] {
        let port: u16 = url
            .rsplit(':')
            .next()
            .and_then(|p| p.parse().ok())
            .expect(url);
        let service = objects.get(&format!("Service {service}"));
        let ports = service["spec"]["ports"].as_array().expect("a list");
        assert!(ports.iter().any(|p| p["port"] == port), "{service}");
    }
    objects.get(&format!("Service {}", names::ZITADEL));
}

#[test]
fn the_policy_is_about_servers_of_the_bus_and_their_port() {
    let Some(scene) = Scene::with_real_charts("who may take part in the bus") else {
        return;
    };
    let objects = Objects::read(&rendered(&scene.case(Some("ha"))));
    let servers = objects.get("StatefulSet fleet-nats");
    let template = &servers["spec"]["template"];
    let policy = &objects.get("NetworkPolicy fleet-nats-routes")["spec"];
    let labels = template["metadata"]["labels"].as_object().expect("labels");
    let selects = |selector: &Value| {
        let wanted = selector["matchLabels"].as_object().expect("labels");
        assert!(wanted.len() > 1);
        wanted
            .iter()
            .all(|(key, value)| labels.get(key) == Some(value))
    };
    assert!(selects(&policy["podSelector"]));
    let [open, routes] = policy["ingress"].as_array().expect("rules").as_slice() else {
        panic!("not two rules: {policy}");
    };
    assert!(selects(&routes["from"][0]["podSelector"]));
    let port = |name: &str| {
        let ports = template["spec"]["containers"][0]["ports"]
            .as_array()
            .expect("ports");
        let port = ports.iter().find(|port| port["name"] == name).expect(name);
        port["containerPort"].as_u64().expect("a number")
    };
    assert_eq!(routes["ports"][0]["port"], port("cluster"));
    let is_open = |port: u64| {
        let ranges = open["ports"].as_array().expect("ranges").iter();
        let mut bounds = ranges.map(|r| r["port"].as_u64()..=r["endPort"].as_u64());
        bounds.any(|range| range.contains(&Some(port)))
    };
    assert!(!is_open(port("cluster")));
    assert!(is_open(port("nats")) && is_open(port("monitor")));
    assert!(is_open(1) && is_open(65_535));
}

#[test]
fn nothing_of_the_others_needs_another_image_or_a_secret_in_values() {
    let Some(scene) = Scene::with_real_charts("objects of the whole platform") else {
        return;
    };
    let objects = Objects::read(&rendered(&scene.case(None)));
    assert_eq!(objects.of("Secret").count(), 0, "no chart makes one");
    // Whoever is asked to delete the release keeps what it brought forth.
    assert!(!objects.0.keys().any(|name| name.contains("cleanup")));
    let webhooks = [
        "MutatingWebhookConfiguration",
        "ValidatingWebhookConfiguration",
        "DaemonSet",
    ];
    for kind in webhooks {
        assert_eq!(objects.of(kind).count(), 0, "{kind}");
    }
    // What Kubernetes would add stands there, or Argo CD applies the StatefulSet for ever.
    let claim = &objects.get("StatefulSet fleet-nats")["spec"]["volumeClaimTemplates"][0];
    assert_eq!(
        json!([claim["apiVersion"], claim["kind"]]),
        json!(["v1", "PersistentVolumeClaim"])
    );
}

#[test]
fn a_release_fits_into_its_secret() {
    let Some(scene) = Scene::with_real_charts("the size of a release") else {
        return;
    };
    let text = rendered(&scene.case(Some("ha")));
    // Values are kept without their comments, and charts that are switched off not at all.
    let kept = |name: &str| {
        let path = Path::new(name);
        let packed = path.extension().is_some_and(|extension| extension == "tgz");
        !packed && path.file_name().is_some_and(|name| name != "values.yaml")
    };
    let mut files = scene.files();
    files.retain(|(name, _)| kept(name));
    let size = chartgen_lint::release_size(&text, &files);
    // What Kubernetes counts, and refuses above 1 MiB.
    let in_secret = size.compressed * 4 / 3;
    assert!(in_secret < 700_000, "{in_secret} of {size:?}");
}
