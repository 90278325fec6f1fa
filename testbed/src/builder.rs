//! Choosing the parts of a testbed, and starting them side by side.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::Mutex;

use fleet_tools::{Tool, Toolbox};
use futures::future::{join_all, try_join, try_join5};

use crate::control_plane::{ApiServer, Etcd, Special};
use crate::device::Device;
use crate::device::machine;
use crate::error::Error;
use crate::idp::Idp;
use crate::journal::Journal;
use crate::keycloak::{Keycloak, Realm};
use crate::nats::Nats;
use crate::network::Bridge;
use crate::node::{Node, NodeError};
use crate::openbao::OpenBao;
use crate::overview::Overview;
use crate::people::People;
use crate::registry::Registry;
use crate::remains;
use crate::runtime_folder::RuntimeFolder;
use crate::secret;
use crate::signing_key::SigningKey;
use crate::testbed::{Testbed, make_folder};

/// A port that was free when it was chosen may be taken when its server binds it, by a connection
/// that anybody on this machine opened in between. Another choice settles that.
const START_ATTEMPTS: u32 = 3;

/// The parts of a testbed to be. Nothing is started before [`start`](Self::start).
#[derive(Debug, Clone)]
#[must_use = "a builder starts nothing by itself"]
pub struct Builder {
    name: String,
    parts: BTreeSet<Part>,
    bus_servers: usize,
    node: Option<NodeOptions>,
    devices: Vec<String>,
    audited: Vec<String>,
    streams_lists: bool,
    realms: Vec<Realm>,
}

/// What a testbed has or does without.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    ControlPlane,
    Nats,
    /// The bus asks who may log in.
    Callout,
    Registry,
    Idp,
    /// The API server knows people of the identity provider.
    People,
    OpenBao,
    Keycloak,
}

/// What a node has.
#[derive(Debug, Clone, Default)]
struct NodeOptions {
    volumes: u8,
}

impl Builder {
    pub(crate) fn new(name: String) -> Self {
        Self {
            name,
            parts: BTreeSet::new(),
            bus_servers: 1,
            node: None,
            devices: Vec::new(),
            audited: Vec::new(),
            streams_lists: true,
            realms: Vec::new(),
        }
    }

    /// With etcd, the API server and the controller manager.
    pub fn control_plane(mut self) -> Self {
        self.parts.insert(Part::ControlPlane);
        self
    }

    /// With a record of what these users ask of the API server: [`ApiServer::audited`].
    pub fn audit<U: Into<String>>(mut self, users: impl IntoIterator<Item = U>) -> Self {
        self.audited.extend(users.into_iter().map(Into::into));
        self
    }

    /// With an API server that streams no lists, as all did before Kubernetes 1.32.
    pub fn without_streamed_lists(mut self) -> Self {
        self.streams_lists = false;
        self.control_plane()
    }

    /// With a bus.
    pub fn nats(mut self) -> Self {
        self.parts.insert(Part::Nats);
        self
    }

    /// With a bus of this many servers, as a cluster; see [`Nats::server_url`].
    pub fn nats_cluster(mut self, servers: usize) -> Self {
        self.bus_servers = servers;
        self.nats()
    }

    /// With a bus that asks the auth callout about devices; see [`Testbed::start_callout`]. Devices
    /// then have no static keys and must enrol: [`Testbed::start_enrolment`], [`Device::enrol`].
    pub fn callout(mut self) -> Self {
        self.parts.insert(Part::Nats);
        self.parts.insert(Part::Callout);
        self
    }

    /// With a container registry.
    pub fn registry(mut self) -> Self {
        self.parts.insert(Part::Registry);
        self
    }

    /// With an identity provider for devices and people; see [`Idp`].
    pub fn idp(mut self) -> Self {
        self.parts.insert(Part::Idp);
        self
    }

    /// With people: the API server takes tokens that the identity provider gives them; see
    /// [`People`]. Brings both along.
    pub fn people(mut self) -> Self {
        let parts = [Part::ControlPlane, Part::Idp, Part::People];
        self.parts.extend(parts);
        self
    }

    /// With OpenBao, initialized and unsealed; see [`OpenBao`].
    pub fn openbao(mut self) -> Self {
        self.parts.insert(Part::OpenBao);
        self
    }

    /// With a Keycloak that has these realms; see [`Keycloak`]. Needs Java:
    /// [`Keycloak::supported`] says whether it can be had.
    pub fn keycloak(mut self, realms: impl IntoIterator<Item = Realm>) -> Self {
        self.parts.insert(Part::Keycloak);
        self.realms.extend(realms);
        self
    }

