//! Of the identity provider that the platform brings nothing has to be told but its host.

use serde_json::{Value, json};

use crate::scene::{Scene, rendered};
use crate::support::Objects;

/// The issuer that others are told, with Zitadel's own configuration.
fn issuer(config: &Value) -> Value {
    let scene = Scene::with_stand_ins();
    let values = json!({"zitadel": {"zitadel": {"configmapConfig": config}}});
    let objects = Objects::read(&rendered(&scene.case(None).values(values)));
    objects.get("ConfigMap fleet-zitadel-issuer")["data"]["issuer"].clone()
}

#[test]
fn the_issuer_is_what_zitadel_makes_of_its_configuration() {
    let cases = [
        (json!({}), "https://id.example.com"),
        (json!({"ExternalDomain": "id.lan"}), "https://id.lan"),
        (json!({"ExternalPort": 8443}), "https://id.example.com:8443"),
        (
            json!({"ExternalSecure": false, "ExternalPort": 80}),
            "http://id.example.com",
        ),
        (
            json!({"ExternalSecure": false}),
            "http://id.example.com:443",
        ),
    ];
    for (config, wanted) in cases {
        assert_eq!(issuer(&config), wanted);
    }
}

#[test]
fn all_who_ask_it_know_its_service_and_wait_for_what_is_found_out() {
    let scene = Scene::with_stand_ins();
    let objects = Objects::read(&rendered(&scene.case(None)));
    let pod = |object: &Value| object["spec"]["template"]["spec"]["containers"][0].to_string();
    let deployment = |name: &str| pod(objects.get(&format!("Deployment fleet-auth-{name}")));
    let [callout, enrolment] = ["callout", "enrolment"].map(deployment);
    let is_it = |job: &&Value| pod(job).contains("\"provision\",\"zitadel\"");
    let job = pod(objects.of("Job").find(is_it).expect("the Job"));
    for pod in [&callout, &enrolment, &job] {
        assert!(pod.contains("--idp-url=http://fleet-zitadel:8080"), "{pod}");
        assert!(!pod.contains("--oidc-issuer"), "{pod}");
    }
    assert!(job.contains("fleet-zitadel-issuer") && !job.contains("fleet-identity\",\"key"));
    for pod in [&callout, &enrolment] {
        assert!(pod.contains(r#""name":"fleet-identity""#), "{pod}");
    }
}
