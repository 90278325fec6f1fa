#![allow(clippy::expect_used, clippy::panic, reason = "test code")]
//! `fleet-auth provision zitadel` against the test IdP, which is as strict as Zitadel.

mod cluster;
mod device_flow;
mod kept;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use fleet_testbed::{Administrator, Endpoint, Fault, Idp, Testbed, wait};
use serde_json::{Value, json};

struct Scene {
    bed: Testbed,
}

impl Scene {
    async fn start(name: &str) -> Self {
        let bed = Testbed::builder(name).idp().start().await;
        let scene = Self {
            bed: bed.expect("a testbed"),
        };
        fs::write(scene.path("token"), scene.idp().admin_token()).expect("written");
        scene
    }

    fn idp(&self) -> &Idp {
        self.bed.idp().expect("idp")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.bed.folder().join(name)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fleet-auth"));
        command
            .args([
                "provision",
                "zitadel",
                "--oidc-issuer",
                &self.idp().issuer(),
            ])
            .arg("--oidc-ca-file")
            .arg(self.idp().ca_file())
            .arg("--idp-token-file")
            .arg(self.path("token"))
            .arg("--ids-file")
            .arg(self.path("ids.json"))
            .args(args)
            .stdin(Stdio::null());
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("run")
    }

    /// What it did, without the ids.
    fn steps(&self, args: &[&str]) -> Vec<String> {
        let output = self.run(args);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{errors}");
        assert!(errors.is_empty(), "{errors}");
        let text = String::from_utf8(output.stdout).expect("text");
        let step = |line: &str| line.split(':').next().unwrap_or_default().to_owned();
        text.lines().map(step).collect()
    }

    fn ids(&self) -> Value {
        let text = fs::read(self.path("ids.json")).expect("ids");
        serde_json::from_slice(&text).expect("json")
    }

    /// All of a project that is provisioned.
    fn there(&self, organisation: &str, project: &str) -> Value {
        let filter = json!({"organizationIdFilter": {"organizationId": organisation}});
        let call = |method: &str, request| self.idp().call(method, request).expect(method);
        let filters = json!({"filters": [{"projectIdFilter": {"projectId": project}}]});
        json!([
            call("ListProjects", json!({"filters": [filter]})),
            call("ListProjectRoles", json!({"projectId": project})),
            call("ListApplications", filters),
        ])
    }
}

fn all(outcome: &str, whats: &[&str]) -> Vec<String> {
    let line = |what: &&str| format!("{outcome:<9} {what}");
    whats.iter().map(line).collect()
}

const ROLES: [&str; 4] = [
    "role device",
    "role fleet-viewer",
    "role fleet-editor",
    "role fleet-admin",
];

