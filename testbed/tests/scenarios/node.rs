//! The node: pods from imported images, names, volumes, a power cut, and nothing left of it.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use fleet_testbed::{Node, Testbed, clean_remains, wait};
use fleet_tools::Tool;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod, Service};
use kube::Api;
use kube::api::{DeleteParams, PostParams};
use serde_json::{Value, json};

use crate::common::{IMAGE, SOON, Traces, body_at, skip};
use crate::lifecycle::up;

/// For what a pod does: it starts within seconds, several at once on a busy machine within a minute.
const PATIENCE: Duration = Duration::from_secs(120);

/// Whether there can be a node; says why not.
fn supported(what: &str) -> bool {
    let supported = Node::supported();
    if let Err(error) = &supported {
        skip(what, error);
    }
    supported.is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_is_reached_by_name_by_other_pods_and_by_port_from_the_host() {
    if !supported("pods on a node") {
        return;
    }
    let builder = Testbed::builder("pods").node().nats();
    let bed = builder.start().await.unwrap();
    let (node, client) = (bed.node().unwrap(), bed.kube_client().await.unwrap());
    node.load_image(IMAGE, "hello").await.unwrap();
    assert!(node.images().await.unwrap().contains(&IMAGE.to_owned()));
    run(&client, pod("web", &json!({}))).await;
    run(&client, pod("client", &waiting())).await;
    let port = expose(&client, "web").await;

    let kubectl = Kubectl::new(&bed).await;
    let fetch = ["exec", "client", "--", "wget", "-qO-", "http://web.default"];
    let fetched = || async { kubectl.says(&fetch, "hello").await };
    assert!(wait::until(PATIENCE, fetched).await, "no answer by name");
    let address = SocketAddr::new(node.host_ip(), port);
    let answers = || async { body_at(address).await.as_deref() == Some("hello") };
    assert!(wait::until(PATIENCE, answers).await, "no answer from here");

    assert_eq!(kubectl.ok(&["logs", "client"]).await, "started\n");
    let unknown = ["exec", "client", "--", "wget", "-qO-", "http://web.example"];
    let refused = kubectl.run(&unknown).await;
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(text.contains("bad address"), "{text}");

    let connect = "/bin/busybox nc -w 30 10.96.255.254 80 < /dev/null";
    let nobody = ["exec", "client", "--", "sh", "-c", connect];
    let refused = kubectl.run(&nobody).await;
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(text.contains("refused"), "{text}");

    // The kubelet answers to the API server, as above, and to nobody whom it does not know.
    let url = format!("https://{}:10250", node.host_ip());
    let mut stranger = kube::Config::new(url.parse().unwrap());
    stranger.accept_invalid_certs = true;
    let stranger = kube::Client::try_from(stranger).unwrap();
    let pods = http::Request::get("/pods").body(Vec::new()).unwrap();
    let refused = stranger.request_text(pods).await.unwrap_err();
    assert!(refused.to_string().contains("Unauthorized"), "{refused}");

    // The bus greets whoever connects.
    let (ip, bus) = (bed.host_ip().to_string(), bed.nats().unwrap().address());
    let greet = format!("/bin/busybox nc -w 5 {ip} {} < /dev/null", bus.port());
    let greeting = ["exec", "client", "--", "sh", "-c", &greet];
    let greeted = kubectl.ok(&greeting).await;
    assert!(greeted.starts_with("INFO {"), "{greeted}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_gets_a_volume_whose_data_outlives_its_pod_and_the_power() {
    if !supported("volumes of pods") {
        return;
    }
    let builder = Testbed::builder("volumes").local_volumes(1);
    let bed = builder.start().await.unwrap();
    let (node, client) = (bed.node().unwrap(), bed.kube_client().await.unwrap());
    node.load_image(IMAGE, "").await.unwrap();
    let claims: Api<PersistentVolumeClaim> = Api::default_namespaced(client.clone());
    let claim = from(json!({
        "metadata": {"name": "data"},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}},
        },
    }));
    claims.create(&PostParams::default(), &claim).await.unwrap();

    let kubectl = Kubectl::new(&bed).await;
    run(&client, pod("first", &with_claim())).await;
    let write = ["exec", "first", "--", "sh", "-c", "echo kept > /data/file"];
    kubectl.ok(&write).await;
    let file = node.folder().join("local-volumes/1/file");
    assert_eq!(fs::read_to_string(&file).unwrap(), "kept\n");
    let pods: Api<Pod> = Api::default_namespaced(client.clone());
    let now = DeleteParams::default().grace_period(0);
    pods.delete("first", &now).await.unwrap();

    run(&client, pod("second", &with_claim())).await;
    let read = ["exec", "second", "--", "cat", "/data/file"];
    assert_eq!(kubectl.ok(&read).await, "kept\n");

    let kubelet = node.kubelet().pid();
    node.power_off().await.unwrap();
    assert_eq!(node.kubelet().pid(), None);
    node.power_on(&client).await.unwrap();
    assert_ne!(node.kubelet().pid(), kubelet);
    let back = || async { kubectl.says(&read, "kept\n").await };
    assert!(wait::until(PATIENCE, back).await, "the pod did not return");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_do_not_meet_and_nothing_of_one_is_left() {
    if !supported("two nodes") {
        return;
    }
    let host = Host::now();
    let start = |name| Testbed::builder(name).node().start();
    let (left, right) = tokio::try_join!(start("left"), start("right")).unwrap();
    let mut addresses = Vec::new();
    for bed in [&left, &right] {
        let (node, client) = (bed.node().unwrap(), bed.kube_client().await.unwrap());
        node.load_image(IMAGE, bed.name()).await.unwrap();
        run(&client, pod("web", &json!({}))).await;
        let port = expose(&client, "web").await;
        addresses.push(SocketAddr::new(node.host_ip(), port));
    }
    for (bed, address) in [&left, &right].into_iter().zip(&addresses) {
        let answers = || async { body_at(*address).await.as_deref() == Some(bed.name()) };
        assert!(wait::until(PATIENCE, answers).await, "{}", bed.name());
    }

    let traces = Traces::of(&left);
    assert!(traces.control_groups() > 0, "the pods have control groups");
    drop(left);
    traces.assert_gone();
    let body = body_at(addresses[1]).await;
    assert_eq!(body.as_deref(), Some(right.name()));

    let traces = Traces::of(&right);
    drop(right);
    traces.assert_gone();
    assert_eq!(Host::now(), host);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_run_left_of_a_node_is_cleaned_by_the_next() {
    if !supported("a killed run with a node") {
        return;
    }
    let args = ["--profile", "control-plane", "--devices", "0", "--node"];
    let (mut owner, bed) = up("node-crash", &args).await;
    let traces = Traces::seen(&bed);
    assert!(traces.control_groups() > 0, "the pods have control groups");
    owner.kill();
    clean_remains().unwrap();
    // A neighbour that starts may have begun with it.
    let gone = || async { !bed.folder().exists() };
    assert!(wait::until(SOON, gone).await, "the folder is left");
    traces.assert_gone();
}

/// What a node could leave on the host, outside the testbed's own places.
#[derive(Debug, PartialEq, Eq)]
struct Host {
    folders: Vec<&'static str>,
    rules: Vec<String>,
}

impl Host {
    fn now() -> Self {
        let folders = [
            "/etc/cni/net.d/10-pods.conflist",
            "/opt/containerd",
            "/run/containerd",
            "/usr/libexec/kubernetes",
            "/var/lib/cni",
            "/var/lib/containerd",
            "/var/lib/kubelet",
            "/var/log/containers",
            "/var/log/pods",
        ];
        let there = folders.into_iter().filter(|path| Path::new(path).exists());
        let saved = Command::new("iptables-save").output();
        let text = saved.map(|saved| saved.stdout).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        let rules = text.lines().filter(|line| line.contains("KUBE-"));
        Self {
            folders: there.collect(),
            rules: rules.map(str::to_owned).collect(),
        }
    }
}

fn from<K: serde::de::DeserializeOwned>(value: Value) -> K {
    serde_json::from_value(value).unwrap()
}

/// A pod of the test image, with these fields added to its container.
fn pod(name: &str, more: &Value) -> Value {
    let mut pod = json!({
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            // The shell of the image does not stop when asked.
            "terminationGracePeriodSeconds": 0,
            "containers": [{"name": "main", "image": IMAGE}],
        },
    });
    for (key, value) in more.as_object().unwrap() {
        if key == "volumes" {
            pod["spec"]["volumes"] = value.clone();
        } else {
            pod["spec"]["containers"][0][key] = value.clone();
        }
    }
    pod
}