    /// With a node that runs real pods; see [`Node`]. Brings the control plane along. Needs root:
    /// [`Node::supported`] says whether it can be had.
    pub fn node(mut self) -> Self {
        self.parts.insert(Part::ControlPlane);
        self.node.get_or_insert_default();
        self
    }

    /// With this many volumes on the node, for claims that name no storage class.
    pub fn local_volumes(mut self, number: u8) -> Self {
        self = self.node();
        self.node = Some(NodeOptions { volumes: number });
        self
    }

    /// With these devices: podman runs on each, the agent is started by the test.
    pub fn devices<D: Into<String>>(mut self, ids: impl IntoIterator<Item = D>) -> Self {
        self.devices.extend(ids.into_iter().map(Into::into));
        self
    }

    fn has(&self, part: Part) -> bool {
        self.parts.contains(&part)
    }

    /// Cleans up after crashed runs, makes the servers ready if they are not built yet, starts all
    /// parts side by side, and waits until they answer.
    ///
    /// # Errors
    /// When a part does not come up. What was started by then is stopped again.
    pub async fn start(self) -> Result<Testbed, Error> {
        if self.node.is_some() {
            Node::supported()?;
        }
        let tools = self.tools();
        let blocking = tokio::task::spawn_blocking(move || {
            if let Err(error) = remains::clean_remains() {
                // Another testbed's remains must not keep this one from starting.
                eprintln!("testbed: {error}");
            }
            fleet_tools::ensure(&tools, &mut |event| {
                if !matches!(event, fleet_tools::Event::Ready { .. }) {
                    eprintln!("tools: {event}");
                }
            })
        });
        let toolbox = blocking.await.map_err(|_| Error::Cancelled)??;
        for _ in 1..START_ATTEMPTS {
            // On the heap: with all parts in it, it would make the futures of all callers large.
            match Box::pin(self.start_once(&toolbox)).await {
                Err(error) if error.is_port_conflict() => {}
                other => return other,
            }
        }
        Box::pin(self.start_once(&toolbox)).await
    }

    async fn start_once(&self, toolbox: &Toolbox) -> Result<Testbed, Error> {
        let bed = self.make(toolbox)?;
        self.start_parts(&bed).await?;
        Overview::write_env(&bed.folder, &bed.env()).map_err(|source| Error::File {
            path: bed.folder.clone(),
            source,
        })?;
        Ok(bed)
    }

    fn tools(&self) -> Vec<Tool> {
        const CONTROL_PLANE: [Tool; 3] =
            [Tool::Etcd, Tool::KubeApiserver, Tool::KubeControllerManager];
        const NODE: [Tool; 7] = [
            Tool::KubeScheduler,
            Tool::Kubelet,
            Tool::KubeProxy,
            Tool::Containerd,
            Tool::ContainerdShim,
            Tool::Ctr,
            Tool::Coredns,
        ];
        let parts: [(bool, &[Tool]); 5] = [
            (self.has(Part::ControlPlane), &CONTROL_PLANE),
            (self.node.is_some(), &NODE),
            (self.has(Part::Nats), &[Tool::NatsServer]),
            (self.has(Part::OpenBao), &[Tool::Bao]),
            (self.has(Part::Keycloak), &[Tool::Keycloak]),
        ];
        let wanted = parts.into_iter().filter(|(wanted, _)| *wanted);
        wanted.flat_map(|(_, tools)| tools).copied().collect()
    }

    /// Folder, journal, keys and network: all that parts need before they start.
    fn make(&self, toolbox: &Toolbox) -> Result<Testbed, Error> {
        let (name, folder) = make_folder(&self.name)?;
        let journal = Journal::create(&folder)?;
        let mut bed = Testbed {
            name,
            signing_key: SigningKey::create(&folder)?,
            bridge: None,
            etcd: None,
            api_server: None,
            nats: None,
            registry: None,
            idp: None,
            people: None,
            openbao: None,
            keycloak: None,
            node: None,
            devices: Mutex::new(BTreeMap::new()),
            runtime_folder: RuntimeFolder::create(&journal)?,
            loopback: secret::random(),
            journal,
            folder,
        };
        if self.has_machines() && machine::may_make_machines() {
            bed.bridge = Some(Bridge::create(&bed.journal)?);
        }
        let ip = bed.host_ip();
        if self.has(Part::Nats) {
            let callout = self.has(Part::Callout);
            let (folder, servers) = (&bed.folder, self.bus_servers);
            let nats = Nats::create(folder, ip, toolbox, &bed.journal, callout, servers)?;
            bed.nats = Some(nats);
        }
        if self.has(Part::Registry) {
            bed.registry = Some(Registry::start_new(&bed.folder, ip, &bed.journal)?);
        }
        if self.has(Part::Idp) {
            let idp = Idp::start_new(&bed.folder, ip)?;
            let people = self.has(Part::People).then(|| People::create(&idp));
            bed.people = people.transpose()?;
            bed.idp = Some(idp);
        }
        if self.has(Part::OpenBao) {
            bed.openbao = Some(OpenBao::create(&bed.folder, ip, toolbox, &bed.journal)?);
        }
        bed.keycloak = self.make_keycloak(&bed, toolbox)?;
        if self.has(Part::ControlPlane) {
            self.make_control_plane(&mut bed, toolbox)?;
        }
        Ok(bed)
    }

