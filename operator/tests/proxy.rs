//! The way to the API server.
#![allow(clippy::expect_used, reason = "test code")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use fleet_testbed::OperatorOptions;
use serde_json::{Value, json};
use support::{Stage, eventually};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

/// A proxy that tunnels, and counts how often.
async fn proxy() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counter.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(tunnel(stream));
        }
    });
    (url, count)
}

/// Answers `CONNECT host:port`.
async fn tunnel(mut client: TcpStream) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head);
    let target = head.split(' ').nth(1).unwrap_or_default();
    let mut server = TcpStream::connect(target).await?;
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_of_the_environment_is_left_aside_and_one_of_the_kubeconfig_is_used() {
    let stage = Stage::open("proxy").await;
    let (url, tunnelled) = proxy().await;
    let by_environment = OperatorOptions::replica("environment")
        .env("HTTPS_PROXY", &url)
        .env("https_proxy", &url);
    let operator = stage.bed.start_operator(by_environment).expect("started");
    wait_ready(&operator).await;
    assert_eq!(tunnelled.load(Ordering::Relaxed), 0);

    let server = stage.bed.api_server().expect("an API server");
    let text = std::fs::read_to_string(server.operator_kubeconfig()).expect("a kubeconfig");
    let mut kubeconfig: Value = serde_json::from_str(&text).expect("JSON");
    kubeconfig["clusters"][0]["cluster"]["proxy-url"] = json!(url);
    let file = stage.bed.folder().join("proxied.kubeconfig");
    std::fs::write(&file, kubeconfig.to_string()).expect("written");
    let by_kubeconfig =
        OperatorOptions::replica("kubeconfig").env("KUBECONFIG", file.display().to_string());
    let operator = stage.bed.start_operator(by_kubeconfig).expect("started");
    wait_ready(&operator).await;
    assert_ne!(tunnelled.load(Ordering::Relaxed), 0);
}

async fn wait_ready(operator: &fleet_testbed::Operator) {
    eventually("ready", true, || async {
        let page = operator.page("/readyz").await.unwrap_or_default();
        page.contains(" 200 ")
    })
    .await;
}
