//! An OpenBao, its command line, and `fleet-auth` towards it.

use std::process::{Command, Output};

use fleet_auth::bao::{BaoLogin, BaoSettings};
use fleet_testbed::{OpenBao, Testbed, program};
use serde_json::Value;

/// A testbed with nothing but OpenBao.
pub(crate) async fn bed(name: &str) -> Testbed {
    let bed = Testbed::builder(name).openbao().start().await;
    bed.expect("a testbed")
}

/// OpenBao's own command line as one of its users; the answer in JSON, or what it printed.
pub(crate) fn bao(
    server: &OpenBao,
    login: &fleet_testbed::BaoLogin,
    args: &[&str],
) -> Result<Value, String> {
    let role = format!("role_id={}", login.role_id);
    let secret = format!("secret_id=@{}", login.secret_id_file.display());
    let entry = ["write", "auth/approle/login", &role, &secret];
    let token = call(server, "", &entry)?["auth"]["client_token"].clone();
    call(server, token.as_str().expect("a token"), args)
}

/// OpenBao's own command line with a token; the answer in JSON, or what it printed.
pub(crate) fn call(server: &OpenBao, token: &str, args: &[&str]) -> Result<Value, String> {
    let output = Command::new(server.program())
        .args(args)
        .env("BAO_ADDR", server.url())
        .env("BAO_CACERT", server.ca_file())
        .env("BAO_FORMAT", "json")
        .env("BAO_MAX_RETRIES", "0")
        .env("BAO_TOKEN", token)
        .env("NO_PROXY", "*")
        .output()
        .expect("the program runs");
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    Ok(serde_json::from_slice(&output.stdout).unwrap_or(Value::Null))
}

/// `fleet-auth provision openbao` as the provisioner.
pub(crate) fn provision(server: &OpenBao, args: &[&str]) -> Output {
    provisioning(server, args)
        .output()
        .expect("the program runs")
}

/// The same, to be started.
pub(crate) fn provisioning(server: &OpenBao, args: &[&str]) -> Command {
    let login = server.provisioner();
    let mut command = Command::new(program("fleet-auth").expect("built"));
    command
        .args(["provision", "openbao", "--bao-address", &server.url()])
        .arg("--bao-ca-file")
        .arg(server.ca_file())
        .args(["--bao-approle-id", &login.role_id])
        .arg("--bao-approle-secret-file")
        .arg(login.secret_id_file)
        .args(args);
    command
}

/// What it printed, line by line; it must have succeeded.
pub(crate) fn provisioned(server: &OpenBao, args: &[&str]) -> Vec<String> {
    let output = provision(server, args);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    assert!(
        errors.is_empty(),
        "what is expected is not worth a line: {errors}"
    );
    let text = String::from_utf8(output.stdout).expect("text");
    text.lines().map(str::to_owned).collect()
}

/// The callout's way in.
pub(crate) fn reader(server: &OpenBao) -> BaoSettings {
    let login = server.callout();
    BaoSettings {
        address: server.url(),
        ca_file: Some(server.ca_file()),
        login: BaoLogin::AppRole {
            role_id: login.role_id,
            secret_id_file: login.secret_id_file,
        },
    }
}

/// Decides about a device, as the enrolment service does.
pub(crate) fn decide(server: &OpenBao, device: &str, policy: &Value) {
    let path = format!("kv/data/devices/{device}");
    let record = server.ca_file().with_file_name(format!("{device}.json"));
    let content = serde_json::json!({"data": policy}).to_string();
    std::fs::write(&record, content).expect("written");
    let record = format!("@{}", record.display());
    let written = bao(server, &server.enrol(), &["write", &path, &record]);
    written.expect("written");
}

/// Deletes the record of a device. Nobody of the fleet may, so an administrator lets the enrolment service.
pub(crate) fn delete(server: &OpenBao, device: &str) {
    let path = format!("kv/data/devices/{device}");
    let rules = format!(r#"policy=path "{path}" {{ capabilities = ["delete"] }}"#);
    let policy = ["write", "sys/policies/acl/fleet-enrol", &rules];
    bao(server, &server.provisioner(), &policy).expect("written");
    bao(server, &server.enrol(), &["delete", &path]).expect("deleted");
    provisioned(server, &[]);
}
