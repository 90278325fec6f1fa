//! The API server refuses bad input by itself, and says which field broke which rule.
#![allow(clippy::expect_used, clippy::panic, reason = "test code")]
#![allow(
    clippy::needless_pass_by_value,
    reason = "json! values read best in place"
)]
#![allow(clippy::too_many_lines, reason = "the cases are one table")]

use fleet_api::Deployment;
use fleet_testbed::Testbed;
use kube::Client;
use kube::api::{Api, PostParams};
use serde_json::{Value, json};

fn deployment(name: &str, spec: Value) -> Value {
    json!({
        "apiVersion": "fleet.nationtech.io/v1alpha1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": spec,
    })
}

/// A spec with this one service, for devices labelled `site=lab`.
fn spec(service: Value) -> Value {
    json!({
        "targetSelector": {"matchLabels": {"site": "lab"}},
        "score": {"PodmanV0": {"services": [service]}},
    })
}

/// A valid service with `fields` added or replaced.
fn service(fields: Value) -> Value {
    let mut service = json!({"name": "web", "image": "registry.example/web:v1"});
    for (key, value) in fields.as_object().expect("an object") {
        service[key] = value.clone();
    }
    service
}

/// What the API server says to an object, as `kubectl apply` would send it (strict, dry run).
async fn answer(client: &Client, object: &Value) -> Result<(), String> {
    let path = "/apis/fleet.nationtech.io/v1alpha1/namespaces/default/deployments";
    let request = http::Request::post(format!("{path}?dryRun=All&fieldValidation=Strict"))
        .header("content-type", "application/json")
        .body(object.to_string().into_bytes())
        .expect("a request");
    match client.request::<Value>(request).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) => Err(status.message),
        Err(other) => panic!("{other:?}"),
    }
}

