//! What the demo hands over: lines to paste into another terminal.

use std::fmt::Write as _;
use std::path::Path;

use fleet_testbed::Service;

use crate::identity::Identity;
use crate::installed::Installation;
use crate::machines::Machines;
use crate::platform::Platform;
use crate::{Error, workload};

/// The enrolments that the menu speaks of: a device's id, and its enrolment's name.
#[derive(Debug, Clone)]
pub struct Guests {
    /// One that was approved.
    pub member: (String, String),
    /// One that nobody decided about.
    pub waiting: (String, String),
}

/// The menu, with this platform's addresses filled in.
/// `guests` are the enrolments by device, of which the last waits for a decision.
pub fn menu(
    platform: &Platform,
    binaries: &Path,
    kubectl: &Path,
    guests: &Guests,
) -> Result<String, Error> {
    let mut menu = beginning(platform, binaries, kubectl)?;
    let title = "Deploy to both devices, change it, move it, delete it:";
    menu.section(title, &deploying("dev-2"));
    menu.section("Ask the containers:", &curls(platform)?);
    if let Ok(identity) = platform.identity() {
        menu.section(
            "Who may join, and who may stay:",
            &joining(identity, guests),
        );
        menu.section(
            "Look at the chain by which devices log in:",
            &chain(platform, identity)?,
        );
    }
    menu.ending(platform);
    menu.section("Look at a device:", &podman(platform));
    Ok(menu.0)
}

/// The same where the devices are virtual machines.
pub fn machines(machines: &Machines<'_>, binaries: &Path, kubectl: &Path) -> Result<String, Error> {
    let platform = machines.platform();
    let mut menu = beginning(platform, binaries, kubectl)?;
    let all = machines.all();
    let first = all.first().map_or("", |machine| machine.id.as_str());
    menu.section(
        "Deploy to every machine, change it, move it, delete it:",
        &deploying(first),
    );
    let curls = all.iter();
    let curls = curls.map(|m| format!("curl http://{}/    # {}", m.address, m.id));
    menu.section("Ask the containers:", &curls.collect::<Vec<_>>());
    menu.section(
        "Look at a machine, pull its plug:",
        &powering(machines, first),
    );
    menu.ending(platform);
    Ok(menu.0)
}

fn powering(machines: &Machines<'_>, first: &str) -> [String; 4] {
    let home = machines.home().display();
    [
        format!("export {}={home}", fleet_files::dirs::HOME),
        "fleet-devices vm list".to_owned(),
        format!("fleet-devices vm console {first}    # Ctrl-] leaves"),
        format!("fleet-devices vm power-cycle {first}"),
    ]
}

/// Lines under titles.
#[derive(Debug, Default)]
struct Menu(String);

impl Menu {
    fn section(&mut self, title: &str, lines: &[String]) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.0, "\n{title}");
        for line in lines {
            let _ = writeln!(self.0, "    {line}");
        }
    }

    fn ending(&mut self, platform: &Platform) {
        self.section("Look into the bus:", &bus());
        if let Ok(installation) = platform.installation() {
            self.section("Look at the operator:", &operator(installation));
        }
    }
}

fn beginning(platform: &Platform, binaries: &Path, kubectl: &Path) -> Result<Menu, Error> {
    let nats = platform.bed.nats()?;
    let mut menu = Menu::default();
    let path = [Some(binaries), kubectl.parent()].into_iter().flatten();
    let path: Vec<_> = path.map(|p| p.display().to_string()).collect();
    menu.section(
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
    menu.section(
        "Watch (leave it running):",
        &[
            "kubectl get fleetdep,fleetdev -o wide --watch".into(),
            "fleet get deployments -w".into(),
        ],
    );
    Ok(menu)
}

fn deploying(device: &str) -> [String; 5] {
    let deploy = format!(
        "fleet deploy --name hello --selector site=here --image {} --port 8080:80",
        workload::image("v1")
    );
    [
        format!("{deploy} --wait"),
        format!("{} --wait", deploy.replace(":v1", ":v2")),
        format!("{deploy} --print | kubectl apply --server-side --force-conflicts -f -"),
        format!("kubectl label fleetdev {device} site=elsewhere --overwrite"),
        "fleet deploy --name hello --delete".into(),
    ]
}

fn joining(identity: &Identity, guests: &Guests) -> Vec<String> {
    let token = format!(
        "fleet-auth token create --token-namespace {} --device-id dev-4    # for a device to ask with",
        identity.namespace()
    );
    let (waiting, waits) = &guests.waiting;
    let (member, belongs) = &guests.member;
    vec![
        "fleet get enrolments".to_owned(),
        format!("fleet approve {waits}    # {waiting} has asked and waits for you"),
        format!("fleet deny {belongs}    # {member} loses the bus; its containers keep running"),
        format!("fleet approve {belongs}    # and is back"),
        token,
    ]
}

fn chain(platform: &Platform, identity: &Identity) -> Result<Vec<String>, Error> {
    let bed = &platform.bed;
    let (idp, openbao) = (bed.idp()?, bed.openbao()?);
    let follow = |service: &Service| tail(&service.log_path());
    Ok(vec![
        format!(
            "# identity provider: {} stands in for Zitadel, as strict as that, without a console",
            idp.issuer()
        ),
        format!(
            "{}    # each login, and why (not)",
            follow(identity.callout.service())
        ),
        format!(
            "{}    # each enrolment",
            follow(identity.enrolment.service())
        ),
        format!("{}    # who read which policy", tail(openbao.audit_log())),
        format!(
            "curl --cacert {} {}/v1/sys/health    # OpenBao",
            openbao.ca_file().display(),
            openbao.url()
        ),
    ])
}

fn tail(path: &Path) -> String {
    format!("tail -f {}", path.display())
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
