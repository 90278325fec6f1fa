//! etcd, the Kubernetes API server and the controller manager.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fleet_tools::{Tool, Toolbox};
use serde_json::json;

use crate::journal::Journal;
use crate::ports;
use crate::process::{ProcessError, Service, Spec};
use crate::secret;

/// From empty to ready takes about 4 s; a machine that also compiles takes several times that.
const READY_TIME: Duration = Duration::from_secs(90);
/// Only what tests observe: deletion of owned objects and namespaces, and the token controllers.
/// The other forty would cost processor time and show nothing.
const CONTROLLERS: &str = "garbage-collector-controller,namespace-controller,\
    serviceaccount-controller,serviceaccount-token-controller,\
    root-ca-certificate-publisher-controller,clusterrole-aggregation-controller";

/// Why the control plane did not start.
#[derive(Debug, thiserror::Error)]
pub enum ControlPlaneError {
    /// A server did not start, or did not become ready.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// A tool was not built.
    #[error(transparent)]
    Tool(#[from] fleet_tools::Error),
    /// A file of the control plane cannot be written or read.
    #[error("cannot write or read {path}", path = .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// No key for service account tokens could be made.
    #[error("cannot make the key that signs service account tokens")]
    Key,
    /// No free port was found.
    #[error("cannot find a free port on 127.0.0.1")]
    Port(#[source] io::Error),
    /// The kubeconfig of this testbed does not load.
    #[error("cannot make a client from {path}", path = .path.display())]
    Client {
        /// The kubeconfig.
        path: PathBuf,
        /// What kube said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// The store of the API server. Stopping it is the fault "the API server lost its store".
#[derive(Debug)]
pub struct Etcd {
    service: Service,
}

/// The API server, and the controller manager beside it.
#[derive(Debug)]
pub struct ApiServer {
    service: Service,
    manager: Service,
    kubeconfig: PathBuf,
    certificate: PathBuf,
    port: u16,
    token: String,
}

impl Etcd {
    pub(crate) fn start_new(
        folder: &Path,
        toolbox: &Toolbox,
        journal: &Journal,
    ) -> Result<(Self, String), ControlPlaneError> {
        let client = ports::free().map_err(ControlPlaneError::Port)?;
        let peer = ports::free().map_err(ControlPlaneError::Port)?;
        let url = format!("http://127.0.0.1:{client}");
        let peer = format!("http://127.0.0.1:{peer}");
        let spec = Spec::new("etcd", toolbox.path(Tool::Etcd)?, &folder.join("logs"))
            .args(["--data-dir".into(), folder.join("etcd").into_os_string()])
            .args([
                "--listen-client-urls",
                &url,
                "--advertise-client-urls",
                &url,
            ])
            .args([
                "--listen-peer-urls",
                &peer,
                "--initial-advertise-peer-urls",
                &peer,
            ])
            .args(["--initial-cluster", &format!("default={peer}")])
            // The data lives as long as the testbed, so waiting for the disk buys nothing.
            .args(["--unsafe-no-fsync", "--log-level", "warn"]);
        let etcd = Self {
            service: Service::new(spec, journal.clone()),
        };
        etcd.service.spawn()?;
        Ok((etcd, url))
    }

    /// The process: name, log, id.
    pub fn service(&self) -> &Service {
        &self.service
    }

    /// Starts it again on the same port and data.
    ///
    /// # Errors
    /// When it runs already or cannot be started.
    pub fn start(&self) -> Result<(), ControlPlaneError> {
        Ok(self.service.spawn()?)
    }

    /// Stops it.
    ///
    /// # Errors
    /// When the process does not go.
    pub async fn stop(&self) -> Result<(), ControlPlaneError> {
        Ok(self.service.terminate().await?)
    }
}

impl ApiServer {
    pub(crate) fn start_new(
        folder: &Path,
        toolbox: &Toolbox,
        journal: &Journal,
        etcd_url: &str,
    ) -> Result<Self, ControlPlaneError> {
        let logs = folder.join("logs");
        let home = folder.join("kubernetes");
        make_folder(&home)?;
        let port = ports::free().map_err(ControlPlaneError::Port)?;
        let token = secret::token();
        write_keys(&home)?;
        let tokens = home.join("tokens.csv");
        write_secret(
            &tokens,
            &format!("{token},admin,admin,\"system:masters\"\n"),
        )?;
        let certificates = home.join("certs");
        let spec = Spec::new("kube-apiserver", toolbox.path(Tool::KubeApiserver)?, &logs)
            .args([
                "--etcd-servers",
                etcd_url,
                "--secure-port",
                &port.to_string(),
            ])
            .args(["--bind-address", "127.0.0.1"])
            // The address of the Service `kubernetes`; loopback is refused there. Nothing in this
            // profile reaches the server through that Service, so its endpoints are not kept.
            .args([
                "--advertise-address",
                "198.18.0.1",
                "--endpoint-reconciler-type",
                "none",
            ])
            .args(["--service-account-issuer", "https://kubernetes.default.svc"])
            .args(["--service-cluster-ip-range", "10.96.0.0/16"])
            .args(["--authorization-mode", "Node,RBAC", "--allow-privileged"])
            // Tests change and delete in quick succession; the defaults are made for big clusters.
            .args(["--enable-priority-and-fairness=false", "--v=1"])
            .args(["--shutdown-delay-duration=0s"])
            .args(path_args(&[
                ("--cert-dir", &certificates),
                ("--token-auth-file", &tokens),
                ("--service-account-key-file", &home.join("sa.pub")),
                ("--service-account-signing-key-file", &home.join("sa.key")),
            ]));
        let kubeconfig = home.join("admin.kubeconfig");
        let certificate = certificates.join("apiserver.crt");
        let manager_program = toolbox.path(Tool::KubeControllerManager)?;
        let manager = Spec::new("kube-controller-manager", manager_program, &logs)
            .args(["--use-service-account-credentials", "--leader-elect=false"])
            .args(["--controllers", CONTROLLERS, "--secure-port", "0"])
            // Deletion of owned objects is what tests wait for.
            .args([
                "--concurrent-gc-syncs",
                "5",
                "--kube-api-qps",
                "200",
                "--kube-api-burst",
                "400",
            ])
            .args(path_args(&[
                ("--kubeconfig", &kubeconfig),
                ("--service-account-private-key-file", &home.join("sa.key")),
                ("--root-ca-file", &certificate),
            ]));
        let server = Self {
            service: Service::new(spec, journal.clone()),
            manager: Service::new(manager, journal.clone()),
            kubeconfig,
            certificate,
            port,
            token,
        };
        server.service.spawn()?;
        Ok(server)
    }

    /// Waits until the server answers `/readyz`, and starts the controller manager as soon as it
    /// can log in.
    pub(crate) async fn wait_first_ready(&self) -> Result<(), ControlPlaneError> {
        let certificate_there =
            || async { fs::read_to_string(&self.certificate).is_ok_and(|pem| is_whole(&pem)) };
        self.service
            .wait_ready(READY_TIME, certificate_there)
            .await?;
        self.write_kubeconfig()?;
        self.wait_ready().await?;
        Ok(self.manager.spawn()?)
    }

    /// Waits until the server answers `/readyz`.
    ///
    /// # Errors
    /// When the process ends or is not ready in time.
    pub async fn wait_ready(&self) -> Result<(), ControlPlaneError> {
        let client = self.client().await?;
        let ready = || async {
            let request = http::Request::get("/readyz").body(Vec::new());
            let Ok(request) = request else { return false };
            client.request_text(request).await.is_ok()
        };
        Ok(self.service.wait_ready(READY_TIME, ready).await?)
    }

    /// The kubeconfig of the cluster's admin.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Where the server listens.
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// A client with the admin's rights.
    ///
    /// # Errors
    /// When the kubeconfig does not load.
    pub async fn client(&self) -> Result<kube::Client, ControlPlaneError> {
        secret::install_crypto_provider();
        let error = |source| ControlPlaneError::Client {
            path: self.kubeconfig.clone(),
            source,
        };
        let kubeconfig =
            kube::config::Kubeconfig::read_from(&self.kubeconfig).map_err(|e| error(e.into()))?;
        let options = kube::config::KubeConfigOptions::default();
        let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options)
            .await
            .map_err(|e| error(e.into()))?;
        kube::Client::try_from(config).map_err(|e| error(e.into()))
    }

    /// The server's process.
    pub fn service(&self) -> &Service {
        &self.service
    }

    /// The controller manager's process.
    pub fn controller_manager(&self) -> &Service {
        &self.manager
    }

    /// Starts the server again on the same port and waits until it is ready.
    ///
    /// # Errors
    /// When it runs already, cannot be started, or does not become ready.
    pub async fn start(&self) -> Result<(), ControlPlaneError> {
        self.service.spawn()?;
        self.wait_ready().await?;
        // It gives up when the server is away for long.
        if self.manager.pid().is_none() {
            self.manager.spawn()?;
        }
        Ok(())
    }

    /// Stops the server at once. It is killed, because its graceful stop waits for open watches,
    /// and for a minute when etcd went first.
    ///
    /// # Errors
    /// When the process does not go.
    pub async fn stop(&self) -> Result<(), ControlPlaneError> {
        Ok(self.service.kill().await?)
    }

    fn write_kubeconfig(&self) -> Result<(), ControlPlaneError> {
        let pem = fs::read(&self.certificate).map_err(|source| ControlPlaneError::File {
            path: self.certificate.clone(),
            source,
        })?;
        // JSON is YAML, so every client of kubeconfigs reads this.
        let kubeconfig = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "testbed", "cluster": {
                "server": self.url(),
                "certificate-authority-data": STANDARD.encode(pem),
            }}],
            "users": [{"name": "admin", "user": {"token": self.token}}],
            "contexts": [{"name": "testbed", "context": {"cluster": "testbed", "user": "admin"}}],
            "current-context": "testbed",
        });
        write_secret(&self.kubeconfig, &format!("{kubeconfig:#}\n"))
    }
}

