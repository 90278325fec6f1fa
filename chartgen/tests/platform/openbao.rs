//! A real `OpenBao` takes the configuration that stands in the values, and what it lets in is enough to
//! set up the rest.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use fleet_chartgen::platform::{Values, names};
use fleet_tools::{Tool, Toolbox};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::{Server, free};
use crate::support::program;

/// What a pod finds by itself. The text is no certificate; nobody logs in by it here.
const OUTSIDE: &str = r#"disable_local_ca_jwt = true
      kubernetes_ca_cert = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----""#;

/// The folder of a server with the configuration of the values.
struct Bao {
    folder: TempDir,
    address: SocketAddr,
    cluster: SocketAddr,
    toolbox: Toolbox,
}

impl Bao {
    /// `more` is added to what is done at the first start.
    fn with(more: &str) -> Self {
        let bao = Self {
            folder: tempfile::tempdir().expect("a folder"),
            address: free(),
            cluster: free(),
            toolbox: fleet_tools::ensure(&[Tool::Bao], &mut |_| {}).expect("a server"),
        };
        fs::create_dir(bao.path("data")).expect("made");
        bao.write("config.hcl", &bao.config(more));
        bao.write("seal.key", &fleet_keys::make_seal_key().expect("made"));
        let names = [names::OPENBAO, "127.0.0.1"].map(str::to_owned);
        let made = rcgen::generate_simple_self_signed(names).expect("a certificate");
        bao.write("tls.crt", &made.cert.pem());
        bao.write("tls.key", &made.signing_key.serialize_pem());
        bao
    }

    fn config(&self, more: &str) -> String {
        let secret = |name: &str| format!("/openbao/userconfig/{name}");
        let here = [
            ("/openbao/data", self.path("data")),
            (&secret("fleet-openbao-seal-1"), self.path("")),
            (&secret(names::OPENBAO_TLS), self.path("")),
            ("[::]:8200", self.address.to_string()),
            ("[::]:8201", self.cluster.to_string()),
            // The chart fills it in.
            ("{{ .Release.Namespace }}", "fleet-system".to_owned()),
            // In a pod there are a token and an authority.
            (
                "kubernetes_host =",
                format!("{OUTSIDE}\n      kubernetes_host ="),
            ),
            (
                "initialize \"fleet\" {",
                format!("initialize \"fleet\" {{\n{more}"),
            ),
        ];
        let config = Values::default().openbao.server.standalone.config;
        here.iter().fold(config, |config, (there, here)| {
            assert!(config.contains(there), "{there} is not in {config}");
            config.replace(there, here)
        })
    }

    fn path(&self, name: &str) -> String {
        let path = self.folder.path().join(name);
        path.to_str().expect("text").to_owned()
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("written");
    }

    fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    fn command(&self) -> Command {
        Command::new(self.toolbox.path(Tool::Bao).expect("a program"))
    }

    fn start(&self, ready: &str) -> Server {
        let mut command = self.command();
        command
            .args(["server", &format!("-config={}", self.path("config.hcl"))])
            .env("BAO_API_ADDR", self.url())
            .env("BAO_CLUSTER_ADDR", format!("https://{}", self.cluster));
        Server::start(&mut command, ready)
    }

    /// The first start. The line is said when it has set itself up.
    fn first_start(&self) -> Server {
        self.start("OpenBao server started!")
    }

    /// Whether it is initialized, and whether it is sealed.
    fn status(&self) -> [Value; 2] {
        let output = self
            .command()
            .args(["status", "-format=json"])
            .env("BAO_ADDR", self.url())
            .env("BAO_CACERT", self.path("tls.crt"))
            .output()
            .expect("asked");
        let text = String::from_utf8(output.stdout).expect("text");
        let status: Value = serde_json::from_str(&text).expect(&text);
        [status["initialized"].clone(), status["sealed"].clone()]
    }
}

#[test]
fn it_sets_itself_up_and_comes_back_unsealed() {
    let bao = Bao::with("");
    let first = bao.first_start();
    assert_eq!(bao.status(), [json!(true), json!(false)]);
    drop(first);
    let _second = bao.start("post-unseal setup complete");
    assert_eq!(bao.status(), [json!(true), json!(false)]);
}

/// Another way to log in with the policy that the values make, for who has no service account.
fn login_without_a_pod() -> String {
    let request = |name: &str, path: &str, data: &str| {
        format!(
            "  request \"{name}\" {{\n    operation = \"update\"\n    path = \"{path}\"\n    \
             data = {{ {data} }}\n  }}\n"
        )
    };
    let role = "auth/approle/role/test";
    let policy = format!("token_policies = \"{}\"", names::PROVISIONER);
    [
        request("approle", "sys/auth/approle", "type = \"approle\""),
        request("test", role, &policy),
        request("id", &format!("{role}/role-id"), "role_id = \"test\""),
        request(
            "secret",
            &format!("{role}/custom-secret-id"),
            "secret_id = \"secret\"",
        ),
    ]
    .concat()
}

fn fleet_auth() -> Option<PathBuf> {
    program("fleet-auth", "what the provisioner of OpenBao may do")
}

#[test]
fn whom_it_lets_in_may_set_up_the_rest() {
    let Some(program) = fleet_auth() else { return };
    let bao = Bao::with(&login_without_a_pod());
    let _server = bao.first_start();
    bao.write("secret", "secret");
    let provision = || {
        let output = Command::new(&program)
            .args(["provision", "openbao", "--bao-address", &bao.url()])
            .args(["--bao-ca-file", &bao.path("tls.crt")])
            .args(["--bao-approle-id", "test"])
            .args(["--bao-approle-secret-file", &bao.path("secret")])
            .args(["--recovery-key-file", &bao.path("recovery.key")])
            .args(["--kubernetes-host", "https://kubernetes.default.svc"])
            .args(["--kubernetes-ca-file", &bao.path("tls.crt")])
            .env_clear()
            .output()
            .expect("run");
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8(said).expect("text");
        assert!(output.status.success(), "{said}");
        said
    };
    let first = provision();
    // The audit log is in the values already.
    assert!(!first.contains("audit log: declare"), "{first}");
    let second = provision();
    assert_ne!(first, second, "the first run does something");
    assert_eq!(second, provision(), "and no other");
}
