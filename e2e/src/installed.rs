//! The operator as its users run it: a chart, installed by Helm, with real pods.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fleet_testbed::Testbed;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ListParams};
use serde_json::{Value, json};

use crate::Error;
use crate::cluster::{Cluster, OPERATOR};
use crate::helm::{Helm, Major, write_values};
use crate::platform::expect;

pub use crate::namespace::{Admission, make_namespace, make_secret};

/// The chart is called as the program is.
const CHART: &str = OPERATOR;
/// Where it is installed, unless said otherwise.
pub const NAMESPACE: &str = "fleet-system";
/// For pods to start or go on a busy machine.
const PODS: Duration = Duration::from_secs(120);

/// Whether Helm waits until pods are ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// `--wait`
    Yes,
    /// As soon as the API server has everything.
    No,
}

/// A namespace with all that the chart asks for, and the chart in it once installed.
#[derive(Clone)]
pub struct Installation {
    client: kube::Client,
    helm: Helm,
    folder: PathBuf,
    chart: PathBuf,
    namespace: String,
    release: String,
    values: Value,
}

impl fmt::Debug for Installation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}", self.release, self.namespace)
    }
}

impl Installation {
    /// Makes the namespace with its Secrets for the testbed's bus. Nothing is installed yet.
    ///
    /// # Errors
    /// When the testbed has no bus, or the cluster refuses something.
    pub async fn prepare(
        cluster: &Cluster,
        bed: &Testbed,
        major: Major,
        namespace: &str,
        admission: Admission,
    ) -> Result<Self, Error> {
        let installation = Self::bare(cluster, bed, major, namespace, admission).await?;
        make_secrets(&cluster.client, bed, namespace).await?;
        Ok(installation.with(&json!({"nats": {"url": bed.nats()?.url()}})))
    }

    /// The same without Secrets and without a bus: for a chart that brings them.
    ///
    /// # Errors
    /// When the cluster refuses something.
    pub async fn bare(
        cluster: &Cluster,
        bed: &Testbed,
        major: Major,
        namespace: &str,
        admission: Admission,
    ) -> Result<Self, Error> {
        let client = cluster.client.clone();
        let folder = bed.folder().join("helm");
        fs::create_dir_all(&folder).map_err(|e| file(&folder, &e))?;
        make_namespace(&client, namespace, admission).await?;
        let helm = Helm::offline(major, &folder)?;
        Ok(Self {
            helm: match &cluster.kubeconfig {
                Some(kubeconfig) => helm.with_cluster(kubeconfig),
                None => helm.with_users_cluster(),
            },
            chart: write_charts(&folder, &fleet_chartgen::Release::current()?)?,
            client,
            folder,
            namespace: namespace.to_owned(),
            release: CHART.to_owned(),
            values: json!({"image": cluster.image.values()}),
        })
    }

    /// The same with the chart of another release.
    ///
    /// # Errors
    /// When the charts cannot be made or written.
    pub fn at(&self, release: &fleet_chartgen::Release) -> Result<Self, Error> {
        Ok(Self {
            chart: write_charts(&self.folder, release)?,
            ..self.clone()
        })
    }

    /// Another chart in the same namespace, with values of its own.
    #[must_use]
    pub fn of_chart(&self, chart: PathBuf, release: &str, values: Value) -> Self {
        Self {
            chart,
            release: release.to_owned(),
            values,
            ..self.clone()
        }
    }

    /// The same under another name.
    #[must_use]
    pub fn named(&self, release: &str) -> Self {
        Self {
            release: release.to_owned(),
            ..self.clone()
        }
    }

    /// The same with values laid over those it has.
    #[must_use]
    pub fn with(&self, values: &Value) -> Self {
        let mut all = self.values.clone();
        lay_over(&mut all, values);
        Self {
            values: all,
            ..self.clone()
        }
    }

    /// `helm install`.
    ///
    /// # Errors
    /// When Helm fails.
    pub async fn install(&self, wait: Wait, more: &[&str]) -> Result<(), Error> {
        self.apply("install", wait, more).await
    }

    /// `helm upgrade`.
    ///
    /// # Errors
    /// When Helm fails.
    pub async fn upgrade(&self, wait: Wait) -> Result<(), Error> {
        self.apply("upgrade", wait, &[]).await
    }

    async fn apply(&self, verb: &str, wait: Wait, more: &[&str]) -> Result<(), Error> {
        let values = self.folder.join(format!("{}-values.json", self.release));
        write_values(&values, &self.values)?;
        let mut args = vec![
            verb.to_owned(),
            self.release.clone(),
            self.chart.display().to_string(),
            "--namespace".to_owned(),
            self.namespace.clone(),
            "--values".to_owned(),
            values.display().to_string(),
        ];
        if wait == Wait::Yes {
            args.extend(["--wait".to_owned(), "--timeout=120s".to_owned()]);
        }
        args.extend(more.iter().map(|&arg| arg.to_owned()));
        self.helm.run(args).await.map(drop)
    }

    /// `helm rollback` to the revision before.
    ///
    /// # Errors
    /// When Helm fails.
    pub async fn roll_back(&self) -> Result<(), Error> {
        self.about_release(&["rollback"], &["--wait", "--timeout=120s"])
            .await
    }

