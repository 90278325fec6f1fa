//! OpenBao as its administrators use it: `fleet-auth provision` and its own command line.

use std::path::PathBuf;

use fleet_testbed::{BaoLogin, OpenBao, Testbed};
use serde_json::{Value, json};

use crate::Error;
use crate::command::Command;

/// Sets up mounts and policies, as an installation does.
pub(super) async fn provision(bed: &Testbed) -> Result<(), Error> {
    let server = bed.openbao()?;
    let login = server.provisioner();
    Command::ours("fleet-auth")?
        .args(["provision", "openbao"])
        .args(login_options(server, &login))
        .run()
        .await
        .map(drop)
}

/// The options by which our programs find OpenBao and log in there.
pub(super) fn login_options(server: &OpenBao, login: &BaoLogin) -> Vec<String> {
    let path = |path: PathBuf| path.display().to_string();
    vec![
        "--bao-address".to_owned(),
        server.url(),
        "--bao-ca-file".to_owned(),
        path(server.ca_file()),
        "--bao-approle-id".to_owned(),
        login.role_id.clone(),
        "--bao-approle-secret-file".to_owned(),
        path(login.secret_id_file.clone()),
    ]
}

/// Lets devices in, each with a policy of its own that restricts nothing.
pub(super) async fn admit(bed: &Testbed, devices: &[&str]) -> Result<(), Error> {
    let server = bed.openbao()?;
    let token = log_in(server, &server.enrol()).await?;
    let record = bed.folder().join("policy.json");
    let content = json!({"data": {"enabled": true}}).to_string();
    std::fs::write(&record, content)
        .map_err(|e| Error::Unexpected(format!("cannot write {}: {e}", record.display())))?;
    for device in devices {
        bao(server, &token)
            .args(["write".to_owned(), format!("kv/data/devices/{device}")])
            .args([format!("@{}", record.display())])
            .run()
            .await?;
    }
    Ok(())
}

async fn log_in(server: &OpenBao, login: &BaoLogin) -> Result<String, Error> {
    let answer = bao(server, "")
        .args(["write".to_owned(), "auth/approle/login".to_owned()])
        .args([format!("role_id={}", login.role_id)])
        .args([format!("secret_id=@{}", login.secret_id_file.display())])
        .run()
        .await?;
    let answer: Value = serde_json::from_str(&answer).unwrap_or_default();
    let token = answer["auth"]["client_token"].as_str();
    token
        .map(str::to_owned)
        .ok_or_else(|| Error::Unexpected("OpenBao gave no token".to_owned()))
}

fn bao(server: &OpenBao, token: &str) -> Command {
    Command::new(server.program())
        .env("BAO_ADDR", server.url())
        .env("BAO_CACERT", server.ca_file().display().to_string())
        .env("BAO_FORMAT", "json")
        .env("BAO_TOKEN", token)
        .env("NO_PROXY", "*")
}
