//! A cluster with Argo CD and a repository that it follows.

use std::io::Write as _;

use fleet_chartgen::Release;
use fleet_gitops::customizations;
use fleet_gitops::platform::{projects, root};
use fleet_testbed::{ArgoCd, Builder, Testbed};

use crate::applications::Applications;
use crate::repository::Repository;

/// Set by those who want these tests.
const ASKED: &str = "FLEET_ARGOCD";

/// A cluster with Argo CD and a repository that it follows.
pub(crate) struct Bed {
    pub(crate) client: kube::Client,
    pub(crate) applications: Applications,
    pub(crate) repository: Repository,
    /// Goes before the cluster that it works in.
    _argocd: ArgoCd,
    pub(crate) parts: Testbed,
}

impl Bed {
    /// Nothing where they are not asked for or cannot run, which is said.
    pub(crate) async fn start(
        name: &str,
        parts: impl FnOnce(Builder) -> Builder,
        release: &Release,
    ) -> Option<Self> {
        if let Err(why) = may_run() {
            // Not with a macro: the harness would keep it to itself.
            writeln!(std::io::stderr(), "skipped: {name}: {why}").expect("said");
            return None;
        }
        let builder = Testbed::builder(name).control_plane();
        let parts = parts(builder).start().await.expect("a cluster");
        let argocd = Box::pin(parts.start_argocd()).await.expect("Argo CD");
        let client = parts.kube_client().await.expect("a client");
        let repository = Repository::create(&parts.folder().join("repository"), release);
        Some(Self {
            applications: Applications::new(&client),
            client,
            repository,
            _argocd: argocd,
            parts,
        })
    }

    /// What an administrator applies once: health scripts, projects, the root application.
    pub(crate) async fn bootstrap(&self) {
        let parameters = &self.repository.parameters;
        self.applications.apply(&customizations()).await;
        for project in projects(parameters) {
            self.applications.apply(&project).await;
        }
        self.applications.apply(&root(parameters)).await;
    }
}

fn may_run() -> Result<(), String> {
    if std::env::var_os(ASKED).is_none() {
        return Err("it takes minutes; `make e2e-argocd` runs it".to_owned());
    }
    ArgoCd::supported().map_err(|why| format!("Argo CD: {why}"))
}
