//! A container registry on the testbed's own address, for pulls.

use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::TcpStream;

use crate::journal::Journal;
use crate::ports;
use crate::process::{ProcessError, Service, Spec};

const READY_TIME: Duration = Duration::from_secs(30);
/// The names under which distributions install the same server.
const PROGRAMS: [&str; 3] = [
    "/usr/bin/docker-registry",
    "/usr/bin/registry",
    "/usr/libexec/docker-distribution/registry",
];

/// Why the registry did not start.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// There is none on this machine.
    #[error("no registry server was found; tools/system-packages.sh installs docker-registry")]
    NotInstalled,
    /// It did not start or stop.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// Its configuration could not be written, or no port is free.
    #[error("cannot prepare the registry in {path}", path = .path.display())]
    Prepare {
        /// Its folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// A registry without authentication or TLS; devices list it as insecure.
#[derive(Debug)]
pub struct Registry {
    service: Service,
    address: SocketAddr,
}

impl Registry {
    pub(crate) fn start_new(
        folder: &Path,
        ip: IpAddr,
        journal: &Journal,
    ) -> Result<Self, RegistryError> {
        let program = PROGRAMS.iter().find(|path| Path::new(path).is_file());
        let program = program.ok_or(RegistryError::NotInstalled)?;
        let home = folder.join("registry");
        let error = |source| RegistryError::Prepare {
            path: home.clone(),
            source,
        };
        fs::create_dir_all(&home).map_err(error)?;
        let address = SocketAddr::new(ip, ports::free_on(ip).map_err(error)?);
        // JSON is YAML.
        let config = serde_json::json!({
            "version": "0.1",
            "log": {"level": "warn", "accesslog": {"disabled": true}},
            "storage": {
                "filesystem": {"rootdirectory": home.join("data")},
                "delete": {"enabled": true},
            },
            "http": {"addr": address.to_string(), "secret": crate::secret::token()},
        });
        let path = home.join("config.yml");
        fs::write(&path, config.to_string()).map_err(error)?;
        let spec = Spec::new("registry", program, &folder.join("logs"))
            .args(["serve".into(), path.into_os_string()]);
        let service = Service::new(spec, journal.clone());
        service.spawn()?;
        Ok(Self { service, address })
    }

    pub(crate) async fn wait_ready(&self) -> Result<(), RegistryError> {
        let ready = || async { TcpStream::connect(self.address).await.is_ok() };
        Ok(self.service.wait_ready(READY_TIME, ready).await?)
    }

    /// `host:port`, as image references begin.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process.
    pub fn service(&self) -> &Service {
        &self.service
    }

    /// Starts it again on the same port and data.
    ///
    /// # Errors
    /// When it runs already or does not come up.
    pub async fn start(&self) -> Result<(), RegistryError> {
        self.service.spawn()?;
        self.wait_ready().await
    }

    /// Stops it: pulls fail from now on.
    ///
    /// # Errors
    /// When the process does not go.
    pub async fn stop(&self) -> Result<(), RegistryError> {
        Ok(self.service.kill().await?)
    }
}
