//! Keycloak: an identity provider that others wrote, with realms made for a test.
//!
//! It is the real server, with TLS, on the testbed's address, with a database in memory: what a test
//! changes is gone with it. It takes a quarter of a minute to start and a third of a gigabyte, so the
//! tests of one program share one.

mod client;
mod key;
mod realm;

use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fleet_tools::{ArtifactError, Cache, JavaError, Tool, Toolbox};
use http::{Method, Request, Response, StatusCode, header};
use serde_json::Value;

use crate::certificate::{self, CertificateError};
use crate::error::Error;
use crate::journal::Journal;
use crate::process::{ProcessError, Service, Spec};
use crate::testbed::Testbed;
use crate::{ports, secret};
use client::Client;

pub use client::AskError;
pub use key::ClientKey;
pub use realm::{DeviceClient, Realm};

const READY_TIME: Duration = Duration::from_secs(120);

/// The user that administers all realms.
const ADMIN: &str = "admin";

/// Enough for some hundred clients; a server without a limit takes what the machine has.
const MEMORY: [&str; 3] = ["-Xms64m", "-Xmx512m", "-XX:MaxMetaspaceSize=256m"];

/// The cheapest start: one collector thread, the first compiler only, and no statistics in `/tmp`.
const LEAN: [&str; 3] = [
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:-UsePerfData",
];

/// What Keycloak's own start script gives to Java.
const AS_ITS_SCRIPT: [&str; 4] = [
    "--add-opens=java.base/java.util=ALL-UNNAMED",
    "--add-opens=java.base/java.util.concurrent=ALL-UNNAMED",
    "--add-opens=java.base/java.security=ALL-UNNAMED",
    "-Djava.util.logging.manager=org.jboss.logmanager.LogManager",
];

