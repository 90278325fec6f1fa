//! How kubelet and kube-proxy are told to run, and why so.

use std::fs;
use std::path::Path;

use serde_json::json;

use super::error::file_error;
use super::{NAME, NodeError, PROGRAMS};
use crate::control_plane::NodeAccess;
use crate::process::Spec;

/// The addresses of pods. They exist in the machine only, so every testbed has the same.
pub(super) const POD_NETWORK: &str = "10.244.0.0/24";
/// Where the cluster's DNS answers, as everybody expects it.
pub(super) const DNS_IP: &str = "10.96.0.10";
/// Where distributions put the network plugins.
pub(super) const PLUGINS: [&str; 3] = ["/usr/lib/cni", "/usr/libexec/cni", "/opt/cni/bin"];
/// containerd's socket, in the machine's own `/run`.
pub(super) const SOCKET: &str = "/run/containerd/containerd.sock";

/// Writes the files that the programs of the node read.
pub(super) fn write(folder: &Path, access: &NodeAccess) -> Result<(), NodeError> {
    let kubelet = kubelet_config(folder, access).to_string();
    let files = [
        ("kubelet.json", kubelet),
        // Pods reach nothing outside, so they ask nobody there.
        ("resolv.conf", "# no name server outside\n".to_owned()),
        ("cni/10-pods.conflist", pod_network().to_string()),
    ];
    for (name, content) in files {
        let path = folder.join(name);
        let parent = path.parent().unwrap_or(folder);
        fs::create_dir_all(parent).map_err(file_error(parent))?;
        fs::write(&path, content).map_err(file_error(&path))?;
    }
    Ok(())
}

/// The kubelet. Its sandbox is the machine's own folders, so it may use its defaults.
pub(super) fn kubelet(spec: Spec, folder: &Path, access: &NodeAccess) -> Spec {
    spec.args(["--config".into(), folder.join("kubelet.json")])
        .args(["--kubeconfig".into(), access.kubelet.kubeconfig.clone()])
        .args(["--hostname-override", NAME])
        .args([format!("--node-ip={}", access.joining.node_ip)])
        .env("PATH", PROGRAMS)
        .without_proxy()
}

pub(super) fn proxy(spec: Spec, access: &NodeAccess) -> Spec {
    spec.args(["--kubeconfig".into(), access.proxy.kubeconfig.clone()])
        .args(["--hostname-override", NAME, "--cluster-cidr", POD_NETWORK])
        .args(["--proxy-mode", "iptables"])
        // Connection tracking is sized for the whole host, which is not the node's to change.
        .args(["--conntrack-max-per-core=0", "--conntrack-min=0"])
        .env("PATH", PROGRAMS)
        .without_proxy()
}

fn kubelet_config(folder: &Path, access: &NodeAccess) -> serde_json::Value {
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        // The API server comes with a certificate, pods with their tokens, and the API server says
        // what each may do.
        "authentication": {
            "anonymous": {"enabled": false},
            "webhook": {"enabled": true},
            "x509": {"clientCAFile": access.authority},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": access.kubelet_server.certificate,
        "tlsPrivateKeyFile": access.kubelet_server.key,
        // Works with version 1 and 2 of control groups, and without systemd. Groups for whole pods
        // would need all controllers in one place, which hybrid hosts do not have.
        "cgroupDriver": "cgroupfs",
        "cgroupsPerQOS": false,
        "enforceNodeAllocatable": [],
        "failCgroupV1": false,
        "failSwapOn": false,
        "localStorageCapacityIsolation": false,
        // Less than that of whoever started it takes CAP_SYS_RESOURCE.
        "oomScoreAdj": 0,
        "containerRuntimeEndpoint": format!("unix://{SOCKET}"),
        "clusterDNS": [DNS_IP],
        "clusterDomain": "cluster.local",
        "resolvConf": folder.join("resolv.conf"),
        // The default is a folder of the host.
        "volumePluginDir": "/var/lib/kubelet/volumeplugins",
        // A disk that is nearly full is the host's affair, and an image that was removed to make
        // room could not be pulled again.
        "evictionHard": {"memory.available": "50Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "imageGCHighThresholdPercent": 100,
        // Tests change ConfigMaps and Secrets and wait for the files.
        "syncFrequency": "10s",
        "serializeImagePulls": false,
    })
}

/// A cable from each pod to the machine, which routes. A bridge would need the `br_netfilter` module
/// of the host to make Services work between pods of one node.
fn pod_network() -> serde_json::Value {
    json!({
        "cniVersion": "1.0.0",
        "name": "pods",
        "plugins": [
            {
                "type": "ptp",
                "ipMasq": true,
                "ipam": {
                    "type": "host-local",
                    "ranges": [[{"subnet": POD_NETWORK}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                },
            },
            {"type": "portmap", "capabilities": {"portMappings": true}},
        ],
    })
}