#[tokio::test(flavor = "multi_thread")]
async fn an_organisation_is_set_up_and_a_second_run_changes_nothing() {
    let scene = Scene::start("zitadel-new").await;
    let args = [
        "--organisation-name",
        "factory",
        "--web-redirect-uri",
        "https://fleet.example/callback",
        "--api",
    ];
    let whats = [
        &["organisation factory", "project fleet"][..],
        &ROLES,
        &[
            "application fleet-cli",
            "application fleet-web",
            "application fleet-api",
        ],
    ]
    .concat();
    let plan = [&args[..], &["--plan"]].concat();
    assert_eq!(scene.steps(&plan), all("created", &whats));
    assert!(!scene.path("ids.json").exists(), "only planned");
    assert_eq!(scene.steps(&args), all("created", &whats));
    let ids = scene.ids();
    let text = |pointer: &str| ids.pointer(pointer).and_then(Value::as_str).expect(pointer);
    let (organisation, project) = (text("/organisation"), text("/project"));
    let there = scene.there(organisation, project);
    for application in ["fleet-cli", "fleet-web", "fleet-api"] {
        let client = text(&format!("/applications/{application}"));
        assert!(there.to_string().contains(client), "{application}");
    }
    for args in [&args[..], &plan, &args] {
        assert_eq!(scene.steps(args), all("unchanged", &whats));
        assert_eq!(scene.ids(), ids);
        assert_eq!(scene.there(organisation, project), there);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_changed_is_put_right_and_what_is_something_else_is_named() {
    let scene = Scene::start("zitadel-drift").await;
    let idp = scene.idp();
    let args = ["--oidc-organisation", idp.organisation()];
    // The project is there, and so is its first role; its tokens have no roles yet.
    let first = scene.steps(&args);
    let mut expected = all("created", &[&["project fleet"][..], &ROLES].concat());
    "changed   project fleet".clone_into(&mut expected[0]);
    "unchanged role device".clone_into(&mut expected[1]);
    expected.push("created   application fleet-cli".to_owned());
    assert_eq!(first, expected);
    let before = scene.there(idp.organisation(), idp.project());

    let project = json!({"projectId": idp.project(), "projectRoleAssertion": false});
    idp.call("UpdateProject", project).expect("changed");
    let application = before[2]["applications"][0]["applicationId"].clone();
    let change = json!({
        "projectId": idp.project(), "applicationId": application,
        "oidcConfiguration": {"redirectUris": ["https://evil.example/"]},
    });
    idp.call("UpdateApplication", change).expect("changed");
    let plan = scene.steps(&[&args[..], &["--plan"]].concat());
    let mut wanted = all("unchanged", &[&["project fleet"][..], &ROLES].concat());
    "changed   project fleet".clone_into(&mut wanted[0]);
    wanted.push("changed   application fleet-cli".to_owned());
    assert_eq!(plan, wanted);
    assert_ne!(scene.there(idp.organisation(), idp.project()), before);
    assert_eq!(scene.steps(&args), wanted);
    assert_eq!(scene.there(idp.organisation(), idp.project()), before);

    let taken = json!({
        "projectId": idp.project(), "name": "fleet-web",
        "apiConfiguration": {"authMethodType": "API_AUTH_METHOD_TYPE_PRIVATE_KEY_JWT"},
    });
    idp.call("CreateApplication", taken).expect("made");
    let web = ["--web-redirect-uri", "https://fleet.example/callback"];
    let output = scene.run(&[&args[..], &web].concat());
    let errors = String::from_utf8_lossy(&output.stderr);
    let reason = "the application fleet-web is of another kind";
    assert!(errors.contains(reason), "{errors}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_not_is_told_what_and_one_who_may_needs_no_more_than_its_organisation() {
    let scene = Scene::start("zitadel-rights").await;
    let idp = scene.idp();
    let user = idp.machine_user("provisioner", &[]).expect("a user");
    let organisation = ["--oidc-organisation", idp.organisation()];
    let token = |role| {
        let token = idp.make_administrator(&user, role).expect("a token");
        fs::write(scene.path("token"), token).expect("written");
    };
    token(Administrator::Users);
    let output = scene.run(&organisation);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("UpdateProject"), "{errors}");
    assert!(errors.contains("403"), "{errors}");

    token(Administrator::Organisation);
    scene.steps(&organisation);
    let output = scene.run(&["--organisation-name", "another"]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("AddOrganization"), "{errors}");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_every_call_the_next_run_ends_with_one_of_each() {
    let scene = Scene::start("zitadel-deaths").await;
    let idp = scene.idp();
    let args = ["--organisation-name", "factory"];
    // Slow enough to be killed while it waits for an answer.
    idp.inject_at(
        Endpoint::Management,
        Fault::Slow(Duration::from_millis(100)),
    );
    let mut deaths = 0;
    loop {
        let before = idp.requests(Endpoint::Management);
        let mut child = scene.command(&args);
        let child = child.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let mut child = child.expect("started");
        // One call further than the last time, so each is reached and answered once.
        let reached = || async { idp.requests(Endpoint::Management) > before + deaths };
        let far = wait::until(Duration::from_secs(5), reached).await;
        child.kill().expect("killed");
        child.wait().expect("gone");
        if !far {
            break;
        }
        deaths += 1;
    }
    // Two lists, two things, a list, four roles, a list, an application: less what was there already.
    assert!(deaths >= 5, "{deaths}");
    idp.heal();
    scene.steps(&args);
    let again = scene.steps(&args);
    assert!(again.iter().all(|step| step.starts_with("unchanged ")));
    let organisations = idp.call("ListOrganizations", json!({})).expect("a list");
    let named = |list: &Value, name: &str| {
        let all = list.as_array().cloned().unwrap_or_default();
        all.iter().filter(|item| item["name"] == name).count()
    };
    assert_eq!(named(&organisations["result"], "factory"), 1);
    let ids = scene.ids();
    let organisation = ids["organisation"].as_str().expect("an id");
    let there = scene.there(organisation, ids["project"].as_str().expect("an id"));
    assert_eq!(named(&there[0]["projects"], "fleet"), 1);
    assert_eq!(named(&there[2]["applications"], "fleet-cli"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_logs_in_with_the_application_on_a_machine_without_a_browser() {
    let scene = Scene::start("zitadel-login").await;
    let idp = scene.idp();
    scene.steps(&["--oidc-organisation", idp.organisation()]);
    let ids = scene.ids();
    let client = ids["applications"]["fleet-cli"].as_str().expect("an id");
    let person = idp.person("ada", &["fleet-viewer"]).expect("a person");
    let claims = device_flow::id_token(idp, client, &person).await;
    let roles = &claims[format!("urn:zitadel:iam:org:project:{}:roles", idp.project())];
    assert!(roles.get("fleet-viewer").is_some(), "{claims}");
}
