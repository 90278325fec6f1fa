//! Names and labels, whatever a release is called and whatever else is installed beside it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::{Case, NAMESPACE, Objects};

/// A name as long as Helm lets a release have.
const LONGEST: &str = "a-release-whose-name-is-as-long-as-helm-lets-it-be-53";

/// What the API server, selectors and labels ask of names, of all objects but the definitions.
fn check(objects: &Objects) {
    for (name, object) in &objects.0 {
        if object["kind"] == "CustomResourceDefinition" {
            continue;
        }
        let metadata = &object["metadata"];
        let own = metadata["name"].as_str().expect("a name that is text");
        // Only roles may be longer.
        assert!(
            own.len() <= 63 || object["kind"] == "ClusterRole",
            "{name} is longer than a label may be"
        );
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
        assert!(own.chars().all(fits), "{name}");
        assert!(
            own.starts_with(|c: char| c.is_ascii_alphanumeric())
                && own.ends_with(|c: char| c.is_ascii_alphanumeric()),
            "{name}"
        );
        let cluster = ["ClusterRole", "ClusterRoleBinding"];
        let namespaced = !cluster.contains(&object["kind"].as_str().expect("text"));
        let namespace = namespaced.then(|| Value::from(NAMESPACE));
        assert_eq!(metadata.get("namespace"), namespace.as_ref(), "{name}");
        for (label, value) in metadata["labels"].as_object().expect("labels") {
            let value = value.as_str().unwrap_or_else(|| panic!("{name}: {label}"));
            assert!(value.len() <= 63, "{name}: {label}");
        }
        assert_eq!(metadata["labels"]["app.kubernetes.io/managed-by"], "Helm");
    }
}

/// All references between objects lead to objects of the same release.
fn check_references(objects: &Objects) {
    let account = objects.only("ServiceAccount")["metadata"]["name"].clone();
    assert_eq!(objects.pod()["serviceAccountName"], account);
    for binding in objects
        .of("ClusterRoleBinding")
        .chain(objects.of("RoleBinding"))
    {
        assert_eq!(binding["subjects"][0]["name"], account);
        assert_eq!(binding["subjects"][0]["namespace"], NAMESPACE);
        let role = &binding["roleRef"];
        let role = format!(
            "{} {}",
            role["kind"].as_str().expect("text"),
            role["name"].as_str().expect("text")
        );
        objects.get(&role);
    }
    let lease = objects.only("Role")["rules"][1]["resourceNames"][0].clone();
    let flag = format!("--lease-name={}", lease.as_str().expect("text"));
    assert!(objects.args().contains(&flag.as_str()), "{flag}");
    let labels = &objects.deployment()["spec"]["template"]["metadata"]["labels"];
    let selects = |selector: &Value| {
        let selector = selector.as_object().expect("labels");
        assert!(!selector.is_empty());
        selector.iter().all(|(key, value)| labels[key] == *value)
    };
    assert!(selects(
        &objects.deployment()["spec"]["selector"]["matchLabels"]
    ));
    assert!(selects(&objects.only("Service")["spec"]["selector"]));
}

#[test]
fn releases_may_have_any_name_that_helm_lets_them_have() {
    assert_eq!(LONGEST.len(), 53);
    let names = [
        (
            LONGEST,
            "a-release-whose-name-is-as-long-as-helm-lets-it-be-53-fleet-ope",
        ),
        ("n", "n-fleet-operator"),
        ("y", "y-fleet-operator"),
        ("on", "on-fleet-operator"),
        ("null", "null-fleet-operator"),
        ("1e3", "1e3-fleet-operator"),
        ("web-1.5", "web-1-5-fleet-operator"),
        ("0x10", "0x10-fleet-operator"),
        ("12", "12-fleet-operator"),
        ("fleet-operator", "fleet-operator"),
        ("my-fleet-operator-2", "my-fleet-operator-2"),
    ];
    for (release, expected) in names {
        let objects = Case::operator().release(release).objects();
        check(&objects);
        check_references(&objects);
        let deployment = objects.deployment();
        assert_eq!(deployment["metadata"]["name"], expected, "{release}");
        let selector = json!({
            "app.kubernetes.io/name": "fleet-operator",
            "app.kubernetes.io/instance": release,
        });
        assert_eq!(deployment["spec"]["selector"]["matchLabels"], selector);
        let definitions = Case::crds().release(release).objects();
        for definition in definitions.0.values() {
            let labels = &definition["metadata"]["labels"];
            assert_eq!(labels["app.kubernetes.io/instance"], release);
        }
    }
}

#[test]
fn a_full_name_is_taken_as_it_is_and_a_name_joins_the_release() {
    let full = Case::operator().values(json!({"fullnameOverride": "fleet"}));
    let full = full.objects();
    check_references(&full);
    assert_eq!(full.deployment()["metadata"]["name"], "fleet");
    full.get("Service fleet-metrics");
    full.get("ClusterRole fleet-devices-viewer");

    let name = Case::operator().values(json!({"nameOverride": "op"}));
    let name = name.objects();
    check_references(&name);
    assert_eq!(name.deployment()["metadata"]["name"], "rel-op");
    let labels = &name.deployment()["spec"]["selector"]["matchLabels"];
    assert_eq!(labels["app.kubernetes.io/name"], "op");

    let long = "x".repeat(63);
    let long = Case::operator().values(json!({"fullnameOverride": long}));
    let long = long.objects();
    check(&long);
    check_references(&long);
}

#[test]
fn an_existing_service_account_is_used_by_pods_and_bindings() {
    let own = Case::operator().values(json!({"serviceAccount": {"name": "robot"}}));
    let own = own.objects();
    check_references(&own);
    assert_eq!(own.only("ServiceAccount")["metadata"]["name"], "robot");
    let existing = Case::operator()
        .values(json!({"serviceAccount": {"create": false, "name": "robot"}}))
        .warns(chartgen_lint::Rule::RbacSubjectMissing);
    let existing = existing.objects();
    assert_eq!(existing.of("ServiceAccount").count(), 0);
    assert_eq!(existing.pod()["serviceAccountName"], "robot");
    for kind in ["ClusterRoleBinding", "RoleBinding"] {
        assert_eq!(existing.only(kind)["subjects"][0]["name"], "robot");
    }
}

#[test]
fn two_releases_share_no_object_but_the_definitions() {
    let names = |release: &str| -> BTreeSet<String> {
        let case = crate::toggles::everything_on().release(release);
        case.objects().0.into_keys().collect()
    };
    // The longest ones differ in their last letter only.
    let pairs = [("blue", "green"), ("fleet", "fleet-operator"), ("a", "a-a")];
    for (one, other) in pairs {
        let shared: Vec<_> = names(one).intersection(&names(other)).cloned().collect();
        let definitions = |name: &String| name.starts_with("CustomResourceDefinition ");
        assert!(shared.iter().all(definitions), "{one}, {other}: {shared:?}");
    }
}

#[test]
fn two_releases_with_long_names_share_no_object_but_the_definitions() {
    let names = |last: &str| -> BTreeSet<String> {
        let release = format!("{}{last}", &LONGEST[..52]);
        let case = crate::toggles::everything_on().release(&release);
        case.objects().0.into_keys().collect()
    };
    let shared: Vec<_> = names("1").intersection(&names("2")).cloned().collect();
    let definitions = |name: &String| name.starts_with("CustomResourceDefinition ");
    assert!(shared.iter().all(definitions), "{shared:?}");
}
