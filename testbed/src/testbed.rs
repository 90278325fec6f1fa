//! The testbed: parts on a common folder, started together and stopped together.

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fleet_contracts::DeviceId;

use crate::builder::Builder;
use crate::callout::{Callout, CalloutOptions};
use crate::control_plane::{ApiServer, Etcd};
use crate::device::AgentSettings;
use crate::device::machine::{Machine, loopback};
use crate::device::{Device, Login, Place};
use crate::enrolment::{Enrolment, EnrolmentOptions};
use crate::error::Error;
use crate::idp::Idp;
use crate::journal::{self, Journal};
use crate::keycloak::Keycloak;
use crate::nats::Nats;
use crate::network::Bridge;
use crate::node::Node;
use crate::openbao::OpenBao;
use crate::operator::{Operator, OperatorOptions};
use crate::people::People;
use crate::process::{Service, Spec, lock};
use crate::registry::Registry;
use crate::runtime_folder::RuntimeFolder;
use crate::signing_key::SigningKey;
use crate::slow_disk::SlowDisk;
use crate::{binaries, ports};

/// A running platform. Dropping it stops all of it and removes its folder; when a test panics the
/// logs are kept.
#[derive(Debug)]
pub struct Testbed {
    pub(crate) name: String,
    pub(crate) folder: PathBuf,
    pub(crate) journal: Journal,
    pub(crate) signing_key: SigningKey,
    pub(crate) bridge: Option<Bridge>,
    pub(crate) etcd: Option<Etcd>,
    pub(crate) api_server: Option<ApiServer>,
    pub(crate) nats: Option<Nats>,
    pub(crate) registry: Option<Registry>,
    pub(crate) idp: Option<Idp>,
    pub(crate) people: Option<People>,
    pub(crate) openbao: Option<OpenBao>,
    pub(crate) keycloak: Option<Keycloak>,
    pub(crate) node: Option<Node>,
    pub(crate) devices: Mutex<BTreeMap<String, Arc<Device>>>,
    pub(crate) runtime_folder: RuntimeFolder,
    /// Numbers the rootless devices of this testbed apart from those of others.
    pub(crate) loopback: [u8; 2],
}

impl Testbed {
    /// Begins a testbed; `name` shows in its folder and in `fleet-testbed status`.
    pub fn builder(name: impl Into<String>) -> Builder {
        Builder::new(name.into())
    }

    /// The name given to [`Testbed::builder`] with a random ending.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The variable, and its value, by which processes are known that belong to this testbed though it did not
    /// start them: whatever has it in its environment ends with the testbed, or with the next clean-up.
    pub fn mark(&self) -> (&'static str, &Path) {
        (journal::MARK, &self.folder)
    }

    /// Makes a folder with its other files, and gives a way to it that is short enough for sockets.
    ///
    /// # Errors
    /// When it cannot be made, as when it is there.
    pub fn make_folder(&self, name: &str) -> Result<PathBuf, Error> {
        let folder = self.folder.join(name);
        let made = fs::create_dir(&folder).and_then(|()| self.runtime_folder.way_to(&folder));
        made.map_err(|source| Error::File {
            path: folder,
            source,
        })
    }

    /// Where everything of this testbed is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The address of the host as devices see it.
    pub fn host_ip(&self) -> IpAddr {
        let bridge = self.bridge.as_ref().map(Bridge::host_ip);
        IpAddr::V4(bridge.unwrap_or(Ipv4Addr::LOCALHOST))
    }

    /// The kubeconfig of the cluster's admin.
    ///
    /// # Errors
    /// When the testbed has no control plane.
    pub fn kubeconfig(&self) -> Result<&Path, Error> {
        Ok(self.api_server()?.kubeconfig())
    }

    /// A client with the admin's rights.
    ///
    /// # Errors
    /// When the testbed has no control plane.
    pub async fn kube_client(&self) -> Result<kube::Client, Error> {
        Ok(self.api_server()?.client().await?)
    }

    /// etcd.
    ///
    /// # Errors
    /// When the testbed has no control plane.
    pub fn etcd(&self) -> Result<&Etcd, Error> {
        self.etcd
            .as_ref()
            .ok_or(Error::NoPart("a control plane", "control_plane"))
    }

    /// The API server.
    ///
    /// # Errors
    /// When the testbed has no control plane.
    pub fn api_server(&self) -> Result<&ApiServer, Error> {
        self.api_server
            .as_ref()
            .ok_or(Error::NoPart("a control plane", "control_plane"))
    }