    /// `helm test`; gives what Helm said of it, and what the tests said.
    ///
    /// # Errors
    /// When a test fails, or Helm does.
    pub async fn test(&self) -> Result<String, Error> {
        let release = [self.release.as_str(), "--namespace", &self.namespace];
        let args = [&["test"][..], &release, &["--timeout=180s"]].concat();
        let (printed, said) = self.helm.run_to_end(args).await?;
        Ok([printed, said].join("\n"))
    }

    /// `helm uninstall`, and waits until the pods are gone: Helm itself does not.
    ///
    /// # Errors
    /// When Helm fails, or pods stay.
    pub async fn uninstall(&self) -> Result<(), Error> {
        self.about_release(&["uninstall"], &[]).await?;
        let gone = || async { self.pods().await.is_ok_and(|pods| pods.is_empty()) };
        expect(PODS, format!("the pods of {self:?} are gone"), gone).await
    }

    async fn about_release(&self, verb: &[&str], more: &[&str]) -> Result<(), Error> {
        let release = [self.release.as_str(), "--namespace", &self.namespace];
        let args = [verb, &release, more].concat();
        self.helm.run(args).await.map(drop)
    }

    /// The operator's pods, whatever state they are in.
    ///
    /// # Errors
    /// When the API server refuses.
    pub async fn pods(&self) -> Result<Vec<Pod>, Error> {
        let of_release = format!("app.kubernetes.io/instance={}", self.release);
        let params = ListParams::default().labels(&of_release);
        let pods = self.pods_api().list(&params).await;
        Ok(pods.map_err(Error::kube("list the operator's pods"))?.items)
    }

    /// Access to the pods of the namespace.
    pub fn pods_api(&self) -> Api<Pod> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Waits until so many pods are ready, and no others are there.
    ///
    /// # Errors
    /// With what the pods are in, when that does not happen in time.
    pub async fn wait_ready(&self, replicas: usize) -> Result<(), Error> {
        let ready = || async {
            let pods = self.pods().await.unwrap_or_default();
            pods.len() == replicas && pods.iter().all(is_ready)
        };
        let done = expect(PODS, format!("{replicas} ready pods of {self:?}"), ready).await;
        match done {
            Ok(()) => Ok(()),
            Err(error) => {
                let pods = self.pods().await.unwrap_or_default();
                let states: Vec<_> = pods.iter().map(state).collect();
                Err(Error::Unexpected(format!("{error}; {}", states.join("; "))))
            }
        }
    }

    /// What the namespace is called.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// What the release is called.
    pub fn release(&self) -> &str {
        &self.release
    }

    /// The Helm that installs it.
    pub fn helm(&self) -> &Helm {
        &self.helm
    }
}

/// Whether a pod answers its readiness probe and is not going.
pub fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|s| s.conditions.as_ref());
    pod.metadata.deletion_timestamp.is_none()
        && conditions
            .is_some_and(|all| all.iter().any(|c| c.type_ == "Ready" && c.status == "True"))
}

/// One line on a pod that does not get ready.
fn state(pod: &Pod) -> String {
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    let status = pod.status.clone().unwrap_or_default();
    let containers = status.container_statuses.unwrap_or_default();
    let waits = containers
        .first()
        .and_then(|c| serde_json::to_string(&c.state).ok());
    format!(
        "{name}: {} {}",
        status.phase.unwrap_or_default(),
        waits.unwrap_or_default()
    )
}

/// Writes the charts of a release below `folder`, and gives the operator's.
fn write_charts(folder: &Path, release: &fleet_chartgen::Release) -> Result<PathBuf, Error> {
    let folder = folder.join("charts").join(&release.version);
    for chart in fleet_chartgen::charts_of(release)? {
        let path = folder.join(&chart.name);
        chart
            .write_to(&path)
            .map_err(|error| Error::Unexpected(error.to_string()))?;
    }
    Ok(folder.join(CHART))
}

/// What `kubectl create secret generic` does with the files of `fleet keys create`.
async fn make_secrets(client: &kube::Client, bed: &Testbed, namespace: &str) -> Result<(), Error> {
    let seed = bed.nats()?.operator_seed();
    let secrets = [
        ("fleet-operator-nats", "seed", seed.as_path()),
        (
            "fleet-operator-signing",
            "manifest.key",
            bed.signing_key_file(),
        ),
    ];
    for (name, key, path) in secrets {
        let content = fs::read(path).map_err(|e| file(path, &e))?;
        make_secret(client, namespace, name, (key, content)).await?;
    }
    Ok(())
}

/// Maps are merged, everything else replaced, as Helm does.
fn lay_over(below: &mut Value, above: &Value) {
    match (below, above) {
        (Value::Object(below), Value::Object(above)) => {
            for (key, value) in above {
                lay_over(below.entry(key).or_insert(Value::Null), value);
            }
        }
        (below, above) => *below = above.clone(),
    }
}

fn file(path: &Path, error: &std::io::Error) -> Error {
    Error::Unexpected(format!("cannot read or write {}: {error}", path.display()))
}
