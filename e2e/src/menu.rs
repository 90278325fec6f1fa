//! What the demo hands over: lines to paste into another terminal.

use std::fmt::Write as _;
use std::path::Path;

use crate::installed::Installation;
use crate::platform::Platform;
use crate::{Error, workload};

/// The menu, with this platform's addresses filled in.
pub fn menu(platform: &Platform, binaries: &Path, kubectl: &Path) -> Result<String, Error> {
    let nats = platform.bed.nats()?;
    let mut out = String::new();
    let mut section = |title: &str, lines: &[String]| {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "\n{title}");
        for line in lines {
            let _ = writeln!(out, "    {line}");
        }
    };
    let path = [Some(binaries), kubectl.parent()].into_iter().flatten();
    let path: Vec<_> = path.map(|p| p.display().to_string()).collect();
    section(
        "Paste this into another terminal first:",
        &[
            format!("export PATH={}:$PATH", path.join(":")),
            platform.kubeconfig().map_or_else(
                || "# kubectl talks to the right cluster already".to_owned(),
                |path| format!("export KUBECONFIG={}", path.display()),
            ),
            format!("export NATS_URL={}", nats.url()),
            format!("export NATS_SEED_FILE={}", nats.operator_seed().display()),
        ],
    );
    section(
        "Watch (leave it running):",
        &[
            "kubectl get fleetdep,fleetdev -o wide --watch".into(),
            "fleet get deployments -w".into(),
        ],
    );
    let deploy = format!(
        "fleet deploy --name hello --selector site=here --image {} --port 8080:80",
        workload::image("v1")
    );
    section(
        "Deploy to both devices, change it, move it, delete it:",
        &[
            format!("{deploy} --wait"),
            format!("{} --wait", deploy.replace(":v1", ":v2")),
            format!("{deploy} --print | kubectl apply --server-side --force-conflicts -f -"),
            "kubectl label fleetdev dev-2 site=elsewhere --overwrite".into(),
            "fleet deploy --name hello --delete".into(),
        ],
    );
    section("Ask the containers:", &curls(platform)?);
    section("Look into the bus:", &bus());
    if let Ok(installation) = platform.installation() {
        section("Look at the operator:", &operator(installation));
    }
    section("Look at a device:", &podman(platform));
    Ok(out)
}

fn curls(platform: &Platform) -> Result<Vec<String>, Error> {
    let devices = platform.bed.devices();
    devices
        .iter()
        .map(|d| {
            Ok(format!(
                "curl http://{}/    # {}",
                platform.address(d.id().as_str(), 8080)?,
                d.id()
            ))
        })
        .collect()
}

fn bus() -> Vec<String> {
    [
        "fleet kv ls",
        "fleet kv get desired-state dev-1._manifest",
        "fleet kv watch device-state",
        "nats --server $NATS_URL --nkey $NATS_SEED_FILE kv ls desired-state    # with natsbox",
        "nats --server $NATS_URL --nkey $NATS_SEED_FILE kv watch device-state  # with natsbox",
    ]
    .map(str::to_owned)
    .to_vec()
}

fn operator(installation: &Installation) -> Vec<String> {
    let (name, namespace) = (installation.release(), installation.namespace());
    vec![
        format!("kubectl -n {namespace} get pods"),
        format!("kubectl -n {namespace} logs deployment/{name} --follow"),
        format!("kubectl -n {namespace} delete pod --selector app.kubernetes.io/instance={name}"),
        format!("helm -n {namespace} get values {name}"),
    ]
}

fn podman(platform: &Platform) -> Vec<String> {
    let devices = platform.bed.devices();
    devices
        .iter()
        .flat_map(|d| {
            let socket = format!(
                "podman --remote --url unix://{}",
                d.podman_socket().display()
            );
            let log = d.agent().log_path();
            [
                format!("{socket} ps    # {}", d.id()),
                format!("tail -f {}", log.display()),
            ]
        })
        .collect()
}