    /// The bus.
    ///
    /// # Errors
    /// When the testbed has none.
    pub fn nats(&self) -> Result<&Nats, Error> {
        self.nats.as_ref().ok_or(Error::NoPart("a bus", "nats"))
    }

    /// The container registry.
    ///
    /// # Errors
    /// When the testbed has none.
    pub fn registry(&self) -> Result<&Registry, Error> {
        self.registry
            .as_ref()
            .ok_or(Error::NoPart("a registry", "registry"))
    }

    /// The identity provider.
    ///
    /// # Errors
    /// When the testbed has none.
    pub fn idp(&self) -> Result<&Idp, Error> {
        self.idp
            .as_ref()
            .ok_or(Error::NoPart("an identity provider", "idp"))
    }

    /// OpenBao.
    ///
    /// # Errors
    /// When the testbed has none.
    pub fn openbao(&self) -> Result<&OpenBao, Error> {
        self.openbao
            .as_ref()
            .ok_or(Error::NoPart("OpenBao", "openbao"))
    }

    /// The node.
    ///
    /// # Errors
    /// When the testbed has none.
    pub fn node(&self) -> Result<&Node, Error> {
        self.node.as_ref().ok_or(Error::NoPart("a node", "node"))
    }

    /// The device of this id.
    ///
    /// # Errors
    /// When the testbed has none of that id.
    pub fn device(&self, id: &str) -> Result<Arc<Device>, Error> {
        lock(&self.devices)
            .get(id)
            .cloned()
            .ok_or_else(|| Error::NoDevice(id.to_owned()))
    }

    /// All devices, by id.
    pub fn devices(&self) -> Vec<Arc<Device>> {
        lock(&self.devices).values().cloned().collect()
    }

    /// The file with the key that signs manifests, as the operator reads it.
    pub fn signing_key_file(&self) -> &Path {
        &self.signing_key.file
    }

    /// The public half of it, as devices trust it.
    pub fn trusted_key(&self) -> &str {
        &self.signing_key.trusted
    }

    /// Adds a device to the running testbed.
    ///
    /// # Errors
    /// When the id is taken, or something does not come up.
    pub async fn add_device(&self, id: &str) -> Result<Arc<Device>, Error> {
        let device = self.prepare_device(id)?;
        self.admit(&device).await?;
        device.boot().await?;
        Ok(device)
    }

    /// Gives a device its static key, where those are good: a bus with a callout takes none, and
    /// the device has to enrol.
    pub(crate) async fn admit(&self, device: &Device) -> Result<(), Error> {
        if let Some(nats) = &self.nats
            && self.login() == Login::StaticKey
        {
            nats.admit(device.id(), &device.seed_path()).await?;
        }
        Ok(())
    }

    /// How devices log in.
    fn login(&self) -> Login {
        match self.nats.as_ref().and_then(Nats::callout_seeds) {
            Some(_) => Login::Enrolled,
            None => Login::StaticKey,
        }
    }

    /// Makes a device's folder and enters it; nothing runs yet.
    pub(crate) fn prepare_device(&self, id: &str) -> Result<Arc<Device>, Error> {
        let id: DeviceId = id.parse()?;
        let mut devices = lock(&self.devices);
        let number = u8::try_from(devices.len())
            .ok()
            .filter(|number| *number < 240);
        let number = number.ok_or(Error::TooManyDevices)?;
        if devices.contains_key(id.as_ref()) {
            return Err(Error::DeviceTaken(id.to_string()));
        }
        let logs = self.folder.join("logs");
        let machine = match &self.bridge {
            Some(bridge) => {
                Machine::on_bridge(id.as_ref(), number, bridge.clone(), &logs, &self.journal)
            }
            None => Machine::Host {
                ip: loopback(self.loopback, number),
            },
        };
        let settings = AgentSettings {
            nats_url: self.nats.as_ref().map(Nats::url),
            login: self.login(),
            trusted_keys: vec![self.signing_key.trusted.clone()],
            ..AgentSettings::default()
        };
        let folder = self.folder.join("devices").join(id.as_ref());
        let registry = self.registry.as_ref().map(Registry::address);
        let short = self.runtime_folder.device(number);
        let place = Place {
            short: &short,
            folder,
            logs: &logs,
            journal: &self.journal,
            registry,
        };
        let device = Device::create(&id, machine, &place, settings)?;
        let device = Arc::new(device);
        devices.insert(id.to_string(), Arc::clone(&device));
        Ok(device)
    }

