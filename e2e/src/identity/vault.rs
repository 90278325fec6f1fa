//! OpenBao as its administrators set it up.

use std::path::PathBuf;

use fleet_testbed::{BaoLogin, OpenBao, Testbed};
use serde_json::Value;

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

/// Changes a device's policy record as a person does: what is not named stays.
pub(super) async fn patch_policy(bed: &Testbed, device: &str, change: &Value) -> Result<(), Error> {
    let server = bed.openbao()?;
    let login = server.enrol();
    let answer = bao(server)
        .args(["write", "-format=json", "auth/approle/login"])
        .args([format!("role_id={}", login.role_id)])
        .args([format!("secret_id=@{}", login.secret_id_file.display())])
        .run()
        .await?;
    let answer: Value = serde_json::from_str(&answer).unwrap_or_default();
    let token = answer["auth"]["client_token"].as_str().unwrap_or_default();
    let file = bed.folder().join(format!("{device}-policy.json"));
    std::fs::write(&file, change.to_string())
        .map_err(|e| Error::Unexpected(format!("cannot write {}: {e}", file.display())))?;
    bao(server)
        .env("BAO_TOKEN", token)
        .args(["kv", "patch", "-method=rw", "-mount=kv"])
        .args([format!("devices/{device}"), format!("@{}", file.display())])
        .run()
        .await
        .map(drop)
}

fn bao(server: &OpenBao) -> Command {
    Command::new(server.program())
        .env("BAO_ADDR", server.url())
        .env("BAO_CACERT", server.ca_file().display().to_string())
        .env("NO_PROXY", "*")
}
