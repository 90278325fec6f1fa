//! One node of the cluster: a machine with containerd, kubelet and kube-proxy, and real pods.

mod addons;
mod config;
mod containerd;
mod error;
mod images;
mod objects;
mod replacement;

use std::fs::{self, File, Permissions};
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use fleet_images::oci::{Layer, Settings};
use fleet_tools::{Tool, Toolbox};
use futures::future::try_join;
use k8s_openapi::api::core::v1 as core;
use kube::Api;

use crate::control_groups;
use crate::control_plane::{Joining, NodeAccess};
use crate::device::machine::{self, Boot, Machine, Part};
use crate::journal::{Entry, Journal};
use crate::network::Bridge;
use crate::process::{Service, Spec};

pub use error::NodeError;
use error::file_error;

/// The node's name. One is enough to run pods; what needs two has no test here yet.
const NAME: &str = "node1";
/// Its place on the bridge, behind those of the devices.
const NUMBER: u8 = 240;
/// containerd answers within a second; a machine that also compiles takes several times that.
const START_TIME: Duration = Duration::from_secs(60);
/// From the start of the kubelet to a node that is ready takes some seconds.
const READY_TIME: Duration = Duration::from_secs(120);
/// Where the programs look for others: runc, iptables, mount.
const PROGRAMS: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What a node mounts at its boot. Kubelet, containerd and CNI insist on folders below `/var`; the
/// node gets its own there, and everything else of the host shows through.
const BOOT: &str = r#"
mkdir /run/var-lib
mount --rbind /var/lib /run/var-lib
mount -t tmpfs -o mode=755 tmpfs /var/lib
for entry in /run/var-lib/*; do ln -s "$entry" /var/lib/; done
for own in kubelet containerd local-volumes; do
    rm -f "/var/lib/$own"
    mkdir -p "/var/lib/$own" "$1/$own"
    mount --bind "$1/$own" "/var/lib/$own"
done
rm -f /var/lib/cni
mkdir /var/lib/cni
mount --bind "$2" /var/log
# Mounts in pods may be asked to reach other pods, as on any node.
mount --make-rshared /
# A Service that kube-proxy does not know yet refuses. Else its traffic would go out to the host, and
# the first connection to a new Service would wait for minutes on an answer that cannot come.
iptables -w -A FORWARD -d 10.96.0.0/16 -j REJECT
"#;

/// A node that runs real pods. Its machine is like that of a device: namespaces of its own, with an
/// address on the testbed's bridge. Pods have addresses of 10.244.0.0/24 and Services of
/// 10.96.0.0/16, both of which exist inside the machine only, so testbeds run side by side; from
/// the host, a pod is reached through a `NodePort` or host port at [`host_ip`](Self::host_ip).
///
/// Nothing is pulled: pods run images that were imported. `NetworkPolicy` objects are taken and not
/// enforced, because the network plugin (`ptp`) knows nothing of them. Webhooks and aggregated APIs
/// cannot run in pods: the API server, on the host, has no way to addresses of Services.
#[derive(Debug)]
pub struct Node {
    folder: PathBuf,
    logs: PathBuf,
    machine: Machine,
    containerd: containerd::Containerd,
    kubelet: Spec,
    kubelet_service: Service,
    proxy: Spec,
    proxy_service: Service,
    coredns: PathBuf,
    volumes: u8,
}

impl Node {
    /// Whether this process may make a node, and all is there that it needs.
    ///
    /// # Errors
    /// Why not: what a test says when it is skipped.
    pub fn supported() -> Result<(), NodeError> {
        if !machine::may_make_machines() {
            return Err(NodeError::NotRoot);
        }
        let plugin = |folder: &str| Path::new(folder).join("ptp").is_file();
        if !config::PLUGINS.iter().any(|folder| plugin(folder)) {
            return Err(NodeError::NoPlugins);
        }
        Ok(())
    }

    /// Who will join, for a control plane that has to know before it starts.
    pub(crate) fn joining(bridge: &Bridge) -> Joining {
        Joining {
            name: NAME,
            node_ip: bridge.device_ip(NUMBER),
            host_ip: bridge.host_ip(),
        }
    }

    pub(crate) fn create(
        bed: &Path,
        bridge: &Bridge,
        access: &NodeAccess,
        toolbox: &Toolbox,
        journal: &Journal,
        volumes: u8,
    ) -> Result<Self, NodeError> {
        let (folder, logs) = (bed.join(NAME), bed.join("logs"));
        let own_logs = logs.join(NAME);
        for folder in [&folder, &own_logs] {
            fs::create_dir_all(folder).map_err(file_error(folder))?;
        }
        config::write(&folder, access)?;
        make_volumes(&folder.join("local-volumes"), volumes)?;
        let boot = Boot {
            script: BOOT,
            args: vec![folder.clone(), own_logs],
        };
        let bridge = bridge.clone();
        let machine = Machine::with_boot(NAME, NUMBER, bridge, &logs, journal, &boot);
        let containerd = containerd::Containerd::new(&folder, &logs, toolbox, journal)?;
        let program = toolbox.path(Tool::Kubelet)?;
        let spec = Spec::new(format!("{NAME}-kubelet"), program, &logs);
        let kubelet = config::kubelet(spec, &folder, access);
        let program = toolbox.path(Tool::KubeProxy)?;
        let spec = Spec::new(format!("{NAME}-kube-proxy"), program, &logs);
        let proxy = config::proxy(spec, access);
        journal.write(&Entry::Containerd {
            path: folder.join("containerd"),
        })?;
        Ok(Self {
            kubelet_service: Service::new(kubelet.clone(), journal.clone()),
            proxy_service: Service::new(proxy.clone(), journal.clone()),
            coredns: toolbox.path(Tool::Coredns)?.to_owned(),
            folder,
            logs,
            machine,
            containerd,
            kubelet,
            proxy,
            volumes,
        })
    }

    /// Boots the machine and starts containerd, with the images that pods need to start at all.
    pub(crate) async fn boot(&self) -> Result<(), NodeError> {
        self.power_machine_on().await?;
        let (pause, coredns) = images::write(&self.folder, &self.coredns).await?;
        let both = try_join(self.import_image(&pause), self.import_image(&coredns)).await;
        for archive in [&pause, &coredns] {
            fs::remove_file(archive).map_err(file_error(archive))?;
        }
        both.map(drop)
    }

    /// Joins the cluster and brings what every cluster has: DNS, and volumes if they were asked
    /// for. Waits until the node is ready and DNS answers.
    pub(crate) async fn join(&self, client: &kube::Client) -> Result<(), NodeError> {
        self.start_kubelet()?;
        addons::install(client, self.volumes).await?;
        self.wait_ready(client).await?;
        addons::wait_for_dns(client).await
    }

    /// Its name in the cluster.
    pub fn name(&self) -> &'static str {
        NAME
    }

    /// Its address, at which ports of Services of type `NodePort` answer.
    pub fn host_ip(&self) -> IpAddr {
        self.machine.ip()
    }

    /// Its folder; the folder `local-volumes` in it holds the data of local volumes.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// containerd's process. Its id is that of the helper that entered the machine.
    pub fn containerd(&self) -> &Service {
        self.containerd.service()
    }

    /// The kubelet's process.
    pub fn kubelet(&self) -> &Service {
        &self.kubelet_service
    }

    /// The process of kube-proxy.
    pub fn kube_proxy(&self) -> &Service {
        &self.proxy_service
    }

    /// Brings an image into the node's store, from a docker or OCI archive, under the names that
    /// the archive gives it.
    ///
    /// # Errors
    /// When the archive cannot be read, or containerd refuses it.
    pub async fn import_image(&self, archive: &Path) -> Result<(), NodeError> {
        let input = File::open(archive).map_err(file_error(archive))?;
        // Through a pipe: the machine sees no `/run` of the host.
        self.ctr(&["images", "import", "-"], input.into()).await?;
        Ok(())
    }

    /// Makes the image `reference` on the node: a web server that answers every request for `/` with
    /// `body`, as on a device.
    ///
    /// # Errors
    /// When busybox-static is missing or containerd refuses the image.
    pub async fn load_image(&self, reference: &str, body: &str) -> Result<(), NodeError> {
        let (settings, layer) = crate::images::web(body)?;
        self.make_image(reference, settings, layer).await
    }

    /// Makes the image `reference` on the node, of one layer.
    ///
    /// # Errors
    /// When the image cannot be made, or containerd refuses it.
    pub async fn make_image(
        &self,
        reference: &str,
        settings: Settings,
        layer: Layer,
    ) -> Result<(), NodeError> {
        let name = format!("image-{}.tar", crate::secret::token());
        let archive = self.folder.join(name);
        let (path, reference) = (archive.clone(), reference.to_owned());
        let save = move || crate::images::save(&path, &reference, settings, layer);
        let saved = tokio::task::spawn_blocking(save).await;
        saved.map_err(|error| NodeError::Ctr(io::Error::other(error)))??;
        let imported = self.import_image(&archive).await;
        fs::remove_file(&archive).map_err(file_error(&archive))?;
        imported
    }

    /// The names of the images in the node's store, without those that are digests.
    ///
    /// # Errors
    /// When containerd does not answer.
    pub async fn images(&self) -> Result<Vec<String>, NodeError> {
        let list = ["images", "list", "--quiet"];
        let output = self.ctr(&list, Stdio::null()).await?;
        let names = output.lines().filter(|name| !name.contains("sha256:"));
        Ok(names.map(str::to_owned).collect())
    }

    /// Cuts the power: all pods are gone at once, and so is all in memory. Images, local volumes
    /// and what the kubelet wrote down stay.
    ///
    /// # Errors
    /// When a process does not go.
    pub async fn power_off(&self) -> Result<(), NodeError> {
        self.machine.cut_power().await?;
        for service in [
            self.containerd.service(),
            &self.kubelet_service,
            &self.proxy_service,
        ] {
            service.kill().await?;
        }
        control_groups::remove_containerd(&self.folder.join("containerd"));
        Ok(())
    }

    /// Boots the machine again, and waits until the cluster takes the node for ready. The kubelet
    /// then starts the node's pods anew.
    ///
    /// # Errors
    /// When something does not come up.
    pub async fn power_on(&self, client: &kube::Client) -> Result<(), NodeError> {
        self.power_machine_on().await?;
        self.start_kubelet()?;
        self.wait_ready(client).await
    }

    /// Waits until the cluster takes the node for ready and sends it pods.
    ///
    /// # Errors
    /// When the kubelet ends, or the node is not ready in time.
    pub async fn wait_ready(&self, client: &kube::Client) -> Result<(), NodeError> {
        let nodes: Api<core::Node> = Api::all(client.clone());
        let ready = || async {
            let node = nodes.get_opt(NAME).await.ok().flatten();
            node.as_ref().is_some_and(takes_pods)
        };
        Ok(self.kubelet_service.wait_ready(READY_TIME, ready).await?)
    }

    async fn power_machine_on(&self) -> Result<(), NodeError> {
        self.machine.boot().await?;
        self.containerd.start(&self.machine).await
    }

    fn start_kubelet(&self) -> Result<(), NodeError> {
        for (service, spec) in [
            (&self.kubelet_service, &self.kubelet),
            (&self.proxy_service, &self.proxy),
        ] {
            service.set_spec(self.machine.inside(spec.clone(), Part::Whole)?);
            service.spawn()?;
        }
        Ok(())
    }

    async fn ctr(&self, args: &[&str], input: Stdio) -> Result<String, NodeError> {
        let spec = self.containerd.command(&self.logs).args(args);
        let spec = self.machine.inside(spec, Part::Whole)?;
        let run = move || {
            Command::new(&spec.program)
                .args(&spec.args)
                .stdin(input)
                .output()
        };
        let output = tokio::task::spawn_blocking(run)
            .await
            .map_err(io::Error::other)
            .flatten()
            .map_err(NodeError::Ctr)?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(NodeError::Refused {
            command: args.join(" "),
            output: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        })
    }
}

/// Whether the scheduler may send pods there: ready, and without the taints of a node that is not.
fn takes_pods(node: &core::Node) -> bool {
    let conditions = node.status.iter().flat_map(|status| &status.conditions);
    let is_ready = conditions
        .flatten()
        .any(|condition| condition.type_ == "Ready" && condition.status == "True");
    let taints = node.spec.iter().flat_map(|spec| &spec.taints).flatten();
    is_ready && taints.count() == 0
}

/// A folder for each; whoever a pod runs as may write there.
fn make_volumes(parent: &Path, number: u8) -> Result<(), NodeError> {
    for number in 1..=number {
        let path = parent.join(number.to_string());
        fs::create_dir_all(&path)
            .and_then(|()| fs::set_permissions(&path, Permissions::from_mode(0o777)))
            .map_err(file_error(&path))?;
    }
    Ok(())
}