/// Why Keycloak did not start, stop or answer.
#[derive(Debug, thiserror::Error)]
pub enum KeycloakError {
    /// It did not start, become ready, or stop.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// It is not there.
    #[error(transparent)]
    Tool(#[from] fleet_tools::Error),
    /// Java is not there.
    #[error(transparent)]
    Java(#[from] JavaError),
    /// It has no certificate.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
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
    /// It does not answer.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// A request is none.
    #[error("this is no HTTP request")]
    Request(#[from] http::Error),
    /// It refused what its administrator asked.
    #[error("Keycloak answers {status} to {method} {path}: {body}")]
    Refused {
        /// The method.
        method: Method,
        /// The path below `/admin/realms`.
        path: String,
        /// The status.
        status: StatusCode,
        /// What it said.
        body: String,
    },
}

/// The Keycloak of a testbed.
#[derive(Debug)]
pub struct Keycloak {
    service: Service,
    home: PathBuf,
    address: SocketAddr,
    client: Client,
    /// Read to see that it is ready: realms are there before it listens.
    first_realm: String,
    password: String,
}

impl Keycloak {
    /// Whether this machine can have one.
    ///
    /// # Errors
    /// What is missing: Java, or what it takes to download Keycloak.
    pub fn supported() -> Result<(), ArtifactError> {
        Tool::Keycloak.supported(&Cache::from_env())
    }

    pub(crate) fn create(
        folder: &Path,
        ip: IpAddr,
        toolbox: &Toolbox,
        journal: &Journal,
        realms: &[Realm],
    ) -> Result<Self, KeycloakError> {
        let home = folder.join("keycloak");
        let installed = toolbox.path(Tool::Keycloak)?;
        furnish(&home, installed, realms)?;
        certificate::create(&home, ip, "fleet-testbed-keycloak")?;
        let port = ports::free_on(ip).map_err(|source| KeycloakError::Port(ip, source))?;
        let address = SocketAddr::new(ip, port);
        let password = secret::token();
        let spec = Spec::new("keycloak", fleet_tools::java()?, &folder.join("logs"))
            .args(MEMORY)
            .args(LEAN)
            .args(AS_ITS_SCRIPT)
            .args([
                property("kc.home.dir", &home),
                property("jboss.server.config.dir", &home.join("conf")),
                property("java.io.tmpdir", &home.join("tmp")),
            ])
            .args(["-cp".into(), installed.join("lib").join("quarkus-run.jar")])
            .args(["io.quarkus.bootstrap.runner.QuarkusEntryPoint"])
            .args(["start", "--optimized", "--import-realm", "--cache=local"])
            .args([
                "--http-enabled=false".to_owned(),
                format!("--http-host={ip}"),
                format!("--https-port={port}"),
                format!("--hostname=https://{address}"),
            ])
            .args([
                option("https-certificate-file", &home.join("server.crt")),
                option("https-certificate-key-file", &home.join("server.key")),
            ])
            .env("KC_BOOTSTRAP_ADMIN_USERNAME", ADMIN)
            .env("KC_BOOTSTRAP_ADMIN_PASSWORD", &password);
        Ok(Self {
            service: Service::new(spec, journal.clone()),
            client: Client::new(&home.join("ca.crt"), address)?,
            home,
            address,
            first_realm: realms.first().map_or("master", Realm::name).to_owned(),
            password,
        })
    }

    /// The issuer of a realm: `iss` of its tokens, to the letter.
    pub fn issuer(&self, realm: &str) -> String {
        format!("https://{}/realms/{realm}", self.address)
    }

    /// The certificate of the authority that clients must trust, as a PEM file.
    pub fn ca_file(&self) -> PathBuf {
        self.home.join("ca.crt")
    }

    /// Its process.
    pub fn service(&self) -> &Service {
        &self.service
    }

    /// Starts it, with the realms as they were at first, and waits until it answers.
    ///
    /// # Errors
    /// When it runs already or does not come up.
    pub async fn start(&self) -> Result<(), KeycloakError> {
        self.service.spawn()?;
        let ready = || async {
            let path = format!(
                "/realms/{}/.well-known/openid-configuration",
                self.first_realm
            );
            let request = Request::get(path).body(String::new());
            let Ok(request) = request else { return false };
            let answer = self.ask(request).await;
            answer.is_ok_and(|answer| answer.status() == StatusCode::OK)
        };
        Ok(self.service.wait_ready(READY_TIME, ready).await?)
    }

    /// Stops it. What was changed since its start is gone.
    ///
    /// # Errors
    /// When the process does not go.
    pub async fn stop(&self) -> Result<(), KeycloakError> {
        Ok(self.service.terminate().await?)
    }

    /// Asks it what the request says; only the path of its address matters.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn ask(&self, request: Request<String>) -> Result<Response<Vec<u8>>, AskError> {
        let (mut head, body) = request.into_parts();
        let host = self.address.to_string();
        if let Ok(host) = header::HeaderValue::from_str(&host) {
            head.headers.insert(header::HOST, host);
        }
        let path = head.uri.path_and_query();
        let path = path.map_or("/", http::uri::PathAndQuery::as_str);
        if let Ok(path) = path.parse() {
            head.uri = path;
        }
        self.client.ask(Request::from_parts(head, body)).await
    }

    /// Asks the administrators' API, below `/admin/realms`. Without content it answers `null`.
    ///
    /// # Errors
    /// When it refuses or does not answer.
    pub async fn administer(
        &self,
        method: Method,
        path: &str,
        content: &Value,
    ) -> Result<Value, KeycloakError> {
        let token = self.admin_token().await?;
        let request = Request::builder()
            .method(method.clone())
            .uri(format!("/admin/realms{path}"))
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .header(header::CONTENT_TYPE, "application/json")
            .body(if content.is_null() {
                String::new()
            } else {
                content.to_string()
            })?;
        let answer = self.ask(request).await?;
        accepted(method, path, &answer)
    }

    async fn admin_token(&self) -> Result<String, KeycloakError> {
        let path = "/realms/master/protocol/openid-connect/token";
        let form = format!(
            "grant_type=password&client_id=admin-cli&username={ADMIN}&password={}",
            self.password
        );
        let request = Request::post(path)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form)?;
        let answer = accepted(Method::POST, path, &self.ask(request).await?)?;
        let token = answer.get("access_token").and_then(Value::as_str);
        Ok(token.unwrap_or_default().to_owned())
    }
}

impl Testbed {
    /// Keycloak.
    ///
    /// # Errors
    /// When the testbed has none.
    pub fn keycloak(&self) -> Result<&Keycloak, Error> {
        self.keycloak
            .as_ref()
            .ok_or(Error::NoPart("Keycloak", "keycloak"))
    }
}

fn accepted(
    method: Method,
    path: &str,
    answer: &Response<Vec<u8>>,
) -> Result<Value, KeycloakError> {
    if answer.status().is_success() {
        return Ok(serde_json::from_slice(answer.body()).unwrap_or_default());
    }
    Err(KeycloakError::Refused {
        method,
        path: path.to_owned(),
        status: answer.status(),
        body: String::from_utf8_lossy(answer.body()).into_owned(),
    })
}

/// A home of its own, in which nothing is of the installation but the libraries.
fn furnish(home: &Path, installed: &Path, realms: &[Realm]) -> Result<(), KeycloakError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| KeycloakError::File { path, source }
    };
    let import = home.join("data").join("import");
    fs::create_dir_all(&import).map_err(failed(&import))?;
    for name in ["conf", "providers", "tmp"] {
        let folder = home.join(name);
        fs::create_dir_all(&folder).map_err(failed(&folder))?;
    }
    let libraries = home.join("lib");
    symlink(installed.join("lib"), &libraries).map_err(failed(&libraries))?;
    for realm in realms {
        let file = import.join(format!("{}-realm.json", realm.name()));
        let document = realm.document().to_string();
        secret::write(&file, document.as_bytes()).map_err(failed(&file))?;
    }
    Ok(())
}

fn property(name: &str, path: &Path) -> String {
    format!("-D{name}={}", path.display())
}

fn option(name: &str, path: &Path) -> String {
    format!("--{name}={}", path.display())
}
