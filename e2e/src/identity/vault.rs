//! OpenBao as its administrators set it up.

use std::path::PathBuf;

use fleet_testbed::{BaoLogin, OpenBao, Testbed};

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