fn waiting() -> Value {
    json!({"command": ["sh", "-c", "echo started; exec sleep 3600"]})
}

fn with_claim() -> Value {
    let mut more = waiting();
    more["volumeMounts"] = json!([{"name": "data", "mountPath": "/data"}]);
    more["volumes"] = json!([{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]);
    more
}

/// Creates a pod and waits until it runs.
async fn run(client: &kube::Client, pod: Value) {
    let pods: Api<Pod> = Api::default_namespaced(client.clone());
    let pod: Pod = from(pod);
    let name = pod.metadata.name.clone().unwrap();
    // Refused until the namespace has its service account, which a controller makes.
    let created = || async { pods.create(&PostParams::default(), &pod).await.is_ok() };
    assert!(wait::until(PATIENCE, created).await, "{name} is refused");
    let phase = || async { pods.get(&name).await.ok()?.status?.phase };
    let runs = || async { phase().await.as_deref() == Some("Running") };
    assert!(
        wait::until(PATIENCE, runs).await,
        "{name}: {:?}",
        phase().await
    );
}

/// Makes a Service of a pod; answers with its port on the node.
async fn expose(client: &kube::Client, name: &str) -> u16 {
    let services: Api<Service> = Api::default_namespaced(client.clone());
    let service = from(json!({
        "metadata": {"name": name},
        "spec": {"type": "NodePort", "selector": {"app": name}, "ports": [{"port": 80}]},
    }));
    let made = services.create(&PostParams::default(), &service).await;
    let ports = made.unwrap().spec.unwrap().ports.unwrap();
    u16::try_from(ports[0].node_port.unwrap()).unwrap()
}

/// kubectl as people use it.
struct Kubectl {
    program: PathBuf,
    kubeconfig: PathBuf,
}

impl Kubectl {
    async fn new(bed: &Testbed) -> Self {
        let ensure = || fleet_tools::ensure(&[Tool::Kubectl], &mut |event| eprintln!("{event}"));
        let toolbox = tokio::task::spawn_blocking(ensure).await.unwrap().unwrap();
        Self {
            program: toolbox.path(Tool::Kubectl).unwrap().to_owned(),
            kubeconfig: bed.kubeconfig().unwrap().to_owned(),
        }
    }

    async fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(&self.program);
        command.args(args).env("KUBECONFIG", &self.kubeconfig);
        let run = move || command.output();
        tokio::task::spawn_blocking(run).await.unwrap().unwrap()
    }

    async fn ok(&self, args: &[&str]) -> String {
        let output = self.run(args).await;
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{args:?}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    async fn says(&self, args: &[&str], text: &str) -> bool {
        let output = self.run(args).await;
        output.status.success() && output.stdout == text.as_bytes()
    }
}
