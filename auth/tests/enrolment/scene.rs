//! An API server, an identity provider, and the enrolment service as a process.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use fleet_api::{Decision, DeviceEnrolment};
use fleet_auth_core::enrol::rbac::{DEFAULT_LEASE, DEFAULT_NAMESPACE, Scope, rules};
use fleet_contracts::enrolment::{Approval, EnrolmentState, EnrolmentToken};
use fleet_testbed::{Idp, Testbed, wait};
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::device::{Device, Door};

pub(crate) const SOON: Duration = Duration::from_secs(60);
pub(crate) const NAMESPACE: &str = DEFAULT_NAMESPACE;
/// The service account by which the service speaks to the API server.
const SERVICE: &str = "fleet-auth";
/// What the API server calls it.
pub(crate) const SERVICE_USER: &str = "system:serviceaccount:fleet-enrolment:fleet-auth";
const MANIFEST_KEY: &str = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

pub(crate) struct Scene {
    pub(crate) bed: Testbed,
    pub(crate) client: Client,
    pub(crate) url: String,
    pub(crate) service_kubeconfig: PathBuf,
    service: Mutex<Option<Child>>,
}

impl Scene {
    /// With the service running.
    pub(crate) async fn start(name: &str) -> Self {
        let bed = Testbed::builder(name).control_plane().idp();
        let scene = Self::over(bed.start().await.expect("testbed")).await;
        scene.run(&[]);
        scene.until_open().await;
        scene
    }

    pub(crate) async fn over(bed: Testbed) -> Self {
        bed.install_crds().await.expect("CRDs");
        let client = bed.kube_client().await.expect("client");
        let account = bed.account(NAMESPACE, SERVICE).await.expect("an account");
        // Exactly what the service needs, for a user that is nobody else.
        for (scope, place) in [(Scope::Cluster, None), (Scope::Namespace, Some(NAMESPACE))] {
            let granted = account.grant(SERVICE, place, rules(scope, DEFAULT_LEASE));
            granted.await.expect("granted");
        }
        let service_kubeconfig = account.kubeconfig().await.expect("a kubeconfig");
        let scene = Self {
            url: format!("https://{}", free(&bed)),
            client,
            bed,
            service_kubeconfig,
            service: Mutex::new(None),
        };
        let idp = scene.idp();
        fs::write(scene.path("idp-token"), idp.admin_token()).expect("written");
        scene
    }

    pub(crate) fn idp(&self) -> &Idp {
        self.bed.idp().expect("idp")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.bed.folder().join(name)
    }

    pub(crate) fn enrolments(&self) -> Api<DeviceEnrolment> {
        Api::all(self.client.clone())
    }