    fn make_control_plane(&self, bed: &mut Testbed, toolbox: &Toolbox) -> Result<(), Error> {
        let (etcd, url) = Etcd::start_new(&bed.folder, toolbox, &bed.journal)?;
        bed.etcd = Some(etcd);
        let bridge = self.node.as_ref().and(bed.bridge.as_ref());
        let special = Special {
            audited: &self.audited,
            streams_lists: self.streams_lists,
            joining: bridge.map(Node::joining),
            people: bed.people.as_ref().map(People::provider),
        };
        let server = ApiServer::start_new(&bed.folder, toolbox, &bed.journal, &url, special)?;
        bed.node = self.make_node(bed, &server, toolbox)?;
        bed.api_server = Some(server);
        Ok(())
    }

    fn make_keycloak(&self, bed: &Testbed, toolbox: &Toolbox) -> Result<Option<Keycloak>, Error> {
        if !self.has(Part::Keycloak) {
            return Ok(None);
        }
        let (folder, ip) = (&bed.folder, bed.host_ip());
        let keycloak = Keycloak::create(folder, ip, toolbox, &bed.journal, &self.realms)?;
        Ok(Some(keycloak))
    }

    /// Without devices too, because one may be added while the bus runs.
    fn has_machines(&self) -> bool {
        let serving = [Part::Nats, Part::Idp, Part::OpenBao, Part::Keycloak];
        serving.into_iter().any(|part| self.has(part))
            || self.node.is_some()
            || !self.devices.is_empty()
    }

    fn make_node(
        &self,
        bed: &Testbed,
        server: &ApiServer,
        toolbox: &Toolbox,
    ) -> Result<Option<Node>, NodeError> {
        let parts = (&self.node, &bed.bridge, server.node_access());
        let (Some(options), Some(bridge), Some(access)) = parts else {
            return Ok(None);
        };
        let volumes = options.volumes;
        Node::create(&bed.folder, bridge, access, toolbox, &bed.journal, volumes).map(Some)
    }

    async fn start_parts(&self, bed: &Testbed) -> Result<(), Error> {
        let devices: Vec<Arc<Device>> = self
            .devices
            .iter()
            .map(|id| bed.prepare_device(id))
            .collect::<Result<_, _>>()?;
        for device in &devices {
            bed.admit(device).await?;
        }
        let cluster = start_cluster(bed);
        let messages = async {
            if let Some(nats) = &bed.nats {
                nats.start().await?;
            }
            match &bed.registry {
                Some(registry) => Ok(registry.wait_ready().await?),
                None => Ok(()),
            }
        };
        let machines = async {
            let booted = join_all(devices.iter().map(|device| device.boot())).await;
            booted
                .into_iter()
                .collect::<Result<(), _>>()
                .map_err(Error::from)
        };
        let secrets = async {
            match &bed.openbao {
                Some(openbao) => Ok(openbao.start().await?),
                None => Ok(()),
            }
        };
        let identities = async {
            match &bed.keycloak {
                Some(keycloak) => Ok(keycloak.start().await?),
                None => Ok(()),
            }
        };
        try_join5(cluster, messages, machines, secrets, identities)
            .await
            .map(|_: ((), (), (), (), ())| ())
    }
}

/// The control plane, and beside it the machine of the node, which then joins.
async fn start_cluster(bed: &Testbed) -> Result<(), Error> {
    let Some(server) = &bed.api_server else {
        return Ok(());
    };
    let Some(node) = &bed.node else {
        return Ok(server.wait_first_ready().await?);
    };
    let control_plane = async { Ok::<_, Error>(server.wait_first_ready().await?) };
    let machine = async { Ok(node.boot().await?) };
    try_join(control_plane, machine).await?;
    Ok(node.join(&server.client().await?).await?)
}
