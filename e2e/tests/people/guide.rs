//! docs/people.md from its beginning: a provider that knows nothing of a fleet, and a cluster that
//! knows nothing of the provider.

use std::fs;
use std::process::Command;

use fleet_testbed::wait;
use serde_json::{Value, json};

use crate::cluster::SOON;
use crate::scene::Scene;
use crate::user::{User, authentication_config};

#[tokio::test(flavor = "multi_thread")]
async fn as_the_guide_says_from_provisioning_to_kubectl() {
    let people = json!({"cluster": {"viewers": ["zitadel:fleet-viewer"]}});
    let scene = Scene::with("people-guide", &people).await;
    let ids = provision(&scene);
    let id = |name: &str| ids.pointer(name).and_then(Value::as_str).expect("an id");
    let (project, organisation) = (id("/project"), id("/organisation"));
    let client = id("/applications/fleet-cli");

    let idp = scene.idp();
    let flags = [
        ["--client-id", client],
        ["--zitadel-project", project],
        ["--zitadel-organisation", organisation],
        ["--prefix", "zitadel:"],
    ];
    let file = authentication_config(&idp.issuer(), idp.ca_file(), &flags.concat());
    let server = scene.bed.api_server().expect("an API server");
    server.trust_people(&file).await.expect("ready again");

    let vera = idp.person("vera", &[]).expect("a person");
    let grant = json!({
        "userId": vera, "projectId": project, "organizationId": organisation,
        "roleKeys": ["fleet-viewer"],
    });
    idp.call("CreateAuthorization", grant).expect("granted");
    idp.at_browser(Some(&vera));
    let mut viewer = User::new(&scene);
    let issuer = idp.issuer();
    let authority = idp.ca_file().display().to_string();
    let mut login = viewer.begin(
        &[
            &["--no-browser", "--issuer", &issuer, "--ca-file", &authority],
            &["--client-id", client, "--zitadel-project", project][..],
        ]
        .concat(),
    );
    let address = login.address("");
    scene.browse(&address).await;
    viewer.end(login);

    let reads = || async { viewer.kubectl("get fleetdev").is_ok() };
    assert!(wait::until(SOON, reads).await, "a viewer reads");
    let who = viewer.kubectl("auth whoami").expect("is somebody");
    assert!(who.contains("zitadel:fleet-viewer"), "{who}");
    viewer.is_forbidden(viewer.fleet("get enrolments"));

    assert_eq!(viewer.log_out(), format!("Logged out of {issuer}.\n"));
    for asked in [viewer.fleet("get devices"), viewer.kubectl("get fleetdev")] {
        let error = asked.expect_err("nobody");
        let advice = format!(
            ": nobody is logged in at {issuer}; run `fleet login --issuer {issuer} --client-id {client}"
        );
        assert!(error.contains(&advice), "{error}");
        assert!(error.lines().count() <= 2, "{error}");
    }
}

/// The ids that `fleet-auth` writes about the fleet's project.
fn provision(scene: &Scene) -> Value {
    let idp = scene.idp();
    let folder = scene.bed.folder();
    let (token, ids) = (folder.join("idp-token"), folder.join("ids.json"));
    fs::write(&token, idp.admin_token()).expect("written");
    let program = fleet_testbed::program("fleet-auth").expect("fleet-auth is built");
    let output = Command::new(program)
        .args(["provision", "zitadel", "--oidc-issuer", &idp.issuer()])
        .args(["--oidc-organisation", idp.organisation()])
        .args(["--project-name", "guide"])
        .arg("--oidc-ca-file")
        .arg(idp.ca_file())
        .arg("--idp-token-file")
        .arg(token)
        .arg("--ids-file")
        .arg(&ids)
        .output()
        .expect("fleet-auth starts");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    let text = fs::read_to_string(ids).expect("ids");
    serde_json::from_str(&text).expect("JSON")
}
