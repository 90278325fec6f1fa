//! Somebody with a home folder, a browser, `fleet` and `kubectl`.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use fleet_cli::login::http::Http;
use fleet_tools::Tool;
use http::{Request, header};
use serde_json::Value;
use tempfile::TempDir;

use crate::scene::{Scene, tool};

pub(crate) struct Person {
    home: TempDir,
    pub(crate) subject: String,
}

impl Person {
    /// Logs in by the code flow, and lets the kubeconfig use it.
    pub(crate) async fn log_in(scene: &Scene, subject: &str) -> Self {
        let person = Self {
            home: tempfile::tempdir().expect("a folder"),
            subject: subject.to_owned(),
        };
        scene.kubeconfig_without_user(&person.kubeconfig());
        let idp = scene.idp();
        idp.at_browser(Some(subject));
        let mut login = person
            .program(fleet())
            .args(["login", "--no-browser", "--write-kubeconfig"])
            .args(["--issuer", &idp.issuer()])
            .args(["--client-id", scene.people().client_id()])
            .args(["--zitadel-project", idp.project()])
            .arg("--ca-file")
            .arg(idp.ca_file())
            .stderr(Stdio::piped())
            .spawn()
            .expect("fleet starts");
        let mut said = BufReader::new(login.stderr.take().expect("standard error"));
        let address = loop {
            let mut line = String::new();
            assert_ne!(said.read_line(&mut line).expect("text"), 0, "no address");
            if line.trim_start().starts_with("https://") {
                break line.trim().to_owned();
            }
        };
        browse(scene, &address).await;
        let mut rest = String::new();
        said.read_to_string(&mut rest).expect("text");
        assert!(login.wait().expect("ends").success(), "{rest}");
        assert!(rest.contains("uses user \"fleet\""), "{rest}");
        person
    }

    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.home.path().join("config")
    }

    fn program(&self, path: PathBuf) -> Command {
        let folder = fleet();
        let folder = folder.parent().expect("a folder");
        let mut command = Command::new(path);
        command
            .env_clear()
            // Where kubectl finds the plugin, and the plugin itself.
            .env("PATH", format!("{}:/usr/bin:/bin", folder.display()))
            .env("HOME", self.home.path())
            .env("KUBECONFIG", self.kubeconfig())
            .stdin(Stdio::null());
        command
    }

    /// Runs it to its end: what it printed, or what it complained about.
    fn run(&self, program: PathBuf, args: &str) -> Result<String, String> {
        let output = self.program(program).args(args.split(' ')).output();
        let output = output.expect("starts");
        let text = |bytes| String::from_utf8(bytes).expect("text");
        if output.status.success() {
            Ok(text(output.stdout))
        } else {
            Err(text(output.stderr))
        }
    }

    pub(crate) fn kubectl(&self, args: &str) -> Result<String, String> {
        self.run(tool(Tool::Kubectl), args)
    }

    pub(crate) fn fleet(&self, args: &str) -> Result<String, String> {
        self.run(fleet(), args)
    }

    /// The API server knows who this is, and says no.
    #[track_caller]
    pub(crate) fn is_forbidden(&self, outcome: Result<String, String>) {
        let error = outcome.expect_err("allowed");
        assert!(error.to_lowercase().contains("forbidden"), "{error}");
        assert!(error.contains(&self.subject), "{error}");
    }

    /// The token that kubectl is given.
    pub(crate) fn token(&self) -> String {
        let credential = self.fleet("token").expect("a credential");
        let credential: Value = serde_json::from_str(&credential).expect("JSON");
        let token = credential.pointer("/status/token").and_then(Value::as_str);
        token.expect("a token").to_owned()
    }
}

pub(crate) fn fleet() -> PathBuf {
    fleet_testbed::program("fleet").expect("fleet is built")
}

/// What a browser does: it follows the provider's redirect to the page on loopback.
async fn browse(scene: &Scene, address: &str) {
    let http = Http::new(Some(scene.idp().ca_file())).expect("a client");
    let request = Request::get(address).body(Vec::new()).expect("an address");
    let answer = http.send(request).await.expect("an answer");
    let back = answer.headers().get(header::LOCATION).expect("a redirect");
    let back = back.to_str().expect("text").strip_prefix("http://");
    let (host, path) = back
        .and_then(|back| back.split_once('/'))
        .expect("loopback");
    let mut stream = TcpStream::connect(host).expect("fleet listens");
    write!(stream, "GET /{path} HTTP/1.1\r\nHost: {host}\r\n\r\n").expect("sent");
    let mut page = String::new();
    stream.read_to_string(&mut page).expect("a page");
    assert!(page.contains("You are logged in"), "{page}");
}
