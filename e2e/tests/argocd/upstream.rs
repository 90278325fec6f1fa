//! Charts of others with our values: in sync, and at rest.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use fleet_chartgen::Release;
use fleet_gitops::argo::Source;
use fleet_gitops::platform::{Component, SYSTEM, application, projects};
use fleet_testbed::wait;
use serde_json::json;

use crate::applications::{LIMIT, Seen};
use crate::bed::Bed;

/// The folder with the unpacked charts.
const CHARTS: &str = "FLEET_UPSTREAM_CHARTS";
/// Zitadel is not among them: its jobs come first and need a database, and so nodes.
const PARTS: [(Component, &str); 2] = [(Component::Nats, "nats"), (Component::OpenBao, "openbao")];

/// Of a `StatefulSet` with claims Argo CD's own comparison never comes to rest. No pod runs here: what is in
/// sync does not depend on it.
#[tokio::test(flavor = "multi_thread")]
async fn charts_of_others_come_to_rest_in_sync() {
    let Some(charts) = std::env::var_os(CHARTS).map(PathBuf::from) else {
        let why = format!("{CHARTS} names no folder with nats and openbao");
        writeln!(std::io::stderr(), "skipped: argocd-upstream: {why}").expect("said");
        return;
    };
    let release = Release::current().expect("definitions");
    let Some(bed) = Bed::start("argocd-upstream", |bed| bed, &release).await else {
        return;
    };
    let copied = Command::new("cp")
        .arg("-r")
        .args(PARTS.map(|(_, name)| charts.join(name)))
        .arg(bed.repository.folder().join("charts"))
        .status();
    assert!(copied.expect("cp starts").success());
    let commit = bed.repository.commit("charts of others");
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM}});
    bed.applications.apply(&namespace).await;
    let parameters = &bed.repository.parameters;
    for project in projects(parameters) {
        bed.applications.apply(&project).await;
    }
    for (component, name) in PARTS {
        let mut application = application(component, parameters).expect("an application");
        // The same chart out of git, with the same values: no repository of charts is needed.
        let sources = &mut application.spec.sources;
        let path = format!("charts/{name}");
        sources[0] = Source {
            helm: sources[0].helm.clone(),
            ..Source::folder(&parameters.repository, &parameters.revision, path)
        };
        bed.applications.apply(&application).await;
    }
    for (_, name) in PARTS {
        let synced = |seen: &Seen| seen.has_synced(&commit);
        bed.applications.wait(name, "in sync", synced).await;
    }
    let names = PARTS.map(|(_, name)| name);
    let rest = Duration::from_secs(5);
    let at_rest = || async { bed.applications.left_sync(&names, rest).await.is_none() };
    assert!(wait::until(LIMIT, at_rest).await, "they come to rest");
    let minute = Duration::from_secs(60);
    assert_eq!(bed.applications.left_sync(&names, minute).await, None);
}
