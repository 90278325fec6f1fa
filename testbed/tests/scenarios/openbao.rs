//! OpenBao: who gets in, what outlives a fault, and that no root token is left.

use std::fs;
use std::process::Command;

use fleet_testbed::{BaoLogin, OpenBao, Testbed};
use serde_json::{Value, json};

/// OpenBao's own command line, with an answer in JSON; the error is what it printed.
fn bao(server: &OpenBao, token: Option<&str>, args: &[&str]) -> Result<Value, String> {
    let mut command = Command::new(server.program());
    command
        .args(args)
        .env("BAO_ADDR", server.url())
        .env("BAO_CACERT", server.ca_file())
        .env("BAO_FORMAT", "json")
        .env("BAO_MAX_RETRIES", "0")
        .env("NO_PROXY", "*")
        .env_remove("VAULT_TOKEN")
        .env("BAO_TOKEN", token.unwrap_or_default());
    let output = command.output().unwrap();
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    Ok(serde_json::from_slice(&output.stdout).unwrap_or(Value::Null))
}

fn login(server: &OpenBao, login: &BaoLogin) -> Result<String, String> {
    let role = format!("role_id={}", login.role_id);
    let secret = format!("secret_id=@{}", login.secret_id_file.display());
    let args = ["write", "auth/approle/login", &role, &secret];
    let answer = bao(server, None, &args)?;
    Ok(answer["auth"]["client_token"].as_str().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn openbao_lets_its_users_in_and_keeps_what_they_wrote_over_a_kill() {
    let bed = Testbed::builder("openbao").openbao().start().await.unwrap();
    let server = bed.openbao().unwrap();
    let admin = login(server, &server.provisioner()).unwrap();

    // What the product's provisioning does, in short.
    let kv = ["secrets", "enable", "-path=kv", "kv-v2"];
    bao(server, Some(&admin), &kv).unwrap();
    let rules = [
        (
            "fleet-callout",
            json!({"path": {"kv/data/devices/*": {"capabilities": ["read"]}}}),
        ),
        (
            "fleet-enrol",
            json!({"path": {"kv/data/devices/*": {"capabilities": ["create", "update"]}}}),
        ),
    ];
    for (name, rule) in rules {
        let path = format!("sys/policies/acl/{name}");
        let policy = format!("policy={rule}");
        bao(server, Some(&admin), &["write", &path, &policy]).unwrap();
    }

    let writer = login(server, &server.enrol()).unwrap();
    let put = ["kv", "put", "-mount=kv", "devices/dev-1", "denied=no"];
    bao(server, Some(&writer), &put).unwrap();

    server.kill().await.unwrap();
    let gone = login(server, &server.callout()).unwrap_err();
    assert!(gone.contains("refused"), "{gone}");
    server.start().await.unwrap();

    // It unsealed itself; tokens and records are as they were.
    let reader = login(server, &server.callout()).unwrap();
    let get = ["kv", "get", "-mount=kv", "devices/dev-1"];
    let record = bao(server, Some(&reader), &get).unwrap();
    assert_eq!(record["data"]["data"], json!({"denied": "no"}));
    let refused = bao(server, Some(&reader), &put).unwrap_err();
    assert!(refused.contains("permission denied"), "{refused}");
    // Setting things up is not reading them.
    let refused = bao(server, Some(&admin), &get).unwrap_err();
    assert!(refused.contains("permission denied"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn openbao_has_no_root_token_and_an_audit_log_without_secrets() {
    let bed = Testbed::builder("bao-root")
        .openbao()
        .start()
        .await
        .unwrap();
    let server = bed.openbao().unwrap();
    // A first start that initialized it anew would make another one.
    server.stop().await.unwrap();
    server.start().await.unwrap();
    assert!(!server.service().log().contains("Root Token"));

    let wrong = BaoLogin {
        secret_id_file: server.callout().secret_id_file,
        ..server.provisioner()
    };
    let refused = login(server, &wrong).unwrap_err();
    assert!(refused.contains("invalid role or secret ID"), "{refused}");
    let admin = login(server, &server.provisioner()).unwrap();
    let itself = bao(server, Some(&admin), &["token", "lookup"]).unwrap();
    assert_eq!(
        itself["data"]["policies"],
        json!(["default", "fleet-provisioner"])
    );

    let audit = fs::read_to_string(server.audit_log()).unwrap();
    assert!(audit.contains("auth/approle/login"));
    let secret = fs::read_to_string(server.provisioner().secret_id_file).unwrap();
    assert!(!audit.contains(&secret) && !audit.contains(&admin));
}
