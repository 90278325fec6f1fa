//! OpenBao: raft storage, a static seal, TLS, and no root token.
//!
//! It initializes itself at its first start: an audit log, the method `approle`, and three users of
//! it. The provisioner may set up the rest; the policies of the other two, `fleet-callout` and
//! `fleet-enrol`, are not there before somebody provisions them.

mod config;
mod health;

use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fleet_tools::{Tool, Toolbox};

use crate::certificate::{self, CertificateError};
use crate::journal::Journal;
use crate::process::{ProcessError, Service, Spec};
use crate::tls::TlsError;
use crate::{ports, secret};
use config::{Grant, Settings};
use health::Health;

pub use config::SealKey;

/// The part of the configuration that changes with the key.
const SEAL_FILE: &str = "seal.hcl";
const READY_TIME: Duration = Duration::from_secs(60);

/// Why OpenBao did not start or stop.
#[derive(Debug, thiserror::Error)]
pub enum OpenBaoError {
    /// It did not start, become ready, or stop.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// The program is not there.
    #[error(transparent)]
    Tool(#[from] fleet_tools::Error),
    /// A key or certificate cannot be made.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// Its certificate cannot be checked.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A file cannot be written.
    #[error("cannot write {path}", path = .path.display())]
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

/// How to log in at `auth/approle`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaoLogin {
    /// The role's id.
    pub role_id: String,
    /// The file with the secret id.
    pub secret_id_file: PathBuf,
}

/// The OpenBao of a testbed.
#[derive(Debug)]
pub struct OpenBao {
    service: Service,
    program: PathBuf,
    home: PathBuf,
    address: SocketAddr,
    audit_log: PathBuf,
    seal: SealKey,
    health: Health,
}

/// Roles and their policies; the first sets up the others' rights.
const USERS: [(&str, &str); 3] = [
    ("provisioner", "fleet-provisioner"),
    ("callout", "fleet-callout"),
    ("enrol", "fleet-enrol"),
];

impl OpenBao {
    pub(crate) fn create(
        folder: &Path,
        ip: IpAddr,
        toolbox: &Toolbox,
        journal: &Journal,
    ) -> Result<Self, OpenBaoError> {
        let home = folder.join("openbao");
        let data = home.join("data");
        fs::create_dir_all(&data).map_err(|source| OpenBaoError::File { path: data, source })?;
        certificate::create(&home, ip, "fleet-testbed-openbao")?;
        let seal = SealKey {
            id: "testbed-1".to_owned(),
            key: STANDARD.encode(secret::random::<32>()),
        };
        write(&home, SEAL_FILE, &config::render_seal(&seal, None))?;
        let port = || ports::free_on(ip).map_err(|source| OpenBaoError::Port(ip, source));
        let address = SocketAddr::new(ip, port()?);
        let cluster_address = SocketAddr::new(ip, port()?);
        let logs = folder.join("logs");
        let audit_log = logs.join("openbao-audit.log");
        let secrets: Vec<String> = USERS.iter().map(|_| secret::token()).collect();
        let grants = USERS.iter().zip(&secrets).map(|((role, policy), secret)| {
            write(&home, &secret_file(role), secret)?;
            Ok(Grant {
                role,
                policy,
                secret,
            })
        });
        let grants = grants.collect::<Result<Vec<_>, OpenBaoError>>()?;
        let config = config::render(&Settings {
            home: &home,
            address,
            cluster_address,
            audit_log: &audit_log,
            users: &grants,
        });
        write(&home, "openbao.hcl", &config)?;
        let program = toolbox.path(Tool::Bao)?.to_owned();
        let spec = Spec::new("openbao", &program, &logs)
            .args([
                "server".into(),
                argument("-config", &home.join("openbao.hcl")),
                argument("-config", &home.join(SEAL_FILE)),
            ])
            .without_proxy();
        Ok(Self {
            service: Service::new(spec, journal.clone()),
            health: Health::new(&home.join("ca.crt"), address)?,
            program,
            home,
            address,
            audit_log,
            seal,
        })
    }

    /// The key that seals it from its first start on.
    pub fn first_seal(&self) -> &SealKey {
        &self.seal
    }

    /// Seals it with another key from its next start on. Given the one from before, it seals anew what
    /// that has sealed.
    ///
    /// # Errors
    /// When its configuration cannot be written.
    pub fn seal_with(
        &self,
        current: &SealKey,
        previous: Option<&SealKey>,
    ) -> Result<(), OpenBaoError> {
        write(
            &self.home,
            SEAL_FILE,
            &config::render_seal(current, previous),
        )
    }

    /// The base of every address, as hosts, devices and pods reach it.
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// The certificate of the authority that clients must trust, as a PEM file.
    pub fn ca_file(&self) -> PathBuf {
        self.home.join("ca.crt")
    }

    /// Who may set up mounts, policies and methods, and reads no secret.
    pub fn provisioner(&self) -> BaoLogin {
        self.login("provisioner")
    }

    /// Who has the policy `fleet-callout`: it is to read what was decided about devices.
    pub fn callout(&self) -> BaoLogin {
        self.login("callout")
    }

    /// Who has the policy `fleet-enrol`: it is to write that.
    pub fn enrol(&self) -> BaoLogin {
        self.login("enrol")
    }

    fn login(&self, role: &str) -> BaoLogin {
        BaoLogin {
            role_id: role.to_owned(),
            secret_id_file: self.home.join(secret_file(role)),
        }
    }

    /// The program, which is its own command line client.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// The file in which it logs every request.
    pub fn audit_log(&self) -> &Path {
        &self.audit_log
    }

    /// Its process.
    pub fn service(&self) -> &Service {
        &self.service
    }

    /// Starts it on the same port and data, and waits until it is unsealed and answers.
    ///
    /// # Errors
    /// When it runs already or does not come up.
    pub async fn start(&self) -> Result<(), OpenBaoError> {
        self.service.spawn()?;
        let ready = || self.health.is_active();
        Ok(self.service.wait_ready(READY_TIME, ready).await?)
    }

    /// Stops it; its data stays.
    ///
    /// # Errors
    /// When the process does not go.
    pub async fn stop(&self) -> Result<(), OpenBaoError> {
        Ok(self.service.terminate().await?)
    }

    /// Kills it, as a crash would.
    ///
    /// # Errors
    /// When the process does not go.
    pub async fn kill(&self) -> Result<(), OpenBaoError> {
        Ok(self.service.kill().await?)
    }
}

fn secret_file(role: &str) -> String {
    format!("{role}.secret")
}

fn argument(option: &str, path: &Path) -> std::ffi::OsString {
    let mut argument = std::ffi::OsString::from(option);
    argument.push("=");
    argument.push(path);
    argument
}

fn write(home: &Path, name: &str, content: &str) -> Result<(), OpenBaoError> {
    let path = home.join(name);
    secret::write(&path, content.as_bytes()).map_err(|source| OpenBaoError::File { path, source })
}
