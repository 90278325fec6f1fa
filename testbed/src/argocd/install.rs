//! What Argo CD wants in the cluster: its definitions, and its configuration with nothing in it.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::{ArgoCdError, NAMESPACE};
use crate::wait;

const SERVED_TIME: Duration = Duration::from_secs(60);

/// Applies both from the module's folder. Blocks.
pub(super) fn install(kubectl: &Path, kubeconfig: &Path, source: &Path) -> Result<(), ArgoCdError> {
    let kubectl = |args: &[&str]| run(kubectl, kubeconfig, args);
    kubectl(&["create", "namespace", NAMESPACE])?;
    for folder in ["manifests/crds", "manifests/base/config"] {
        let folder = source.join(folder).display().to_string();
        // One of the definitions is too large for what a client-side apply keeps of it.
        let apply = ["apply", "--server-side", "--namespace", NAMESPACE, "-k"];
        kubectl(&[&apply[..], &[&folder]].concat())?;
    }
    Ok(())
}

/// Waits until the API server serves what was defined.
pub(super) async fn served(client: &kube::Client) -> bool {
    let lists = ["applications", "appprojects"];
    let all = || async {
        for list in lists {
            let path = format!("/apis/argoproj.io/v1alpha1/{list}?limit=1");
            let Ok(request) = http::Request::get(path).body(Vec::new()) else {
                return false;
            };
            if client.request_text(request).await.is_err() {
                return false;
            }
        }
        true
    };
    wait::until(SERVED_TIME, all).await
}

fn run(kubectl: &Path, kubeconfig: &Path, args: &[&str]) -> Result<(), ArgoCdError> {
    let output = Command::new(kubectl)
        .args(args)
        .env("KUBECONFIG", kubeconfig)
        .env("NO_PROXY", "*")
        .stdin(Stdio::null())
        .output();
    let failed = |output: String| ArgoCdError::Kubectl {
        command: args.join(" "),
        output,
    };
    match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(failed(String::from_utf8_lossy(&output.stderr).into_owned())),
        Err(error) => Err(failed(error.to_string())),
    }
}
