//! The validators of `chartgen-lint` say what real servers say: Pod Security itself, and
//! restricted-v2 as admission policies. Every pod of the validators' own table is asked about.
#![allow(clippy::expect_used, clippy::panic, reason = "test code")]
#![allow(
    clippy::needless_pass_by_value,
    clippy::enum_glob_use,
    clippy::too_many_lines,
    reason = "the cases are one table"
)]

#[path = "../../chartgen/lint/tests/pods/mod.rs"]
mod pods;

use std::time::Duration;

use chartgen_lint::Rule;
use chartgen_lint::pod::{Pod, Range, openshift, restricted};
use fleet_e2e::scc::{self, IdRange};
use fleet_testbed::Testbed;
use fleet_testbed::wait::until;
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use kube::Client;
use kube::api::{Api, PostParams};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(60);
const POD_SECURITY: &str = "pod-security";
const OPENSHIFT: &str = "openshift";

/// A namespace with its default service account: without it the API server refuses pods.
async fn namespace(client: &Client, name: &str, label: (&str, &str)) {
    let (key, value) = label;
    let object = json!({"metadata": {"name": name, "labels": {key: value}}});
    let object: Namespace = serde_json::from_value(object).expect("typed");
    let api: Api<Namespace> = Api::all(client.clone());
    api.create(&PostParams::default(), &object)
        .await
        .expect("created");
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), name);
    let there = until(LIMIT, || async { accounts.get("default").await.is_ok() }).await;
    assert!(there, "{name} has no service account");
}

/// What the API server says to a pod, without keeping it: the pod it would store, or why not.
async fn answer(client: &Client, namespace: &str, pod: &Value) -> Result<Value, String> {
    let path = format!("/api/v1/namespaces/{namespace}/pods?dryRun=All&fieldValidation=Strict");
    send(client, http::Method::POST, &path, "application/json", pod).await
}

async fn send(
    client: &Client,
    method: http::Method,
    path: &str,
    content_type: &str,
    body: &Value,
) -> Result<Value, String> {
    let request = http::Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", content_type)
        .body(body.to_string().into_bytes())
        .expect("a request");
    match client.request::<Value>(request).await {
        Ok(pod) => Ok(pod),
        Err(kube::Error::Api(status)) => Err(status.message),
        Err(other) => panic!("{other:?}"),
    }
}

/// Both verdicts agree, and a refusal is about what it should be about.
fn compare(case: &str, refused: bool, answer: &Result<Value, String>, by: &str) -> Option<String> {
    match (refused, answer) {
        (false, Ok(_)) => None,
        (true, Err(message)) if message.contains(by) => None,
        (true, Ok(_)) => Some(format!("{case}: the validator refuses it, {by} does not")),
        (_, Err(message)) => Some(format!(
            "{case}: validator refuses {refused}, {by}: {message}"
        )),
    }
}

/// The rules that Pod Security names in its answer.
fn reasons(answer: &Result<Value, String>) -> Vec<Rule> {
    let Err(message) = answer else {
        return Vec::new();
    };
    let mut rules: Vec<_> = [
        (Rule::PsaHostNamespaces, "host namespaces ("),
        (Rule::PsaPrivileged, " privileged ("),
        (Rule::PsaCapabilities, "unrestricted capabilities ("),
        (Rule::PsaVolumes, "restricted volume types ("),
        (Rule::PsaHostPorts, "hostPort ("),
        (Rule::PsaHostProbes, "probe or lifecycle host ("),
        (Rule::PsaAppArmor, "forbidden AppArmor profile"),
        (Rule::PsaSeLinux, "seLinuxOptions ("),
        (Rule::PsaProcMount, "procMount ("),
        (Rule::PsaSysctls, "forbidden sysctls ("),
        (Rule::PsaWindowsHostProcess, "hostProcess ("),
        (
            Rule::PsaPrivilegeEscalation,
            "allowPrivilegeEscalation != false (",
        ),
        (Rule::PsaRunAsNonRoot, "runAsNonRoot != true ("),
        (Rule::PsaRunAsUser, "runAsUser=0 ("),
        (Rule::PsaSeccomp, "seccompProfile ("),
    ]
    .into_iter()
    .filter(|(_, reason)| message.contains(reason))
    .map(|(rule, _)| rule)
    .collect();
    rules.sort();
    rules
}

fn is_windows(pod: &Value) -> bool {
    pod["spec"]["os"]["name"] == "windows"
}

