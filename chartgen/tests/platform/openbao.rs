//! A real `OpenBao` takes the configuration that stands in the values.

use std::fs;
use std::process::Command;

use fleet_chartgen::platform::Values;
use fleet_tools::Tool;

use serde_json::{Value, json};

use crate::process::{Server, free};

/// What a pod finds by itself. The text is no certificate; nobody logs in here.
const OUTSIDE: &str = r#"disable_local_ca_jwt = true
      kubernetes_ca_cert = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----""#;

#[test]
fn it_sets_itself_up_and_comes_back_unsealed() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("text").to_owned();
    let (address, cluster) = (free(), free());
    let config = Values::default().openbao.server.standalone.config;
    let here = [
        ("/openbao/data".to_owned(), path("data")),
        (
            "/openbao/userconfig/fleet-openbao-seal-1".to_owned(),
            path(""),
        ),
        ("/openbao/userconfig/fleet-openbao-tls".to_owned(), path("")),
        ("[::]:8200".to_owned(), address.to_string()),
        ("[::]:8201".to_owned(), cluster.to_string()),
        // The chart fills it in.
        (
            "{{ .Release.Namespace }}".to_owned(),
            "fleet-system".to_owned(),
        ),
        // In a pod there are a token and an authority.
        (
            "kubernetes_host =".to_owned(),
            format!("{OUTSIDE}\n      kubernetes_host ="),
        ),
    ];
    let config = here.iter().fold(config, |config, (there, here)| {
        assert!(config.contains(there), "{there} is not in {config}");
        config.replace(there, here)
    });
    fs::create_dir(path("data")).expect("made");
    fs::write(path("config.hcl"), config).expect("written");
    let seal = fleet_keys::make_seal_key().expect("made");
    fs::write(path("seal.key"), seal).expect("written");

    let names = ["fleet-openbao", "127.0.0.1"].map(str::to_owned);
    let made = rcgen::generate_simple_self_signed(names).expect("a certificate");
    fs::write(path("tls.crt"), made.cert.pem()).expect("written");
    fs::write(path("tls.key"), made.signing_key.serialize_pem()).expect("written");

    let toolbox = fleet_tools::ensure(&[Tool::Bao], &mut |_| {}).expect("a server");
    let start = |ready: &str| {
        let mut command = Command::new(toolbox.path(Tool::Bao).expect("a server"));
        command
            .args(["server", &format!("-config={}", path("config.hcl"))])
            .env("BAO_API_ADDR", format!("https://{address}"))
            .env("BAO_CLUSTER_ADDR", format!("https://{cluster}"));
        Server::start(&mut command, ready)
    };
    let status = || {
        let output = Command::new(toolbox.path(Tool::Bao).expect("a client"))
            .args(["status", "-format=json"])
            .env("BAO_ADDR", format!("https://{address}"))
            .env("BAO_CACERT", path("tls.crt"))
            .output()
            .expect("asked");
        let text = String::from_utf8(output.stdout).expect("text");
        let status: Value = serde_json::from_str(&text).expect(&text);
        (status["initialized"].clone(), status["sealed"].clone())
    };
    // Said when it has set itself up.
    let first = start("OpenBao server started!");
    assert_eq!(status(), (json!(true), json!(false)));
    drop(first);
    let _second = start("post-unseal setup complete");
    assert_eq!(status(), (json!(true), json!(false)));
}
