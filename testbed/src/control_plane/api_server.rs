//! The API server, and the controller manager beside it.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use fleet_people::Provider;
use fleet_tools::{Tool, Toolbox};

use super::ControlPlaneError;
use super::audit::{AuditLog, Request};
use super::authentication::Authentication;
use super::files::Files;
use super::node_access::{Joining, NodeAccess};
use crate::journal::Journal;
use crate::ports;
use crate::process::{Service, Spec};
use crate::secret;

/// From empty to ready takes about 4 s; a machine that also compiles takes several times that.
const READY_TIME: Duration = Duration::from_secs(90);
/// Without a node, only what tests observe: deletion of owned objects and namespaces, and the token controllers.
/// The other forty would cost processor time and show nothing.
const CONTROLLERS: &str = "garbage-collector-controller,namespace-controller,\
    serviceaccount-controller,serviceaccount-token-controller,\
    root-ca-certificate-publisher-controller,clusterrole-aggregation-controller";

/// The API server, and the controller manager beside it.
#[derive(Debug)]
pub struct ApiServer {
    service: Service,
    manager: Service,
    files: Files,
    audit: Option<AuditLog>,
    authentication: Option<Authentication>,
    node: Option<NodeAccess>,
    scheduler: Option<Service>,
    port: u16,
}

/// What one API server has and another has not.
pub(crate) struct Special<'a> {
    /// Users whose requests are recorded.
    pub(crate) audited: &'a [String],
    pub(crate) streams_lists: bool,
    pub(crate) joining: Option<Joining>,
    pub(crate) people: Option<&'a Provider>,
}

impl ApiServer {
    pub(crate) fn start_new(
        folder: &Path,
        toolbox: &Toolbox,
        journal: &Journal,
        etcd_url: &str,
        special: Special<'_>,
    ) -> Result<Self, ControlPlaneError> {
        let Special {
            audited,
            streams_lists,
            joining,
            people,
        } = special;
        let home = folder.join("kubernetes");
        let node = joining.map(|joining| NodeAccess::create(&home, joining));
        let node = node.transpose()?;
        let files = Files::create(&home, node.as_ref())?;
        let audit = (!audited.is_empty()).then(|| AuditLog::create(&home, audited));
        let audit = audit.transpose()?;
        let authentication = people.map(|provider| Authentication::create(&home, provider));
        let authentication = authentication.transpose()?;
        let logs = folder.join("logs");
        let port = ports::free().map_err(ControlPlaneError::Port)?;
        let program = toolbox.path(Tool::KubeApiserver)?;
        let spec = server_spec(
            Spec::new("kube-apiserver", program, &logs),
            &files,
            port,
            etcd_url,
        )
        .args(path_args(
            &audit.iter().flat_map(AuditLog::args).collect::<Vec<_>>(),
        ))
        .args(path_args(
            &authentication
                .iter()
                .flat_map(Authentication::args)
                .collect::<Vec<_>>(),
        ))
        .args(reach_args(node.as_ref()))
        .args((!streams_lists).then_some("--feature-gates=WatchList=false"));
        let program = toolbox.path(Tool::KubeControllerManager)?;
        let manager = Spec::new("kube-controller-manager", program, &logs);
        let manager = manager_spec(manager, &files, node.as_ref());
        let scheduler = node
            .as_ref()
            .map(|node| scheduler_spec(toolbox, &logs, node))
            .transpose()?
            .map(|spec| Service::new(spec, journal.clone()));
        let server = Self {
            service: Service::new(spec, journal.clone()),
            manager: Service::new(manager, journal.clone()),
            files,
            audit,
            authentication,
            node,
            scheduler,
            port,
        };
        server.service.spawn()?;
        Ok(server)
    }

    /// Waits until the server answers `/readyz`, and starts the controller manager as soon as it
    /// can log in.
    pub(crate) async fn wait_first_ready(&self) -> Result<(), ControlPlaneError> {
        let certificate_there = || async { self.files.has_certificate() };
        self.service
            .wait_ready(READY_TIME, certificate_there)
            .await?;
        let authority = self.files.authority()?;
        self.files.write_kubeconfigs(&authority, &self.url())?;
        if let Some(node) = &self.node {
            node.write_kubeconfigs(&authority, self.port)?;
        }
        self.wait_ready().await?;
        self.start_managers()
    }

    /// What a node needs to join.
    pub(crate) fn node_access(&self) -> Option<&NodeAccess> {
        self.node.as_ref()
    }

    /// Those that are not running: they give up when the server is away for long.
    fn start_managers(&self) -> Result<(), ControlPlaneError> {
        for service in [Some(&self.manager), self.scheduler.as_ref()]
            .into_iter()
            .flatten()
        {
            if service.pid().is_none() {
                service.spawn()?;
            }
        }
        Ok(())
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
        &self.files.kubeconfig
    }

    /// The kubeconfig of the operator, which may do what [`grant_operator`] gave it.
    ///
    /// [`grant_operator`]: crate::Testbed::grant_operator
    pub fn operator_kubeconfig(&self) -> &Path {
        &self.files.operator_kubeconfig
    }

    /// What the audited users have asked so far.
    ///
    /// # Errors
    /// When there is no audit log, or it cannot be read.
    pub fn audited(&self) -> Result<Vec<Request>, ControlPlaneError> {
        let audit = self.audit.as_ref().ok_or(ControlPlaneError::NoAuditLog)?;
        audit.read()
    }

