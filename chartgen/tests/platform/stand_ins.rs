//! What the parts are told, seen by stand-ins for the charts of others.

use std::num::NonZeroU32;

use fleet_chartgen::platform::{Values, names, upstream};
use fleet_keys::catalogue::{self, OPENBAO_AUDIENCE};
use serde::Serialize;
use serde_json::{Value, json};

use crate::scene::{Scene, pods, rendered, unknown};
use crate::support::{Objects, helms, path};

/// The values that the stand-in for a chart got.
fn told(objects: &Objects, chart: &str) -> Value {
    let object = objects.get(&format!("ConfigMap {chart}"));
    let text = object["data"]["values"].as_str().expect("text");
    let mut values: Value = serde_json::from_str(text).expect("JSON");
    let global = values["global"].as_object_mut().expect("a map");
    // Handed down from the top.
    global.remove("imageRegistry");
    global.remove("imagePullSecrets");
    if global.is_empty() {
        values.as_object_mut().expect("a map").remove("global");
    }
    values
}

fn json_of(values: &impl Serialize) -> Value {
    serde_json::to_value(values).expect("JSON")
}

#[test]
fn charts_of_others_get_what_is_set_here_and_nothing_else() {
    let scene = Scene::with_stand_ins();
    let objects = Objects::read(&rendered(&scene.case(None)));
    let mut values = Values::default();
    "id.example.com".clone_into(&mut values.zitadel.zitadel.configmap_config.ExternalDomain);
    assert_eq!(told(&objects, "nats"), json_of(&values.nats));
    assert_eq!(told(&objects, "openbao"), json_of(&values.openbao));
    assert_eq!(told(&objects, "zitadel"), json_of(&values.zitadel));
}

#[test]
fn what_a_user_sets_of_them_reaches_them() {
    let scene = Scene::with_stand_ins();
    let more = json!({"nats": {
        "config": {"websocket": {"enabled": true}, "jetstream": {"fileStore": {"pvc": {"size": "1Gi"}}}},
        "natsBox": {"container": {"env": {"A": "b"}}},
    }});
    let objects = Objects::read(&rendered(&scene.case(None).values(more)));
    let told = told(&objects, "nats");
    assert_eq!(told["config"]["websocket"], json!({"enabled": true}));
    let store = &told["config"]["jetstream"]["fileStore"]["pvc"];
    assert_eq!(store["size"], "1Gi");
    assert_eq!(store["merge"]["kind"], "PersistentVolumeClaim");
    assert_eq!(told["natsBox"]["enabled"], false);
    assert_eq!(told["natsBox"]["container"]["env"]["A"], "b");
}

#[test]
fn a_part_that_is_switched_off_is_not_there() {
    let scene = Scene::with_stand_ins();
    for chart in upstream::ALL {
        let name = format!("ConfigMap {}", chart.name);
        let base = Objects::read(&rendered(&scene.case(None)));
        assert!(base.0.contains_key(&name));
        let mut off = json!({chart.name: {"enabled": false}});
        if chart.name == "nats" {
            let own = json!({"nats": {"url": "nats://bus.example.com:4222"}});
            off["operator"] = own.clone();
            off["auth"] = own;
        }
        if chart.name == "openbao" {
            off["auth"] = json!({"openbao": {"address": "https://bao.example.com"}});
        }
        if chart.name == "zitadel" {
            let oidc = json!({
                "issuer": "https://id.example.com", "url": "", "project": "1", "organisation": "2",
            });
            off["auth"] = json!({"oidc": oidc, "zitadelJob": {"enabled": false}});
        }
        let objects = Objects::read(&rendered(&scene.case(None).values(off)));
        assert!(!objects.0.contains_key(&name), "{name}");
        let policy = objects.of("NetworkPolicy").count();
        assert_eq!(policy, usize::from(chart.name != "nats"));
    }
}

#[test]
fn names_do_not_depend_on_the_release() {
    let scene = Scene::with_stand_ins();
    for release in [
        "rel",
        "fleet-operator",
        "a-very-long-name-for-a-release-of-a-platform",
    ] {
        let objects = Objects::read(&rendered(&scene.case(None).release(release)));
        let operator = objects.get(&format!("Deployment {}", names::OPERATOR));
        let labels = &operator["metadata"]["labels"];
        assert_eq!(labels["app.kubernetes.io/name"], names::OPERATOR);
        assert_eq!(labels["app.kubernetes.io/instance"], release);
        let bus = format!("--nats-url={}", names::NATS_URL);
        assert!(operator.to_string().contains(&bus), "{operator}");
        let callout = objects.get(&format!("Deployment {}-callout", names::AUTH));
        assert!(callout.to_string().contains(&bus), "{callout}");
        assert_eq!(
            callout["metadata"]["labels"]["app.kubernetes.io/name"],
            names::AUTH
        );
        // Named in the README.
        let service = objects.get(&format!("Service {}-enrolment", names::AUTH));
        assert_eq!(service["spec"]["ports"][0]["port"], 8443);
    }
    assert!(names::NATS_URL.contains(&format!("//{}:", names::NATS)));
    assert!(names::OPENBAO_URL.contains(&format!("//{}:", names::OPENBAO)));
}

