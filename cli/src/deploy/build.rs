//! From flags to a Deployment.

use std::path::Path;

use fleet_api::{DEVICE_ID_LABEL, Deployment, DeploymentSpec, TargetSelector};
use fleet_contracts::id::InvalidName;
use fleet_contracts::score::{ImageRef, ScoreError};
use fleet_contracts::{DeploymentName, Namespace, ReconcileScore};
use serde_json::{Value, json};

use crate::args::{SelectorFlags, WorkloadFlags};
use crate::document::{self, DocumentError};
use crate::selector::{InvalidSelector, to_target};

/// Why no Deployment could be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A name breaks its rule.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// The rules of the selector do not go together.
    #[error(transparent)]
    Selector(#[from] InvalidSelector),
    /// Nothing says where to run.
    #[error("say which devices: --selector KEY=VALUE, --target-device ID, or --target-all")]
    NoTarget,
    /// Nothing says what to run.
    #[error("say what to run: --image IMAGE, or --file SCORE")]
    NoPayload,
    /// A document cannot be read.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// The document is no score.
    #[error("{file} is not a score: it must look like {{\"PodmanV0\": {{\"services\": [...]}}}}")]
    NotAScore {
        /// The file.
        file: String,
        /// Where it differs.
        #[source]
        source: serde_json::Error,
    },
    /// The document is no Deployment of ours.
    #[error(
        "{file} is not a Deployment of {}/{}",
        fleet_api::GROUP,
        fleet_api::VERSION
    )]
    NotADeployment {
        /// The file.
        file: String,
        /// Where it differs.
        #[source]
        source: serde_json::Error,
    },
    /// The document is an object of another kind.
    #[error(
        "{file} holds a {found}, not a Deployment of {}/{}",
        fleet_api::GROUP,
        fleet_api::VERSION
    )]
    OtherKind {
        /// The file.
        file: String,
        /// What it holds.
        found: String,
    },
    /// The score breaks a rule.
    #[error("the score is not valid")]
    Score(#[from] ScoreError),
    /// JSON could not be written; never for the types at hand.
    #[error("cannot write the Deployment as JSON")]
    Json(#[source] serde_json::Error),
}

/// A Deployment that is to be applied.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// What this program understands of it.
    pub deployment: Deployment,
    /// What is sent. It keeps fields that this program does not know: the API server shall judge
    /// them, and say so, rather than that they vanish here.
    pub json: Value,
}

/// Builds the Deployment that the flags describe.
pub fn from_flags(
    name: &str,
    namespace: Option<&str>,
    flags: &WorkloadFlags,
) -> Result<Draft, BuildError> {
    let name: DeploymentName = name.parse()?;
    let namespace = namespace.map(str::parse::<Namespace>).transpose()?;
    let (target_selector, target_all) = target(&flags.target)?;
    let (score, score_json) = score(&name, flags)?;
    let spec = DeploymentSpec {
        target_selector,
        target_all,
        score,
    };
    let mut deployment = Deployment::new(name.as_str(), spec);
    deployment.metadata.namespace = namespace.map(String::from);
    let mut json = serde_json::to_value(&deployment).map_err(BuildError::Json)?;
    json["spec"]["score"] = score_json;
    if let Some(spec) = json["spec"]
        .as_object_mut()
        .filter(|_| flags.target.target_all)
    {
        // Empty, and with --target-all it says nothing.
        spec.remove("targetSelector");
    }
    Ok(Draft { deployment, json })
}

/// Reads a Deployment from a manifest.
pub fn from_manifest(path: &Path) -> Result<Draft, BuildError> {
    parse_manifest(path, document::read(path)?)
}

fn parse_manifest(path: &Path, mut json: Value) -> Result<Draft, BuildError> {
    let file = path.display().to_string();
    let text = |key: &str| json[key].as_str().unwrap_or("<none>").to_owned();
    let (version, kind) = (text("apiVersion"), text("kind"));
    let ours = format!("{}/{}", fleet_api::GROUP, fleet_api::VERSION);
    if version != ours || kind != "Deployment" {
        return Err(BuildError::OtherKind {
            file,
            found: format!("{version} {kind}"),
        });
    }
    if let Some(fields) = json.as_object_mut() {
        fields.remove("status");
    }
    if let Some(metadata) = json["metadata"].as_object_mut() {
        // What the server adds, as it stands in the output of `kubectl get -o yaml`.
        for field in ["managedFields", "resourceVersion", "uid", "generation"] {
            metadata.remove(field);
        }
    }
    let deployment: Deployment = serde_json::from_value(json.clone())
        .map_err(|source| BuildError::NotADeployment { file, source })?;
    let name = deployment.metadata.name.as_deref().unwrap_or_default();
    name.parse::<DeploymentName>()?;
    deployment.spec.score.validate()?;
    Ok(Draft { deployment, json })
}

fn target(flags: &SelectorFlags) -> Result<(TargetSelector, bool), BuildError> {
    let mut selector = to_target(&flags.selectors)?;
    if let Some(device) = &flags.target_device {
        let (key, second) = (DEVICE_ID_LABEL.to_owned(), device.to_string());
        if let Some(first) = selector.match_labels.insert(key.clone(), second.clone())
            && first != second
        {
            return Err(InvalidSelector::Contradiction { key, first, second }.into());
        }
    }
    if selector.is_empty() && !flags.target_all {
        return Err(BuildError::NoTarget);
    }
    Ok((selector, flags.target_all))
}

fn score(
    name: &DeploymentName,
    flags: &WorkloadFlags,
) -> Result<(ReconcileScore, Value), BuildError> {
    let (json, file) = match (&flags.file, &flags.image) {
        (Some(path), _) => (document::read(path)?, path.display().to_string()),
        (None, Some(image)) => (
            one_service(name, image, flags),
            "the score of the flags".into(),
        ),
        (None, None) => return Err(BuildError::NoPayload),
    };
    let score: ReconcileScore = serde_json::from_value(json.clone())
        .map_err(|source| BuildError::NotAScore { file, source })?;
    score.validate()?;
    Ok((score, json))
}

/// The score of `--image`, `--port` and `--env`: one service with the Deployment's name.
fn one_service(name: &DeploymentName, image: &ImageRef, flags: &WorkloadFlags) -> Value {
    let mut service = json!({"name": name, "image": image});
    if !flags.ports.is_empty() {
        service["ports"] = flags.ports.iter().map(|port| json!(port.0)).collect();
    }
    for variable in &flags.env {
        service["env"][variable.name.as_str()] = variable.value.as_str().into();
    }
    json!({"PodmanV0": {"services": [service]}})
}

#[cfg(test)]
#[path = "build_tests.rs"]
mod tests;
