//! The cluster that a chart is installed into: the testbed's own, or the one that the user's
//! kubectl talks to.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use fleet_images::product::{self, Product};
use fleet_testbed::{NodeError, Testbed};
use kube::config::Kubeconfig;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::Error;

/// The program in the image, and the image's name.
pub const OPERATOR: &str = "fleet-operator";

/// A cluster with the operator's image in it.
#[derive(Clone)]
pub struct Cluster {
    /// Access to it.
    pub client: kube::Client,
    /// Where its kubeconfig is; none for what kubectl takes by itself.
    pub kubeconfig: Option<PathBuf>,
    /// Where nodes find the image.
    pub image: ImageName,
}

/// The reference of an image, in the parts that the chart asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageName {
    registry: String,
    repository: String,
    tag: String,
}

impl ImageName {
    /// `registry/path/name:tag`
    pub fn parse(reference: &str) -> Option<Self> {
        let (name, tag) = reference.rsplit_once(':')?;
        let (registry, repository) = name.split_once('/')?;
        let parts = [registry, repository, tag];
        let whole = parts.iter().all(|part| !part.is_empty()) && !tag.contains('/');
        whole.then(|| Self {
            registry: registry.to_owned(),
            repository: repository.to_owned(),
            tag: tag.to_owned(),
        })
    }

    /// As values of the chart.
    pub fn values(&self) -> Value {
        json!({"registry": self.registry, "repository": self.repository, "tag": self.tag})
    }
}

impl Cluster {
    /// The testbed's own. Its node gets the operator as cargo built it.
    ///
    /// # Errors
    /// When the testbed has no node, or the operator is not built.
    pub async fn of_testbed(bed: &Testbed) -> Result<Self, Error> {
        let image = bring(bed, product::OPERATOR).await?;
        Ok(Self {
            client: bed.kube_client().await?,
            kubeconfig: Some(bed.kubeconfig()?.to_owned()),
            image,
        })
    }

    /// The one of the current context, where the image is already or can be brought to.
    ///
    /// # Errors
    /// When there is no current context, or nobody knows how to bring an image to that cluster.
    pub async fn current(
        context: &Context,
        image: Option<ImageName>,
        folder: &Path,
    ) -> Result<Self, Error> {
        let image = match image {
            Some(image) => image,
            None => load_image(context, folder).await?,
        };
        let log_in = || Error::kube(format!("log in to {}", context.name));
        let config = kube::Config::infer().await;
        let mut config = config.map_err(|e| log_in()(kube::Error::InferConfig(e)))?;
        // kube leads every server through HTTPS_PROXY; kind's and k3d's are on this machine.
        if matches!(
            config.cluster_url.host(),
            Some("127.0.0.1" | "[::1]" | "localhost" | "0.0.0.0")
        ) {
            config.proxy_url = None;
        }
        let client = kube::Client::try_from(config).map_err(log_in())?;
        Ok(Self {
            client,
            kubeconfig: None,
            image,
        })
    }
}

/// What kubectl takes without being told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    /// Its name.
    pub name: String,
    /// The API server.
    pub server: String,
}

impl Context {
    /// The current one.
    ///
    /// # Errors
    /// When there is none.
    pub fn current() -> Result<Self, Error> {
        let none = |error: &dyn std::fmt::Display| {
            Error::Unexpected(format!(
                "there is no current kubeconfig context ({error}); `kubectl config use-context` chooses one"
            ))
        };
        let kubeconfig = Kubeconfig::read().map_err(|e| none(&e))?;
        let name = kubeconfig
            .current_context
            .clone()
            .ok_or_else(|| none(&"current-context is not set"))?;
        let cluster = kubeconfig.contexts.iter().find(|c| c.name == name);
        let cluster = cluster.and_then(|c| c.context.as_ref()).map(|c| &c.cluster);
        let server = kubeconfig
            .clusters
            .iter()
            .find(|c| Some(&c.name) == cluster)
            .and_then(|c| c.cluster.as_ref()?.server.clone());
        Ok(Self {
            server: server.ok_or_else(|| none(&"it names no server"))?,
            name,
        })
    }