/// Name of the case, the object, and what the refusal must mention.
fn refused() -> Vec<(&'static str, Value, &'static [&'static str])> {
    let port = |port: Value| spec(service(json!({"ports": [port]})));
    let two = |a: Value, b: Value| json!({"targetAll": true, "score": {"PodmanV0": {"services": [a, b]}}});
    let web = || service(json!({}));
    let volume = |volume: Value| spec(service(json!({"volumes": [volume]})));
    vec![
        (
            "dotted name",
            deployment("a.b", spec(web())),
            &["metadata.name", "RFC 1123 label"],
        ),
        (
            "long name",
            deployment(&"x".repeat(64), spec(web())),
            &["metadata.name"],
        ),
        (
            "empty selector",
            deployment("d", json!({"score": spec(web())["score"]})),
            &["targetSelector is empty", "targetAll"],
        ),
        (
            "no score",
            deployment("d", json!({"targetAll": true})),
            &["spec.score", "Required"],
        ),
        (
            "no services",
            deployment(
                "d",
                json!({"targetAll": true, "score": {"PodmanV0": {"services": []}}}),
            ),
            &["services", "at least 1"],
        ),
        (
            "unknown runtime",
            deployment("d", json!({"targetAll": true, "score": {"DockerV9": {}}})),
            &["DockerV9"],
        ),
        (
            "unknown field",
            deployment("d", spec(service(json!({"imagee": "x"})))),
            &["imagee", "unknown field"],
        ),
        (
            "duplicate service",
            deployment("d", two(web(), web())),
            &["services[1]", "Duplicate value"],
        ),
        (
            "bad service name",
            deployment("d", spec(service(json!({"name": "A.B"})))),
            &["services[0].name", "should match"],
        ),
        (
            "bad image",
            deployment("d", spec(service(json!({"image": "web v1"})))),
            &["services[0].image", "should match"],
        ),
        (
            "port 0",
            deployment("d", port(json!({"hostPort": 0, "containerPort": 80}))),
            &["hostPort", "greater than or equal to 1"],
        ),
        (
            "port 65536",
            deployment("d", port(json!({"hostPort": 65536, "containerPort": 80}))),
            &["hostPort", "less than or equal to 65535"],
        ),
        (
            "bad host ip",
            deployment(
                "d",
                port(json!({"hostPort": 1, "containerPort": 1, "hostIp": "here"})),
            ),
            &["hostIp", "IPv4 or IPv6"],
        ),
        (
            "bad protocol",
            deployment(
                "d",
                port(json!({"hostPort": 1, "containerPort": 1, "protocol": "tcp"})),
            ),
            &["protocol", "Unsupported value"],
        ),
        (
            "volume without source",
            deployment("d", volume(json!({"mountPath": "/d"}))),
            &["volumes[0]", "exactly one of named, bind and tmpfs"],
        ),
        (
            "volume with two sources",
            deployment(
                "d",
                volume(json!({"mountPath": "/d", "named": "v", "bind": "/x"})),
            ),
            &["volumes[0]", "exactly one of named, bind and tmpfs"],
        ),
        (
            "relative mount",
            deployment("d", volume(json!({"mountPath": "d", "named": "v"}))),
            &["mountPath", "should match"],
        ),
        (
            "healthcheck of no kind",
            deployment("d", spec(service(json!({"healthcheck": {}})))),
            &["healthcheck", "exactly one of command and http"],
        ),
        (
            "bad environment name",
            deployment("d", spec(service(json!({"env": {"1A": "x"}})))),
            &["env", "environment variables"],
        ),
        (
            "bad memory",
            deployment(
                "d",
                spec(service(json!({"resources": {"memory": "1.5Gi"}}))),
            ),
            &["resources.memory", "should match"],
        ),
        (
            "unknown dependency",
            deployment("d", spec(service(json!({"dependsOn": ["db"]})))),
            &["dependsOn must name other services"],
        ),
        (
            "own dependency",
            deployment("d", spec(service(json!({"dependsOn": ["web"]})))),
            &["dependsOn must name other services"],
        ),
        (
            "reserved label",
            deployment(
                "d",
                spec(service(json!({"labels": {"fleet.nationtech.io/x": "y"}}))),
            ),
            &["labels", "set by the agent"],
        ),
        (
            "In without values",
            deployment(
                "d",
                json!({"targetSelector": {"matchExpressions": [{"key": "a", "operator": "In"}]}, "score": spec(web())["score"]}),
            ),
            &["matchExpressions[0]", "values must be given"],
        ),
        (
            "Exists with values",
            deployment(
                "d",
                json!({"targetSelector": {"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["b"]}]}, "score": spec(web())["score"]}),
            ),
            &["matchExpressions[0]", "must be absent"],
        ),
        (
            "unknown operator",
            deployment(
                "d",
                json!({"targetSelector": {"matchExpressions": [{"key": "a", "operator": "Gt", "values": ["1"]}]}, "score": spec(web())["score"]}),
            ),
            &["operator", "Unsupported value"],
        ),
        (
            "bad label value",
            deployment(
                "d",
                json!({"targetSelector": {"matchLabels": {"a": "b c"}}, "score": spec(web())["score"]}),
            ),
            &["matchLabels", "should match"],
        ),
        (
            "long label key",
            deployment(
                "d",
                json!({"targetSelector": {"matchLabels": {"x".repeat(64): "c"}}, "score": spec(web())["score"]}),
            ),
            &["matchLabels", "label keys"],
        ),
        (
            "bad label key",
            deployment(
                "d",
                json!({"targetSelector": {"matchLabels": {"a b": "c"}}, "score": spec(web())["score"]}),
            ),
            &["matchLabels", "label keys"],
        ),
        (
            "oversize file",
            deployment(
                "d",
                spec(service(
                    json!({"files": [{"path": "/f", "content": "x".repeat(131_073)}]}),
                )),
            ),
            &["content", "Too long"],
        ),
    ]
}

fn accepted() -> Vec<(&'static str, Value)> {
    let old: Value = serde_json::from_str(include_str!("../../contracts/tests/data/v1-score.json"))
        .expect("json");
    vec![
        ("the smallest", deployment("d", spec(service(json!({}))))),
        (
            "every device",
            deployment(
                "d",
                json!({"targetAll": true, "score": spec(service(json!({})))["score"]}),
            ),
        ),
        (
            "a released version's score",
            deployment("d", json!({"targetAll": true, "score": old})),
        ),
        (
            "all four operators",
            deployment(
                "d",
                json!({"targetSelector": {"matchExpressions": [
            {"key": "a", "operator": "In", "values": ["x", ""]},
            {"key": "example.org/b", "operator": "NotIn", "values": ["y"]},
            {"key": "c", "operator": "Exists"},
            {"key": "d", "operator": "DoesNotExist"},
        ]}, "score": spec(service(json!({})))["score"]}),
            ),
        ),
    ]
}

#[tokio::test]
async fn bad_input_is_refused_with_field_and_rule() {
    let bed = Testbed::builder("admission")
        .control_plane()
        .start()
        .await
        .expect("starts");
    let client = bed.kube_client().await.expect("connects");
    bed.install_crds().await.expect("installed");
    for (case, object) in accepted() {
        assert_eq!(answer(&client, &object).await, Ok(()), "{case}");
    }
    let mut wrong = Vec::new();
    for (case, object, mentions) in refused() {
        match answer(&client, &object).await {
            Ok(()) => wrong.push(format!("{case}: was taken")),
            Err(message) => wrong.extend(
                mentions
                    .iter()
                    .filter(|text| !message.contains(**text))
                    .map(|text| format!("{case}: no {text:?} in {message}")),
            ),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    reads_back_as_written(client).await;
}

/// What the typed client writes comes back the same: the schema prunes nothing the types hold.
async fn reads_back_as_written(client: Client) {
    let api: Api<Deployment> = Api::namespaced(client, "default");
    let (_, object) = accepted().swap_remove(2);
    let wanted: Deployment = serde_json::from_value(object).expect("typed");
    let stored = api
        .create(&PostParams::default(), &wanted)
        .await
        .expect("stored");
    assert_eq!(stored.spec, wanted.spec);
    assert_eq!(stored.spec.score.revision(), wanted.spec.score.revision());
}