    /// Loads a web server image that answers with `body` into the store of a device.
    ///
    /// # Errors
    /// When the testbed has no such device, or podman refuses.
    pub async fn load_image(&self, device: &str, reference: &str, body: &str) -> Result<(), Error> {
        Ok(self.device(device)?.load_image(reference, body).await?)
    }

    /// Starts a replica of the operator, which may do what [`grant_operator`](Self::grant_operator)
    /// gave it. It does not wait until that is ready.
    ///
    /// # Errors
    /// When the testbed lacks the control plane or the bus, or the program is not built.
    pub fn start_operator(&self, options: OperatorOptions) -> Result<Operator, Error> {
        let port = ports::free().map_err(Error::Port)?;
        let metrics_addr = SocketAddr::new(self.host_ip(), port);
        let nats = self.nats()?;
        let nats_url = options.nats_url.unwrap_or_else(|| nats.urls());
        let program = match options.program {
            Some(program) => program,
            None => binaries::find("fleet-operator").map_err(Error::NotBuilt)?,
        };
        let spec = Spec::new(options.name.clone(), program, &self.folder.join("logs"))
            .args(["run", "--nats-url", &nats_url])
            .args([
                "--nats-seed-file".into(),
                nats.operator_seed().into_os_string(),
            ])
            .args([
                "--signing-key-file".into(),
                self.signing_key.file.clone().into_os_string(),
            ])
            .args(["--metrics-addr", &metrics_addr.to_string()])
            .args(["--identity", &options.name])
            .args(options.args)
            .env("KUBECONFIG", self.api_server()?.operator_kubeconfig())
            .envs(&options.env);
        let service = Service::new(spec, self.journal.clone());
        service.spawn()?;
        Ok(Operator {
            service,
            metrics_addr,
        })
    }

    /// Every call of a server that waits for its disk takes so much longer from now on.
    ///
    /// # Errors
    /// When the server does not run, or strace cannot be put over it.
    pub async fn slow_disk(&self, server: &Service, delay: Duration) -> Result<SlowDisk, Error> {
        let logs = self.folder.join("logs");
        let disk = SlowDisk::under(server, delay, &logs, self.journal.clone());
        Ok(disk.await?)
    }

    /// Starts a replica of the auth callout on a bus that asks one. It does not wait until that is
    /// ready.
    ///
    /// # Errors
    /// When the testbed has no such bus, or the program is not built.
    pub fn start_callout(&self, options: CalloutOptions) -> Result<Callout, Error> {
        Callout::start(self.nats()?, options, &self.folder, &self.journal)
    }

    /// Starts a replica of the enrolment service for devices of a bus with a callout. It speaks to
    /// the testbed's API server as a user with the rights of
    /// [`grant_enrolment`](Self::grant_enrolment). It does not wait until that is ready.
    ///
    /// # Errors
    /// When the testbed lacks the bus or the identity provider, or the program is not built.
    pub fn start_enrolment(&self, options: EnrolmentOptions) -> Result<Enrolment, Error> {
        Enrolment::start(self, options)
    }
}

impl Drop for Testbed {
    fn drop(&mut self) {
        // Reap what this process started; the clean-up then finds whatever else there is.
        lock(&self.devices).clear();
        self.node.take();
        self.registry.take();
        self.idp.take();
        self.api_server.take();
        self.etcd.take();
        self.nats.take();
        self.openbao.take();
        self.keycloak.take();
        let cleaned = journal::clean(&self.folder);
        let keep = std::thread::panicking() || std::env::var_os("FLEET_TESTBED_KEEP").is_some();
        let outcome = cleaned.and_then(|()| {
            if keep {
                crate::remains::keep_logs(&self.folder)
            } else {
                journal::remove(&self.folder)
            }
        });
        match outcome {
            Ok(()) if keep => eprintln!("logs are kept in {}", self.folder.join("logs").display()),
            Ok(()) => {}
            // A destructor has nobody to return this to; the next start tries again.
            Err(error) => eprintln!("testbed {}: {error}", self.name),
        }
    }
}

/// Makes the folder of a new testbed.
pub(crate) fn make_folder(name: &str) -> Result<(String, PathBuf), Error> {
    let home = binaries::testbed_home();
    let name = format!("{name}-{:06x}", fastrand::u32(..0x100_0000));
    let folder = home.join(&name);
    fs::create_dir_all(folder.join("logs"))
        .and_then(|()| folder.canonicalize())
        .map(|folder| (name, folder.clone()))
        .map_err(|source| Error::File {
            path: folder,
            source,
        })
}