    /// The command that brings an archive to the nodes, where the context's name tells.
    fn loader(&self, archive: &Path) -> Option<Vec<String>> {
        let archive = archive.display().to_string();
        let words = |words: &[&str]| words.iter().map(|&w| w.to_owned()).collect::<Vec<_>>();
        if let Some(name) = self.name.strip_prefix("kind-") {
            return Some(words(&[
                "kind",
                "load",
                "image-archive",
                &archive,
                "--name",
                name,
            ]));
        }
        if let Some(name) = self.name.strip_prefix("k3d-") {
            return Some(words(&[
                "k3d",
                "image",
                "import",
                &archive,
                "--cluster",
                name,
            ]));
        }
        (self.name == "minikube").then(|| words(&["minikube", "image", "load", &archive]))
    }
}

async fn load_image(context: &Context, folder: &Path) -> Result<ImageName, Error> {
    let (archive, image) = image_of(product::OPERATOR, folder)?;
    let command = context.loader(&archive).ok_or_else(|| {
        Error::Unexpected(format!(
            "nobody knows how to bring an image to the nodes of context {}: push it to a registry of \
             theirs (`make images`) and name it with --image REGISTRY/NAME:TAG",
            context.name
        ))
    })?;
    let line = command.join(" ");
    let (program, args) = command
        .split_first()
        .ok_or_else(|| Error::Unexpected("an empty command".to_owned()))?;
    let output = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .output()
        .await
        .map_err(|error| Error::Unexpected(format!("`{line}` cannot be started: {error}")))?;
    if output.status.success() {
        return Ok(image);
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Error::Unexpected(format!("`{line}` failed: {said}")))
}

/// A testbed with a node, or nothing where there is no root, which is said: real pods cannot be without.
///
/// # Errors
/// When the testbed did not start for any other reason.
pub fn with_root(
    name: &str,
    started: Result<Testbed, fleet_testbed::Error>,
) -> Result<Option<Testbed>, fleet_testbed::Error> {
    match started {
        Err(fleet_testbed::Error::Node(NodeError::NotRoot)) => {
            let why = "a node with real pods needs root";
            // Past what keeps a test's words to itself. Nobody is left to be told if that fails.
            let _ = writeln!(std::io::stderr(), "skipped: {name}: {why}");
            Ok(None)
        }
        other => other.map(Some),
    }
}

/// Gives the testbed's node a program as cargo built it.
///
/// # Errors
/// When the testbed has no node, or the program is not built.
pub async fn bring(bed: &Testbed, product: Product) -> Result<ImageName, Error> {
    let (archive, image) = image_of(product, bed.folder())?;
    bed.node()?.import_image(&archive).await?;
    Ok(image)
}

/// A program as cargo built it, as an archive and under its name.
fn image_of(product: Product, folder: &Path) -> Result<(PathBuf, ImageName), Error> {
    let program = fleet_testbed::program(product.name)?;
    let beside = product.beside.iter();
    let beside: Vec<_> = beside
        .map(|name| fleet_testbed::program(name))
        .collect::<Result<_, _>>()?;
    let version = env!("CARGO_PKG_VERSION");
    let kept = product::test_image(product, &program, &beside, version, folder).map_err(|e| {
        Error::Unexpected(format!("cannot make the image of {}: {e}", product.name))
    })?;
    let name = kept.reference.to_string();
    let image = ImageName::parse(&name)
        .ok_or_else(|| Error::Unexpected(format!("{name} is no reference of an image")))?;
    Ok((kept.path, image))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_has_a_registry_a_path_and_a_tag() {
        let image = ImageName::parse("registry.example:5000/team/fleet-operator:1.2.3");
        let image = image.expect("a reference");
        let values = json!({"registry": "registry.example:5000", "repository": "team/fleet-operator", "tag": "1.2.3"});
        assert_eq!(image.values(), values);
        for wrong in [
            "fleet-operator",
            "fleet-operator:1",
            "a/b",
            "a/b:",
            "/b:1",
            "a:5000/b",
        ] {
            assert_eq!(ImageName::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn local_clusters_are_known_by_the_names_of_their_contexts() {
        let loader = |name: &str| {
            let context = Context {
                name: name.to_owned(),
                server: String::new(),
            };
            context.loader(Path::new("/a.tar")).map(|c| c.join(" "))
        };
        let kind = "kind load image-archive /a.tar --name dev";
        assert_eq!(loader("kind-dev").as_deref(), Some(kind));
        assert_eq!(loader("production"), None);
    }
}