#[tokio::test]
async fn the_validators_say_what_pod_security_and_restricted_v2_say() {
    let bed = Testbed::builder("pod-admission")
        .control_plane()
        .start()
        .await
        .expect("starts");
    let client = bed.kube_client().await.expect("connects");
    let enforce = ("pod-security.kubernetes.io/enforce", "restricted");
    namespace(&client, POD_SECURITY, enforce).await;
    namespace(&client, OPENSHIFT, scc::NAMESPACE_LABEL).await;
    let ids = IdRange::default();
    scc::install(&client, ids).await.expect("installed");
    in_force(&client).await;
    let range = Range {
        start: ids.start,
        size: ids.size,
        level: None,
    };
    let mut wrong = Vec::new();
    for case in pods::cases() {
        let refused = !restricted::check(Pod::of(&case.pod)).is_empty();
        let said = answer(&client, POD_SECURITY, &case.pod).await;
        wrong.extend(compare(case.name, refused, &said, "violates PodSecurity"));
        let mut wanted = case.restricted.clone();
        wanted.sort();
        wanted.dedup();
        let given = reasons(&said);
        if given != wanted {
            wrong.push(format!("{}: Pod Security says {given:?}", case.name));
        }
        // What restricted-v2 fills in is invalid on Windows.
        if is_windows(&case.pod) {
            continue;
        }
        let admitted = openshift::admit(&case.pod, &range);
        assert_eq!(
            admitted.is_err(),
            !case.openshift.is_empty(),
            "{}",
            case.name
        );
        let said = answer(&client, OPENSHIFT, &case.pod).await;
        wrong.extend(compare(
            case.name,
            admitted.is_err(),
            &said,
            "restricted-v2",
        ));
        if let (Ok(wanted), Ok(stored)) = (&admitted, &said) {
            wrong.extend(same_security(case.name, wanted, stored));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    debugging_containers(&client).await;
}

/// Policies take effect a moment after they were written: both must be seen working.
async fn in_force(client: &Client) {
    let mut privileged = pods::good();
    privileged["spec"]["hostNetwork"] = json!(true);
    let works = until(LIMIT, || async {
        let filled = answer(client, OPENSHIFT, &pods::good()).await;
        let filled = filled.is_ok_and(|pod| pod["spec"]["securityContext"]["fsGroup"].is_number());
        filled && answer(client, OPENSHIFT, &privileged).await.is_err()
    })
    .await;
    assert!(works, "the policies have no effect");
}

/// What the validator's model of OpenShift fills in is what the policies fill in.
fn same_security(case: &str, wanted: &Value, stored: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut same = |place: String| {
        let wanted = wanted.pointer(&place);
        let mut stored = stored.pointer(&place).cloned();
        // The server makes a field of the AppArmor annotation.
        if wanted.is_none_or(|wanted| wanted["appArmorProfile"].is_null())
            && let Some(context) = stored.as_mut().and_then(Value::as_object_mut)
        {
            context.remove("appArmorProfile");
        }
        // The API server writes out what is left open at the pod.
        let empty = json!({});
        if wanted.unwrap_or(&empty) != stored.as_ref().unwrap_or(&empty) {
            wrong.push(format!("{case}: {place}: {stored:?}, not {wanted:?}"));
        }
    };
    same("/spec/securityContext".to_owned());
    for list in ["containers", "initContainers"] {
        let count = wanted["spec"][list].as_array().map_or(0, Vec::len);
        for index in 0..count {
            same(format!("/spec/{list}/{index}/securityContext"));
        }
    }
    wrong
}

/// Ephemeral containers come by a subresource, to a pod that exists.
async fn debugging_containers(client: &Client) {
    for (namespace, by) in [
        (POD_SECURITY, "violates PodSecurity"),
        (OPENSHIFT, "restricted-v2"),
    ] {
        let path = format!("/api/v1/namespaces/{namespace}/pods");
        let pod = pods::good();
        send(client, http::Method::POST, &path, "application/json", &pod)
            .await
            .expect("created");
        for (security, allowed) in [
            (
                pod["spec"]["containers"][0]["securityContext"].clone(),
                true,
            ),
            (json!({"privileged": true}), false),
        ] {
            let debugger = json!([{"name": "d", "image": "registry.example/d:1", "securityContext": security}]);
            let mut with = pod.clone();
            with["spec"]["ephemeralContainers"] = debugger.clone();
            let refused = match namespace {
                POD_SECURITY => !restricted::check(Pod::of(&with)).is_empty(),
                _ => !openshift::check(Pod::of(&with), &Range::default()).is_empty(),
            };
            assert_eq!(refused, !allowed);
            let said = send(
                client,
                http::Method::PATCH,
                &format!("{path}/p/ephemeralcontainers?dryRun=All"),
                "application/strategic-merge-patch+json",
                &json!({"spec": {"ephemeralContainers": debugger}}),
            )
            .await;
            assert_eq!(compare("debugger", refused, &said, by), None);
        }
    }
}
