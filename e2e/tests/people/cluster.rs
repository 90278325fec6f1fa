//! A cluster with the chart's roles for people. The tests with Keycloak use it, too.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use fleet_api::{Device, DeviceEnrolment, DeviceEnrolmentSpec};
use fleet_testbed::Testbed;
use fleet_tools::{Tool, ensure};
use k8s_openapi::api::authentication::v1::{SelfSubjectReview, UserInfo};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::PostParams;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use serde_json::{Value, json};

/// For what takes a moment on a machine that also compiles.
pub(crate) const SOON: Duration = Duration::from_secs(60);
const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../charts/fleet-operator");

pub(crate) struct Cluster {
    pub(crate) bed: Testbed,
    pub(crate) client: Client,
}

impl Cluster {
    /// With namespaces `shop` and `lab`, device `pi-1`, and these values of the chart's `people`.
    pub(crate) async fn with(name: &str, people: &Value) -> Self {
        let bed = Testbed::builder(name).people().start().await;
        let bed = bed.expect("the testbed starts");
        bed.install_crds().await.expect("definitions");
        let client = bed.kube_client().await.expect("a client");
        let namespaces: Api<Namespace> = Api::all(client.clone());
        for name in ["shop", "lab"] {
            let namespace = json!({"metadata": {"name": name}});
            let namespace = serde_json::from_value(namespace).expect("a namespace");
            let made = namespaces.create(&PostParams::default(), &namespace).await;
            made.expect("created");
        }
        let device: Device = serde_json::from_value(json!({
            "apiVersion": "fleet.nationtech.io/v1alpha1", "kind": "Device",
            "metadata": {"name": "pi-1", "labels": {"site": "lab"}},
            "spec": {"inventory": {"architecture": "aarch64", "agentVersion": "0.1.0"}},
        }))
        .expect("a device");
        let devices: Api<Device> = Api::all(client.clone());
        let made = devices.create(&PostParams::default(), &device).await;
        made.expect("created");
        let cluster = Self { bed, client };
        cluster.apply_roles(people);
        cluster
    }

    /// What the chart makes of the values, by the real Helm.
    fn apply_roles(&self, people: &Value) {
        let folder = tempfile::tempdir().expect("a folder");
        let values = folder.path().join("values.json");
        let text = json!({"people": people}).to_string();
        std::fs::write(&values, text).expect("written");
        let mut helm = Command::new(tool(Tool::Helm));
        helm.args(["template", "fleet", CHART, "--namespace", "fleet-system"])
            .args(["--show-only", "templates/rbac-people.yaml"])
            .arg("--values")
            .arg(&values)
            .env("HELM_CACHE_HOME", folder.path())
            .env("HELM_CONFIG_HOME", folder.path())
            .env("HELM_DATA_HOME", folder.path());
        if people != &json!({}) {
            // Helm refuses to show a file that is empty.
            helm.args(["--show-only", "templates/rbac-people-bindings.yaml"]);
        }
        let rendered = helm.output().expect("helm runs");
        let error = String::from_utf8_lossy(&rendered.stderr);
        assert!(rendered.status.success(), "{error}");
        let mut kubectl = Command::new(tool(Tool::Kubectl))
            .args(["apply", "-f", "-"])
            .env("KUBECONFIG", self.bed.kubeconfig().expect("a kubeconfig"))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("kubectl starts");
        let mut input = kubectl.stdin.take().expect("an input");
        input.write_all(&rendered.stdout).expect("read");
        drop(input);
        assert!(kubectl.wait().expect("ends").success());
    }

    /// Who the API server takes the holder of this token for.
    pub(crate) async fn whoami(&self, token: &str) -> Result<UserInfo, kube::Error> {
        let file = self.bed.kubeconfig().expect("a kubeconfig");
        let kubeconfig = Kubeconfig::read_from(file).expect("a kubeconfig");
        let options = KubeConfigOptions::default();
        let config = Config::from_custom_kubeconfig(kubeconfig, &options).await;
        let mut config = config.expect("a configuration");
        config.proxy_url = None;
        config.auth_info.token = Some(token.to_owned().into());
        let client = Client::try_from(config).expect("a client");
        let api: Api<SelfSubjectReview> = Api::all(client);
        let review = SelfSubjectReview::default();
        let review = api.create(&PostParams::default(), &review).await?;
        Ok(review.status.and_then(|s| s.user_info).expect("a user"))
    }

    /// Whether the API server knows nobody of this token.
    pub(crate) async fn refuses(&self, token: &str) -> bool {
        match self.whoami(token).await {
            Err(kube::Error::Api(status)) => status.code == 401,
            Err(error) => panic!("no answer: {error}"),
            Ok(_) => false,
        }
    }

    /// A device asks to join; the request's name.
    pub(crate) async fn enrolment(&self) -> String {
        let name = "a".repeat(40);
        let spec: DeviceEnrolmentSpec = serde_json::from_value(json!({
            "publicKey": "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----\n",
            "fingerprint": format!("SHA256:{}", "a".repeat(43)),
            "deviceId": "pi-1", "labels": {"site": "lyon"}, "tokenId": "0".repeat(20),
            "facts": {"architecture": "aarch64"},
        }))
        .expect("a spec");
        let api: Api<DeviceEnrolment> = Api::all(self.client.clone());
        let object = DeviceEnrolment::new(&name, spec);
        let made = api.create(&PostParams::default(), &object).await;
        made.expect("created");
        name
    }

    /// A kubeconfig with the cluster and a context without a user.
    pub(crate) fn kubeconfig_without_user(&self, path: &Path) {
        let text = std::fs::read_to_string(self.bed.kubeconfig().expect("a kubeconfig"));
        let mut config: Value = serde_json::from_str(&text.expect("read")).expect("JSON");
        config["users"] = json!([]);
        config["contexts"][0]["context"] = json!({"cluster": config["clusters"][0]["name"]});
        std::fs::write(path, config.to_string()).expect("written");
    }
}

pub(crate) fn tool(tool: Tool) -> PathBuf {
    let toolbox = ensure(&[tool], &mut |_| {}).expect("a tool");
    toolbox.path(tool).expect("a tool").to_owned()
}
