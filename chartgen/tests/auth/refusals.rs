//! What contradicts itself or is not enough is refused by both Helms, with what to do.

use serde_json::{Value, json};

use crate::scene::told;

#[allow(
    clippy::needless_pass_by_value,
    reason = "`json!` makes one for the call"
)]
#[track_caller]
fn refused(values: Value, says: &[&str]) {
    for error in told().values(values.clone()).refused() {
        for word in says {
            assert!(
                error.contains(word),
                "{values}: {word:?} is not said:\n{error}"
            );
        }
    }
}

#[test]
fn what_is_missing_is_named_with_what_to_set() {
    let empty = |path: &str| crate::scene::at(path, json!(""));
    refused(
        empty("oidc.issuer"),
        &["oidc.issuer is empty", "https://id.example"],
    );
    refused(
        empty("oidc.project"),
        &[
            "oidc.project is empty",
            "provision zitadel",
            "zitadelJob.enabled",
        ],
    );
    refused(empty("oidc.organisation"), &["oidc.organisation is empty"]);
    refused(empty("openbao.address"), &["openbao.address is empty"]);
    refused(
        json!({"enrolmentApi": {"publicUrls": []}}),
        &["enrolmentApi.publicUrls is empty"],
    );
}

#[test]
fn whom_the_job_shall_set_up_has_to_be_known() {
    let values = json!({"oidc": {"issuer": ""}, "zitadelJob": {"enabled": true}});
    refused(values, &["oidc.issuer is empty", "zitadelJob"]);
}

#[test]
fn what_contradicts_itself_is_named() {
    refused(
        json!({"oidc": {"host": "id"}}),
        &["oidc.host needs oidc.url"],
    );
    refused(
        json!({"openbao": {"external": true}}),
        &["openbao.external needs openbao.kubernetesHost"],
    );
    refused(
        json!({"metrics": {"service": {"enabled": false}, "serviceMonitor": {"enabled": true}}}),
        &["metrics.serviceMonitor.enabled needs"],
    );
}

#[test]
fn wrong_values_are_refused_by_key() {
    refused(
        json!({"callout": {"replica": 2}}),
        &["/callout", "'replica'"],
    );
    refused(
        json!({"openbao": {"address": "http://bao"}}),
        &["/openbao/address"],
    );
    refused(
        json!({"enrolmentApi": {"publicUrls": ["http://join"]}}),
        &["/enrolmentApi/publicUrls/0"],
    );
    refused(
        json!({"approval": {"rules": [{"name": "x", "deviceID": ["a"]}]}}),
        &["/approval/rules/0", "'deviceID'"],
    );
    refused(json!({"logins": {"onClone": "kill"}}), &["/logins/onClone"]);
    refused(
        json!({"enrolmentTokens": {"namespace": "a.b"}}),
        &["/enrolmentTokens/namespace"],
    );
}
