//! Every field of PodmanV0 reaches the container.

use serde_json::{Value, json};

use crate::fleet::{Fleet, V1};

fn everything() -> Value {
    json!([{
        "name": "app", "image": V1, "containerName": "app-of-all",
        "command": ["/bin/busybox"], "args": ["sleep", "1000"],
        "env": {"MODE": "live"}, "workingDir": "/tmp", "user": "65534:65534",
        "ports": [{"hostPort": 8081, "containerPort": 81}, {"hostPort": 8081, "containerPort": 81, "protocol": "UDP"}],
        "volumes": [
            {"mountPath": "/scratch", "tmpfs": {"size": "1Mi"}},
            {"mountPath": "/kept", "named": "kept-data", "readOnly": true},
            {"mountPath": "/host", "bind": "/tmp", "readOnly": true},
        ],
        "files": [{"path": "/etc/app.conf", "content": "answer = 42\n", "mode": "0444"}],
        "devices": [{"hostPath": "/dev/null", "containerPath": "/dev/nothing"}],
        "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]},
        "readOnlyRootFilesystem": true,
        "resources": {"memory": "64Mi", "cpus": "0.5", "pids": 50},
        "labels": {"team": "blue"}, "stopTimeoutSeconds": 0,
    }])
}

#[tokio::test]
async fn every_field_reaches_the_container() {
    let mut fleet = Fleet::with_agent("agent-fields").await;
    let revision = fleet.deploy("shop.all", everything()).await;
    fleet.until_running("shop.all", revision).await;

    let text = fleet
        .device
        .podman_ok(["inspect", "--type", "container", "app-of-all"])
        .await
        .expect("inspected");
    let inspected: Value = serde_json::from_str(&text).expect("json");
    let at = |pointer: &str| inspected[0].pointer(pointer).cloned().unwrap_or_default();
    assert_eq!(at("/Config/Labels/team"), json!("blue"));
    assert_eq!(at("/Config/WorkingDir"), json!("/tmp"));
    assert_eq!(at("/Config/User"), json!("65534:65534"));
    assert_eq!(at("/Config/StopTimeout"), json!(0));
    assert_eq!(at("/HostConfig/ReadonlyRootfs"), json!(true));
    assert_eq!(at("/HostConfig/Memory"), json!(64 << 20));
    assert_eq!(at("/HostConfig/NanoCpus"), json!(500_000_000));
    assert_eq!(at("/HostConfig/PidsLimit"), json!(50));
    assert_eq!(
        at("/HostConfig/PortBindings/81~1udp/0/HostPort"),
        json!("8081")
    );
    assert_eq!(at("/BoundingCaps"), json!(["CAP_NET_BIND_SERVICE"]));

    let script = "cat /etc/app.conf; stat -c %a /etc/app.conf; echo $MODE; ls /dev/nothing /host >/dev/null && echo seen; \
        touch /scratch/x && echo scratch; touch /kept/x || echo read-only";
    let inside = ["exec", "app-of-all", "/bin/busybox", "sh", "-c", script];
    let said = fleet.device.podman_ok(inside).await.expect("ran");
    for expected in ["answer = 42", "444", "live", "seen", "scratch", "read-only"] {
        assert!(said.contains(expected), "no {expected:?} in {said}");
    }

    // Inline files go with their service.
    let files = fleet.device.state_dir().join("files");
    assert!(files.join("shop.all").exists());
    fleet.remove("shop.all").await;
    fleet
        .until_true("state deleted", || async {
            fleet.state("shop.all").await.is_none()
        })
        .await;
    assert!(!files.join("shop.all").exists());
}