/// Whether the server has finished writing its certificate and the authority's below it.
fn is_whole(pem: &str) -> bool {
    pem.matches("-----END CERTIFICATE-----").count() >= 2
}

fn path_args(pairs: &[(&str, &Path)]) -> Vec<std::ffi::OsString> {
    pairs
        .iter()
        .flat_map(|(flag, path)| [(*flag).into(), path.as_os_str().to_owned()])
        .collect()
}

/// The key pair for service account tokens.
fn write_keys(home: &Path) -> Result<(), ControlPlaneError> {
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING)
        .map_err(|_| ControlPlaneError::Key)?;
    let private = key.to_pkcs8v1().map_err(|_| ControlPlaneError::Key)?;
    let public = AsDer::as_der(key.public_key()).map_err(|_| ControlPlaneError::Key)?;
    write_secret(&home.join("sa.key"), &pem("PRIVATE KEY", private.as_ref()))?;
    write_secret(&home.join("sa.pub"), &pem("PUBLIC KEY", public.as_ref()))
}

fn pem(label: &str, der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    for line in body.as_bytes().chunks(64) {
        text.push_str(&String::from_utf8_lossy(line));
        text.push('\n');
    }
    text + &format!("-----END {label}-----\n")
}

fn make_folder(path: &Path) -> Result<(), ControlPlaneError> {
    fs::create_dir_all(path).map_err(|source| ControlPlaneError::File {
        path: path.to_owned(),
        source,
    })
}

fn write_secret(path: &Path, content: &str) -> Result<(), ControlPlaneError> {
    secret::write(path, content.as_bytes()).map_err(|source| ControlPlaneError::File {
        path: path.to_owned(),
        source,
    })
}
