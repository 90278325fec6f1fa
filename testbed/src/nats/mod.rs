//! The bus: nats-server with the configuration that `fleet-bus` renders.

mod keys;
mod node;
mod render;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use fleet_contracts::DeviceId;
use fleet_tools::{Tool, Toolbox};
use futures::future::try_join_all;

use crate::journal::Journal;
use crate::process::{ProcessError, Service, lock};
use crate::slow_way::SlowWay;
pub use keys::KeyError;
use keys::{CalloutKeys, Keys};
use node::Node;
use render::Users;

/// Why the bus did not start or change.
#[derive(Debug, thiserror::Error)]
pub enum NatsError {
    /// It did not start, become ready, or stop.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// nats-server was not built.
    #[error(transparent)]
    Tool(#[from] fleet_tools::Error),
    /// A key could not be made.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A file of the bus cannot be written or removed.
    #[error("cannot write or remove {path}", path = .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// No free port was found.
    #[error("cannot find a free port on {0}")]
    Port(IpAddr, #[source] io::Error),
}

/// nats-server with the accounts AUTH, PLATFORM, DEVICES and SYS, and one static nkey user for
/// each device; with a callout the server asks that about devices, and their static users are shut
/// out.
#[derive(Debug)]
pub struct Nats {
    /// At least one; with more they are a cluster.
    nodes: Vec<Node>,
    keys: Keys,
    callout: Option<Mutex<CalloutKeys>>,
    /// Public keys by device id.
    devices: Mutex<BTreeMap<DeviceId, String>>,
    /// Public keys of users that speak for all devices.
    simulators: Mutex<Vec<String>>,
}

impl Nats {
    pub(crate) fn create(
        folder: &Path,
        ip: IpAddr,
        toolbox: &Toolbox,
        journal: &Journal,
        callout: bool,
        servers: usize,
    ) -> Result<Self, NatsError> {
        let home = folder.join("nats");
        fs::create_dir_all(&home).map_err(|source| NatsError::File {
            path: home.clone(),
            source,
        })?;
        let keys = Keys::create(&home)?;
        let callout = callout
            .then(|| CalloutKeys::create(&home, ""))
            .transpose()?;
        let program = toolbox.path(Tool::NatsServer)?;
        let node = |number| {
            let logs = folder.join("logs");
            Node::create(number, &home, &logs, ip, program.into(), journal)
        };
        Ok(Self {
            nodes: (0..servers.max(1)).map(node).collect::<Result<_, _>>()?,
            keys,
            callout: callout.map(Mutex::new),
            devices: Mutex::default(),
            simulators: Mutex::default(),
        })
    }

    /// The first server; there always is one.
    fn first(&self) -> &Node {
        &self.nodes[0]
    }

    /// Where clients connect, on the host and on devices.
    pub fn url(&self) -> String {
        self.server_url(0)
    }

    /// The same with all servers of a cluster, separated by commas.
    pub fn urls(&self) -> String {
        let urls: Vec<_> = (0..self.servers()).map(|n| self.server_url(n)).collect();
        urls.join(",")
    }

    /// How many servers it has.
    pub fn servers(&self) -> usize {
        self.nodes.len()
    }

    /// Where clients connect to one server of a cluster, counted from 0.
    pub fn server_url(&self, number: usize) -> String {
        format!("nats://{}", self.server_address(number))
    }

    /// A way to it on which what a client sends arrives so much later.
    ///
    /// # Errors
    /// When there is no port to listen on.
    pub async fn slow_way(&self, late: Duration) -> Result<SlowWay, NatsError> {
        let server = self.address();
        let way = SlowWay::to(server, late).await;
        way.map_err(|e| NatsError::Port(server.ip(), e))
    }

    /// The same as an address.
    pub fn server_address(&self, number: usize) -> SocketAddr {
        self.nodes[number].address
    }

    /// The server of this name, as its own monitoring and the leaders of streams are called.
    pub fn server_named(&self, name: &str) -> Option<usize> {
        self.nodes.iter().position(|node| node.name == name)
    }

    /// The process of one server of a cluster.
    pub fn server(&self, number: usize) -> &Service {
        &self.nodes[number].service
    }

    /// Kills one server of a cluster, as a crash would.
    ///
    /// # Errors
    /// When the process does not go.
    pub async fn kill_server(&self, number: usize) -> Result<(), NatsError> {
        Ok(self.nodes[number].service.kill().await?)
    }

    /// Starts one server of a cluster again and waits until it answers.
    ///
    /// # Errors
    /// When it runs already or does not come up.
    pub async fn start_server(&self, number: usize) -> Result<(), NatsError> {
        self.write_config()?;
        self.nodes[number].start().await
    }

    /// The same as an address.
    pub fn address(&self) -> SocketAddr {
        self.first().address
    }

    /// The seed file of the operator's user in account PLATFORM.
    pub fn operator_seed(&self) -> PathBuf {
        self.keys.operator.seed_file.clone()
    }

    /// The seed file of the user in the system account SYS.
    pub fn system_seed(&self) -> PathBuf {
        self.keys.system.seed_file.clone()
    }

    /// The seed file of the auth callout's user in the system account, who closes connections.
    pub fn enforcer_seed(&self) -> PathBuf {
        self.keys.enforcer.seed_file.clone()
    }

    /// The seed files of what the callout signs with and of what requests to it are sealed to;
    /// none on a bus without callout.
    pub fn callout_seeds(&self) -> Option<(PathBuf, PathBuf)> {
        let keys = lock(self.callout.as_ref()?);
        Some((keys.issuer.seed_file.clone(), keys.xkey.seed_file.clone()))
    }

    /// Makes other keys for the callout, and has the servers name them: each from its next start on.
    ///
    /// # Errors
    /// When they cannot be made.
    pub fn replace_callout_keys(&self) -> Result<(), NatsError> {
        let Some(callout) = &self.callout else {
            return Ok(());
        };
        let mut keys = lock(callout);
        let home = keys.issuer.seed_file.parent().unwrap_or(Path::new("."));
        *keys = CalloutKeys::create(home, &format!("-{}", fastrand::u32(..)))?;
        Ok(())
    }

    /// The seed file of the user in account AUTH, where the callout answers.
    pub fn auth_seed(&self) -> PathBuf {
        self.keys.auth.seed_file.clone()
    }

    /// The process of the first server.
    pub fn service(&self) -> &Service {
        &self.first().service
    }

    /// Starts it again on the same port and data, and waits until it answers.
    ///
    /// # Errors
    /// When it runs already or does not come up.
    pub async fn start(&self) -> Result<(), NatsError> {
        self.write_config()?;
        try_join_all(self.nodes.iter().map(Node::start)).await?;
        Ok(())
    }

    /// Stops it; its data stays.
    ///
    /// # Errors
    /// When the process does not go.
    pub async fn stop(&self) -> Result<(), NatsError> {
        for node in &self.nodes {
            node.service.terminate().await?;
        }
        Ok(())
    }

    /// Kills it, as a crash would.
    ///
    /// # Errors
    /// When the process does not go.
    pub async fn kill(&self) -> Result<(), NatsError> {
        for node in &self.nodes {
            node.service.kill().await?;
        }
        Ok(())
    }

    /// Loses every stream: stops the server if it runs and removes its data. The server is then
    /// stopped.
    ///
    /// # Errors
    /// When the process does not go or the data cannot be removed.
    pub async fn wipe(&self) -> Result<(), NatsError> {
        self.stop().await?;
        self.nodes.iter().try_for_each(Node::wipe)
    }

    /// A client that is logged in as the operator.
    ///
    /// # Errors
    /// When the seed cannot be read or the server refuses.
    pub async fn operator_client(&self) -> Result<async_nats::Client, NatsError> {
        Ok(self.keys.operator.connect(&self.url()).await?)
    }

    /// A client that is logged in as a device, whose seed is in `seed`.
    ///
    /// # Errors
    /// When the seed cannot be read or the server refuses.
    pub async fn client_with_seed(&self, seed: &Path) -> Result<async_nats::Client, NatsError> {
        Ok(keys::connect(&self.url(), seed).await?)
    }

    /// The same at one server of a cluster.
    ///
    /// # Errors
    /// When the seed cannot be read or the server refuses.
    pub async fn client_at(
        &self,
        server: usize,
        seed: &Path,
    ) -> Result<async_nats::Client, NatsError> {
        Ok(keys::connect(&self.server_url(server), seed).await?)
    }

    /// Makes the credential of a device and lets it in. A running server takes up the change.
    pub(crate) async fn admit(&self, id: &DeviceId, seed_file: &Path) -> Result<(), NatsError> {
        let public = keys::create_at(seed_file)?;
        lock(&self.devices).insert(id.clone(), public);
        self.reload().await
    }

    /// Lets in users that have no device behind them, for simulations: ids with public nkeys.
    ///
    /// # Errors
    /// When the configuration cannot be written or the server does not take it up.
    pub async fn admit_keys(
        &self,
        devices: impl IntoIterator<Item = (DeviceId, String)>,
    ) -> Result<(), NatsError> {
        lock(&self.devices).extend(devices);
        self.reload().await
    }

    /// Lets in a user that may speak for every device, for simulations of many over few connections:
    /// its public nkey. No installation has such a user.
    ///
    /// # Errors
    /// When the configuration cannot be written or the server does not take it up.
    pub async fn admit_simulator(&self, public: String) -> Result<(), NatsError> {
        lock(&self.simulators).push(public);
        self.reload().await
    }

    /// Shuts a device out; its connection is closed.
    ///
    /// # Errors
    /// When the configuration cannot be written or the server does not take it up.
    pub async fn expel(&self, id: &DeviceId) -> Result<(), NatsError> {
        lock(&self.devices).remove(id);
        self.reload().await
    }

    async fn reload(&self) -> Result<(), NatsError> {
        let running = |node: &&Node| node.service.pid().is_some();
        if !self.nodes.iter().any(|node| running(&node)) {
            return Ok(());
        }
        self.write_config()?;
        try_join_all(self.nodes.iter().filter(running).map(Node::reload)).await?;
        Ok(())
    }

    fn write_config(&self) -> Result<(), NatsError> {
        let devices = lock(&self.devices).clone();
        let (keys, callout) = (&self.keys, self.callout.as_ref().map(lock));
        let callout = callout.as_deref();
        let users = Users {
            devices: &devices,
            simulators: &lock(&self.simulators),
        };
        self.nodes.iter().try_for_each(|node| {
            let config = render::config(node, &self.nodes, keys, callout, &users);
            node.write_config(&config)
        })
    }
}