#[test]
fn the_job_that_sets_openbao_up_is_whom_openbao_lets_in() {
    let scene = Scene::with_stand_ins();
    let objects = Objects::read(&rendered(&scene.case(None)));
    let setup = objects
        .of("Job")
        .find(|job| job.to_string().contains("\"provision\",\"openbao\""))
        .expect("a job");
    let spec = &setup["spec"]["template"]["spec"];
    assert_eq!(spec["serviceAccountName"], names::PROVISIONER_ACCOUNT);
    let args = spec["containers"][0]["args"].to_string();
    for argument in [
        format!("--bao-role={}", names::PROVISIONER),
        format!("--bao-address={}", names::OPENBAO_URL),
        format!("--kubernetes-audience={OPENBAO_AUDIENCE}"),
    ] {
        assert!(args.contains(&argument), "{argument} is not in {args}");
    }
    let told = told(&objects, "openbao");
    let config = told["server"]["standalone"]["config"].as_str();
    let config = config.expect("text");
    let account = format!(
        "bound_service_account_names = [\"{}\"]",
        names::PROVISIONER_ACCOUNT
    );
    assert!(config.contains(&account), "{config}");
    let audience = format!("audience = \"{OPENBAO_AUDIENCE}\"");
    assert!(config.contains(&audience), "{config}");
    assert!(config.contains(&format!("auth/kubernetes/role/{}", names::PROVISIONER)));
    // The authority that the job trusts is in the Secret with the server's certificate.
    let mounted = spec["volumes"].to_string();
    assert!(mounted.contains(names::OPENBAO_TLS), "{mounted}");
    assert!(
        told["server"]["extraVolumes"]
            .to_string()
            .contains(names::OPENBAO_TLS)
    );
}

#[test]
fn the_keys_that_others_mount_are_those_that_the_job_makes() {
    let scene = Scene::with_stand_ins();
    let objects = Objects::read(&rendered(&scene.case(None)));
    let jobs: Vec<_> = objects
        .of("Job")
        .map(|job| &job["spec"]["template"]["spec"]["containers"][0]["args"])
        .filter_map(|args| args.as_array())
        .filter(|args| args.starts_with(&[json!("secrets"), json!("ensure")]))
        .flatten()
        .collect();
    let host = format!("--openbao-host={}", names::OPENBAO);
    for argument in [host.as_str(), "--zitadel-masterkey-only", "--seal-number=1"] {
        assert!(
            jobs.iter().any(|a| *a == argument),
            "{argument} is not in {jobs:?}"
        );
    }
    let mounted: Vec<_> = told(&objects, "openbao")["server"]["extraVolumes"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|volume| volume["name"].as_str().expect("a name").to_owned())
        .collect();
    let made = [
        catalogue::OPENBAO_TLS_NAME.to_owned(),
        catalogue::seal_secret(NonZeroU32::MIN),
    ];
    assert_eq!(mounted, made);
    let zitadel = &told(&objects, "zitadel")["zitadel"];
    assert_eq!(zitadel["masterkeySecretName"], catalogue::ZITADEL_NAME);
}

#[test]
fn images_are_taken_from_one_registry_for_all_of_ours() {
    let scene = Scene::with_stand_ins();
    let mirror = json!({"global": {
        "imageRegistry": "mirror.example.com/x", "imagePullSecrets": [{"name": "mirror"}],
    }});
    let objects = Objects::read(&rendered(&scene.case(None).values(mirror)));
    for (name, spec) in pods(&objects) {
        let image = spec["containers"][0]["image"].as_str().expect("text");
        assert!(
            image.starts_with("mirror.example.com/x/fleet-"),
            "{name}: {image}"
        );
        assert_eq!(
            spec["imagePullSecrets"],
            json!([{"name": "mirror"}]),
            "{name}"
        );
    }
}

#[test]
fn helms_linter_finds_nothing() {
    let scene = Scene::with_stand_ins();
    let chart = scene.chart();
    let values = chart.join("unknown.json");
    std::fs::write(&values, unknown().to_string()).expect("written");
    for helm in helms() {
        for profile in [
            "",
            "values-ha.yaml",
            "values-okd.yaml",
            "values-external.yaml",
            "values-airgap.yaml",
        ] {
            let file = chart.join(profile);
            let file = if profile.is_empty() { &values } else { &file };
            let args = [
                "lint",
                "--strict",
                path(&chart),
                "--values",
                path(&values),
                "--values",
                path(file),
            ];
            let said = helm.run(&args).expect("no warnings");
            assert!(!said.contains("[WARNING]"), "{said}");
        }
    }
}
