//! A cluster is lost with all that it kept, and another one is made of its backup, by the lines of
//! docs/install/backup.md.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Instant;

use fleet_api::{Deployment, DeviceEnrolment};
use fleet_e2e::command::Command;
use fleet_e2e::helm::Major;
use fleet_testbed::wait;
use fleet_tools::Tool;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};
use serde_json::{Value, json};

use crate::device::DEVICE;
use crate::own;
use crate::site::Site;

/// What the page says to type.
const PAGE: &str = include_str!("../../../docs/install/backup.md");

/// What must be as it was.
#[derive(Debug, PartialEq)]
struct Before {
    /// The container, and when it was started.
    container: Value,
    /// The keys that the platform made, or whoever installed it.
    keys: Vec<(String, Option<BTreeMap<String, ByteString>>)>,
    /// The device's user and key at the identity provider.
    identity: Value,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drill_of_a_cluster_that_is_lost_with_the_bus_beside_it() {
    let Some(site) = own::start("drill", Major::Four).await else {
        return;
    };
    let lose_bus = async |site: &Site| {
        let nats = site.parts.nats().expect("a bus");
        nats.wipe().await.expect("lost");
        nats.start().await.expect("another one");
    };
    run(&site, own::bring_secrets, lose_bus).await;
}

/// An installation that is not there yet goes through it all. `bring` makes the Secrets that its values
/// name; `lose` is for what is to be lost beside the cluster.
pub(crate) async fn run(site: &Site, bring: impl AsyncFn(&Site), lose: impl AsyncFn(&Site)) {
    site.install().await;
    site.enrol_device().await;
    site.device_runs("v1").await;
    let before = before(site).await;

    let admin = Admin::new(site);
    admin.types("## Back up").await;
    let since = Instant::now();
    site.parts.replace_cluster().await.expect("another cluster");
    lose(site).await;
    println!("another cluster is there {:.1?} later", since.elapsed());
    assert!(nothing_is_left(site).await);
    let began = Instant::now();
    admin.types("## Restore").await;
    bring(site).await;
    site.wait_ready().await;
    println!("restored {:.1?} after the first line", began.elapsed());
    adds_up(site).await;
    println!("the device is back {:.1?} after it", began.elapsed());
    assert_eq!(self::before(site).await, before);
    site.device_runs("v2").await;
}

/// Whoever does it, with a folder of theirs.
struct Admin {
    home: PathBuf,
    kubeconfig: PathBuf,
}

impl Admin {
    /// With the programs, charts and values that the page speaks of.
    fn new(site: &Site) -> Self {
        let home = site.parts.folder().join("admin");
        let (bin, charts) = (home.join("bin"), home.join("charts"));
        for folder in [&bin, &charts] {
            fs::create_dir_all(folder).expect("a folder");
        }
        let tools = fleet_tools::ensure(&[Tool::Helm, Tool::Kubectl], &mut |_| {});
        let tools = tools.expect("helm and kubectl");
        let link = |from: &Path, to: PathBuf| symlink(from, to).expect("linked");
        link(tools.path(Tool::Helm).expect("helm"), bin.join("helm"));
        link(
            tools.path(Tool::Kubectl).expect("kubectl"),
            bin.join("kubectl"),
        );
        let fleet = fleet_testbed::program("fleet").expect("fleet is built");
        link(&fleet, bin.join("fleet"));
        let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("../charts/fleet-crds");
        link(&ours, charts.join("fleet-crds"));
        let umbrella = site.parts.folder().join("fleet-platform");
        link(&umbrella, charts.join("fleet-platform"));
        let values = site.parts.folder().join("helm/fleet-values.json");
        link(&values, home.join("my-values.yaml"));
        Self {
            home,
            kubeconfig: site.parts.kubeconfig().expect("a kubeconfig").to_owned(),
        }
    }

    /// The lines below a heading of the page.
    async fn types(&self, heading: &str) {
        let (_, section) = PAGE.split_once(&format!("{heading}\n")).expect(heading);
        let (_, block) = section.split_once("```sh\n").expect("a block");
        let (lines, _) = block.split_once("```").expect("its end");
        let path = std::env::var("PATH").unwrap_or_default();
        let home = self.home.display();
        let typed = Command::new("sh")
            .args(["-euc".to_owned(), format!("cd '{home}'\n{lines}")])
            .cluster(Some(&self.kubeconfig))
            .env("PATH", format!("{home}/bin:{path}"))
            .env("HOME", home.to_string())
            // The cluster is on this machine.
            .env("NO_PROXY", "*")
            .run();
        let said = typed.await.expect(heading);
        println!("{heading}\n{said}");
    }
}

async fn nothing_is_left(site: &Site) -> bool {
    let secrets = site.namespaced::<Secret>();
    let secrets = secrets.list(&ListParams::default()).await;
    secrets.is_ok_and(|secrets| secrets.items.is_empty())
}

async fn before(site: &Site) -> Before {
    let keys = site.all::<Secret>().await.into_iter();
    let of_platform = |key: &Secret| key.name_any().starts_with("fleet-");
    let keys = keys
        .filter(of_platform)
        .map(|key| (key.name_any(), key.data));
    let all: Api<DeviceEnrolment> = Api::all(site.client.clone());
    let enrolments = all.list(&ListParams::default()).await.expect("listed");
    let [enrolment] = enrolments.items.as_slice() else {
        panic!("not one enrolment: {enrolments:?}");
    };
    let status = enrolment.status.clone().expect("a status");
    Before {
        container: container(site).await,
        keys: keys.collect(),
        identity: json!([enrolment.name_any(), status.user_id, status.key_id]),
    }
}

/// The device's only container.
async fn container(site: &Site) -> Value {
    let device = site.device();
    let listed = device.podman_ok(["ps", "--format", "json"]).await;
    let listed: Value = serde_json::from_str(&listed.expect("listed")).expect("JSON");
    let [container] = listed.as_array().expect("a list").as_slice() else {
        panic!("not one container: {listed}");
    };
    json!([
        container["Id"],
        container["StartedAt"],
        container["Restarts"]
    ])
}

/// The new operator has heard of the container from the device itself.
async fn adds_up(site: &Site) {
    let all: Api<Deployment> = Api::namespaced(site.client.clone(), "default");
    let succeeded = || async {
        let found = all.get_opt("hello").await.ok().flatten();
        let status = found.and_then(|found| found.status).unwrap_or_default();
        let sums = json!(status.aggregate);
        sums["matchedDeviceCount"] == 1 && sums["succeeded"] == 1
    };
    if !wait::until(site.limit, succeeded).await {
        let found = all.get_opt("hello").await;
        let log = site.device().agent_log();
        panic!("{found:?}\n{DEVICE}: {log}\n{}", site.told().await);
    }
}