    /// Takes the tokens that this `AuthenticationConfiguration` says, and no other; restarts the server.
    ///
    /// # Errors
    /// When the testbed has no people, or the server does not become ready again.
    pub async fn trust_people(&self, configuration: &str) -> Result<(), ControlPlaneError> {
        let file = self.authentication.as_ref();
        file.ok_or(ControlPlaneError::NoPeople)?
            .write(configuration)?;
        self.stop().await?;
        self.start().await
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
            path: self.files.kubeconfig.clone(),
            source,
        };
        let kubeconfig = kube::config::Kubeconfig::read_from(&self.files.kubeconfig)
            .map_err(|e| error(e.into()))?;
        let options = kube::config::KubeConfigOptions::default();
        let mut config = kube::Config::from_custom_kubeconfig(kubeconfig, &options)
            .await
            .map_err(|e| error(e.into()))?;
        // The server is on this machine; HTTPS_PROXY of the environment is not for it.
        config.proxy_url = None;
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

    /// The scheduler's process, if there is a node to choose.
    pub fn scheduler(&self) -> Option<&Service> {
        self.scheduler.as_ref()
    }

    /// Starts the server again on the same port and waits until it is ready.
    ///
    /// # Errors
    /// When it runs already, cannot be started, or does not become ready.
    pub async fn start(&self) -> Result<(), ControlPlaneError> {
        self.service.spawn()?;
        self.wait_ready().await?;
        self.start_managers()
    }

    /// Stops the server at once. It is killed, because its graceful stop waits for open watches,
    /// and for a minute when etcd went first.
    ///
    /// # Errors
    /// When the process does not go.
    pub async fn stop(&self) -> Result<(), ControlPlaneError> {
        Ok(self.service.kill().await?)
    }

    /// Kills the server and those who work for it.
    pub(crate) async fn kill_all(&self) -> Result<(), ControlPlaneError> {
        let workers = [Some(&self.manager), self.scheduler.as_ref()];
        for service in workers.into_iter().flatten().chain([&self.service]) {
            service.kill().await?;
        }
        Ok(())
    }
}

fn server_spec(spec: Spec, files: &Files, port: u16, etcd_url: &str) -> Spec {
    spec.args([
        "--etcd-servers",
        etcd_url,
        "--secure-port",
        &port.to_string(),
    ])
    .args(["--service-account-issuer", "https://kubernetes.default.svc"])
    .args(["--service-cluster-ip-range", "10.96.0.0/16"])
    .args(["--authorization-mode", "Node,RBAC", "--allow-privileged"])
    // One test is one client: fairness between clients only costs.
    .args(["--enable-priority-and-fairness=false", "--v=1"])
    .args(path_args(&[
        ("--cert-dir", &files.certificates),
        ("--token-auth-file", &files.tokens),
        ("--service-account-key-file", &files.public_key),
        ("--service-account-signing-key-file", &files.private_key),
    ]))
    // Its way to kubelets would lead through the proxy of the environment.
    .without_proxy()
}

/// Who reaches the server, and where.
fn reach_args(node: Option<&NodeAccess>) -> Vec<OsString> {
    node.map_or_else(
        || {
            vec![
                "--bind-address=127.0.0.1".into(),
                // The address of the Service `kubernetes`; loopback is refused there. Nothing
                // reaches the server through that Service, so its endpoints are not kept.
                "--advertise-address=198.18.0.1".into(),
                "--endpoint-reconciler-type=none".into(),
            ]
        },
        NodeAccess::server_args,
    )
}

fn scheduler_spec(
    toolbox: &Toolbox,
    logs: &Path,
    node: &NodeAccess,
) -> Result<Spec, ControlPlaneError> {
    let program = toolbox.path(Tool::KubeScheduler)?;
    let kubeconfig = &node.scheduler.kubeconfig;
    Ok(Spec::new("kube-scheduler", program, logs)
        .args(["--leader-elect=false", "--secure-port=0"])
        .args(path_args(&[("--kubeconfig", kubeconfig)]))
        .without_proxy())
}

fn manager_spec(spec: Spec, files: &Files, node: Option<&NodeAccess>) -> Spec {
    // With a node there is work for all of them.
    let controllers = node.map_or(CONTROLLERS, |_| "*");
    spec.args(["--use-service-account-credentials", "--leader-elect=false"])
        .args(["--controllers", controllers, "--secure-port", "0"])
        // Deletion of owned objects is what tests wait for.
        .args([
            "--concurrent-gc-syncs=5",
            "--kube-api-qps=200",
            "--kube-api-burst=400",
        ])
        .args(path_args(&[
            ("--kubeconfig", &files.kubeconfig),
            ("--service-account-private-key-file", &files.private_key),
            ("--root-ca-file", &files.certificate),
            // It makes this folder, and the default is one of the host.
            ("--flex-volume-plugin-dir", &files.volume_plugins),
        ]))
}

fn path_args(pairs: &[(&str, &Path)]) -> Vec<OsString> {
    pairs
        .iter()
        .flat_map(|(flag, path)| [(*flag).into(), path.as_os_str().to_owned()])
        .collect()
}
