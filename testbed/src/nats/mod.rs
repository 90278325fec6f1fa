//! The bus: nats-server with the configuration that `fleet-bus` renders.

mod keys;
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
use rustix::process::Signal;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::journal::Journal;
use crate::ports;
use crate::process::{ProcessError, Service, Spec, lock};
pub use keys::KeyError;
use keys::{CalloutKeys, Keys};

const READY_TIME: Duration = Duration::from_secs(30);

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
    service: Service,
    folder: PathBuf,
    address: SocketAddr,
    keys: Keys,
    callout: Option<CalloutKeys>,
    /// Public keys by device id.
    devices: Mutex<BTreeMap<DeviceId, String>>,
}

impl Nats {
    pub(crate) fn create(
        folder: &Path,
        ip: IpAddr,
        toolbox: &Toolbox,
        journal: &Journal,
        callout: bool,
    ) -> Result<Self, NatsError> {
        let home = folder.join("nats");
        fs::create_dir_all(&home).map_err(|source| NatsError::File {
            path: home.clone(),
            source,
        })?;
        let port = ports::free_on(ip).map_err(|source| NatsError::Port(ip, source))?;
        let keys = Keys::create(&home)?;
        let callout = callout.then(|| CalloutKeys::create(&home)).transpose()?;
        let program = toolbox.path(Tool::NatsServer)?;
        let spec = Spec::new("nats-server", program, &folder.join("logs"))
            .args(["--config".into(), home.join("nats.conf").into_os_string()]);
        Ok(Self {
            service: Service::new(spec, journal.clone()),
            folder: home,
            address: SocketAddr::new(ip, port),
            keys,
            callout,
            devices: Mutex::default(),
        })
    }

    /// Where clients connect, on the host and on devices.
    pub fn url(&self) -> String {
        format!("nats://{}", self.address)
    }

    /// The same as an address.
    pub fn address(&self) -> SocketAddr {
        self.address
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
        let keys = self.callout.as_ref()?;
        Some((keys.issuer.seed_file.clone(), keys.xkey.seed_file.clone()))
    }

    /// The seed file of the user in account AUTH, where the callout answers.
    pub fn auth_seed(&self) -> PathBuf {
        self.keys.auth.seed_file.clone()
    }

    /// The server's process.
    pub fn service(&self) -> &Service {
        &self.service
    }

    /// Starts it again on the same port and data, and waits until it answers.
    ///
    /// # Errors
    /// When it runs already or does not come up.
    pub async fn start(&self) -> Result<(), NatsError> {
        self.write_config()?;
        self.service.spawn()?;
        Ok(self
            .service
            .wait_ready(READY_TIME, || self.answers())
            .await?)
    }

    /// Stops it; its data stays.
    ///
    /// # Errors
    /// When the process does not go.
    pub async fn stop(&self) -> Result<(), NatsError> {
        Ok(self.service.terminate().await?)
    }

    /// Kills it, as a crash would.
    ///
    /// # Errors
    /// When the process does not go.
    pub async fn kill(&self) -> Result<(), NatsError> {
        Ok(self.service.kill().await?)
    }

    /// Loses every stream: stops the server if it runs and removes its data. The server is then
    /// stopped.
    ///
    /// # Errors
    /// When the process does not go or the data cannot be removed.
    pub async fn wipe(&self) -> Result<(), NatsError> {
        self.service.terminate().await?;
        let store = self.store();
        match fs::remove_dir_all(&store) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(NatsError::File {
                path: store,
                source,
            }),
            _ => Ok(()),
        }
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

    /// Shuts a device out; its connection is closed.
    ///
    /// # Errors
    /// When the configuration cannot be written or the server does not take it up.
    pub async fn expel(&self, id: &DeviceId) -> Result<(), NatsError> {
        lock(&self.devices).remove(id);
        self.reload().await
    }

    async fn reload(&self) -> Result<(), NatsError> {
        if self.service.pid().is_none() {
            return Ok(());
        }
        self.write_config()?;
        let reloads = || {
            self.service
                .log()
                .matches("Reloaded server configuration")
                .count()
        };
        let before = reloads();
        self.service.signal(Signal::HUP)?;
        Ok(self
            .service
            .wait_ready(READY_TIME, || async { reloads() > before })
            .await?)
    }

    fn write_config(&self) -> Result<(), NatsError> {
        let devices = lock(&self.devices).clone();
        let config = render::config(
            self.address,
            &self.store(),
            &self.keys,
            self.callout.as_ref(),
            &devices,
        );
        let path = self.folder.join("nats.conf");
        crate::secret::write(&path, config.as_bytes())
            .map_err(|source| NatsError::File { path, source })
    }

    fn store(&self) -> PathBuf {
        self.folder.join("store")
    }

    /// A server that takes connections greets with its `INFO` line.
    async fn answers(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect(self.address).await else {
            return false;
        };
        let mut greeting = [0; 5];
        stream.read_exact(&mut greeting).await.is_ok() && &greeting == b"INFO "
    }
}
