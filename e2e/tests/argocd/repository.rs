//! A git repository as an installation has it: our charts, the manifests, and values of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use fleet_chartgen::Release;
use fleet_gitops::{Cluster, Files, Parameters, Supply};
use serde_json::Value;

/// Where manifests lie in it.
const MANIFESTS: &str = "gitops/manifests";

/// The repository, and what it is made from.
pub(crate) struct Repository {
    folder: PathBuf,
    pub(crate) parameters: Parameters,
    manifests: Files,
}

impl Repository {
    /// With the charts of a release and everything but applications.
    pub(crate) fn create(folder: &Path, release: &Release) -> Self {
        let parameters = Parameters {
            repository: format!("file://{}", folder.display())
                .parse()
                .expect("an address"),
            revision: "main".parse().expect("a revision"),
            cluster: Cluster::Kubernetes,
            supply: Supply::Upstream,
        };
        let manifests = Files::of(&parameters).expect("manifests");
        let repository = Self {
            folder: folder.to_owned(),
            parameters,
            manifests,
        };
        fs::create_dir_all(folder).expect("a folder");
        repository.git(&["init", "--quiet", "--initial-branch=main"]);
        repository.write_charts(release);
        for (path, text) in repository.manifests.iter() {
            if !path.starts_with(repository.applications()) {
                repository.write(&Path::new(MANIFESTS).join(path), text);
            }
        }
        repository
    }

    /// Where it is.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The charts of another release in their place.
    pub(crate) fn write_charts(&self, release: &Release) {
        for chart in fleet_chartgen::charts_of(release).expect("charts") {
            let path = self.folder.join("charts").join(&chart.name);
            chart.write_to(&path).expect("written");
        }
    }

    /// The root application finds this one from the next commit on.
    pub(crate) fn add_application(&self, name: &str) {
        let path = self.applications().join(format!("{name}.yaml"));
        let mut files = self.manifests.iter();
        let (_, text) = files.find(|(p, _)| *p == path).expect("an application");
        self.write(&Path::new(MANIFESTS).join(&path), text);
    }

    /// An installation's own values of a component. JSON is YAML.
    pub(crate) fn write_site(&self, component: &str, values: &Value) {
        let path = format!("gitops/site/{component}.yaml");
        self.write(Path::new(&path), &values.to_string());
    }

    /// Writes a file.
    pub(crate) fn write(&self, path: &Path, text: &str) {
        let path = self.folder.join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("written");
    }

    /// Removes a file.
    pub(crate) fn remove(&self, path: &str) {
        fs::remove_file(self.folder.join(path)).expect("removed");
    }

    /// Commits everything; gives the commit.
    pub(crate) fn commit(&self, message: &str) -> String {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", message]);
        self.git(&["rev-parse", "HEAD"]).trim().to_owned()
    }

    fn applications(&self) -> PathBuf {
        Path::new(self.parameters.overlay()).join("applications")
    }

    fn git(&self, args: &[&str]) -> String {
        let output = Command::new("git")
            .args(["-c", "user.name=test", "-c", "user.email=test@example.com"])
            .args(args)
            .current_dir(&self.folder)
            // Nothing of whoever runs the tests.
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .output()
            .expect("git starts");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "git {args:?}: {said}");
        String::from_utf8(output.stdout).expect("text")
    }
}