    fn command() -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fleet-auth"));
        command.stdin(Stdio::null());
        command
    }

    /// Starts the service.
    pub(crate) fn run(&self, further: &[&str]) {
        let child = self.spawn("one", &self.url, further);
        *self.service() = Some(child);
    }

    /// Starts a further replica, with an address of its own.
    pub(crate) fn run_another(&self, name: &str, further: &[&str]) -> Replica {
        let url = format!("https://{}", free(&self.bed));
        Replica {
            child: self.spawn(name, &url, further),
            door: Door::new(&url, &self.path("tls").join("ca.crt")),
        }
    }

    fn spawn(&self, name: &str, url: &str, further: &[&str]) -> Child {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.path("enrol.log"));
        let idp = self.idp();
        let ca = idp.ca_file();
        let nats = self
            .bed
            .nats()
            .map_or("nats://bus.example".to_owned(), fleet_testbed::Nats::url);
        let child = Self::command()
            .env("KUBECONFIG", &self.service_kubeconfig)
            .args([
                "enrol",
                "--metrics-addr",
                "127.0.0.1:0",
                "--public-url",
                url,
            ])
            .args(["--listen", url.trim_start_matches("https://")])
            .args(["--identity", name, "--lease-duration", "3"])
            .args([
                "--oidc-issuer",
                &idp.issuer(),
                "--oidc-project",
                idp.project(),
            ])
            .args(["--oidc-organisation", idp.organisation()])
            .args(["--device-nats-url", &nats, "--manifest-key", MANIFEST_KEY])
            .args(["--poll-after", "1", "--call-burst", "10000"])
            .arg("--tls-folder")
            .arg(self.path("tls"))
            .arg("--oidc-ca-file")
            .arg(ca)
            .arg("--device-issuer-ca-file")
            .arg(ca)
            .arg("--idp-token-file")
            .arg(self.path("idp-token"))
            .args(further)
            .stderr(log.expect("a log"))
            .spawn();
        child.expect("started")
    }

    fn service(&self) -> std::sync::MutexGuard<'_, Option<Child>> {
        self.service.lock().expect("no panic")
    }

    /// Ends it at once.
    pub(crate) fn kill(&self) {
        if let Some(mut child) = self.service().take() {
            child.kill().expect("killed");
            child.wait().expect("gone");
        }
    }

    /// Ends it in order.
    pub(crate) fn stop(&self) {
        if let Some(mut child) = self.service().take() {
            let pid = child.id().to_string();
            let told = Command::new("kill").args(["-TERM", &pid]).status();
            assert!(told.expect("run").success());
            assert!(child.wait().expect("gone").success());
        }
    }

    pub(crate) async fn until_open(&self) {
        self.until_door_open(&self.url).await;
    }

    pub(crate) async fn until_door_open(&self, url: &str) {
        let address = url.trim_start_matches("https://").to_owned();
        let open = || async { tokio::net::TcpStream::connect(&address).await.is_ok() };
        self.until("open", open).await;
    }

    pub(crate) fn door(&self) -> Door {
        Door::new(&self.url, &self.path("tls").join("ca.crt"))
    }

    /// A token, made as people make one.
    pub(crate) fn token(&self, args: &[&str]) -> EnrolmentToken {
        let made = Self::command()
            .env("KUBECONFIG", self.bed.kubeconfig().expect("kubeconfig"))
            .args(["token", "create"])
            .args(args)
            .output()
            .expect("run");
        let text = String::from_utf8(made.stdout).expect("text");
        let error = String::from_utf8_lossy(&made.stderr);
        text.trim()
            .parse()
            .unwrap_or_else(|_| panic!("no token: {text} {error}"))
    }

    /// As somebody with the right does it.
    pub(crate) async fn decide(&self, name: &str, decision: Decision, message: &str) {
        let approval = json!({"decision": decision, "message": message});
        let patch = Patch::Merge(json!({"spec": {"approval": approval}}));
        let patched = self
            .enrolments()
            .patch(name, &PatchParams::default(), &patch)
            .await;
        patched.expect("decided");
    }

    pub(crate) async fn approve(&self, device: &Device) {
        self.decide(device.id.as_str(), Decision::Approved, "")
            .await;
    }

    /// What the device is told once it may join.
    pub(crate) async fn approval(&self, device: &Device) -> Approval {
        let door = self.door();
        let told = Mutex::new(None);
        let ready = || async {
            match device.get(&door).await.expect("an enrolment").state {
                EnrolmentState::Approved(approval) => {
                    *told.lock().expect("no panic") = Some(*approval);
                    true
                }
                _ => false,
            }
        };
        self.until("approved", ready).await;
        told.into_inner().expect("no panic").expect("told")
    }

    pub(crate) async fn until<F: Future<Output = bool>>(&self, what: &str, done: impl Fn() -> F) {
        let log = || fs::read_to_string(self.path("enrol.log")).unwrap_or_default();
        assert!(
            wait::until(SOON, done).await,
            "never {what}; the service says:\n{}",
            log()
        );
    }

    /// All keys of a user.
    pub(crate) fn keys(&self, user: &str) -> Vec<String> {
        let filters = json!([{"userIdFilter": {"id": user}}]);
        let keys = self.idp().call("ListKeys", json!({"filters": filters}));
        let keys = keys.expect("keys");
        let result = keys["result"].as_array().cloned().unwrap_or_default();
        let id = |key: &Value| key["id"].as_str().unwrap_or_default().to_owned();
        result.iter().map(id).collect()
    }

    pub(crate) fn user_state(&self, user: &str) -> String {
        let user = self
            .idp()
            .call("GetUserByID", json!({"userId": user}))
            .expect("a user");
        user["user"]["state"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }
}

/// A further process of the service, killed when dropped.
pub(crate) struct Replica {
    child: Child,
    pub(crate) door: Door,
}

impl Drop for Replica {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An address where nobody listens.
fn free(bed: &Testbed) -> SocketAddr {
    let listener = TcpListener::bind((bed.host_ip(), 0)).expect("a port");
    listener.local_addr().expect("an address")
}

impl Drop for Scene {
    fn drop(&mut self) {
        if let Some(mut child) = self.service().take() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
