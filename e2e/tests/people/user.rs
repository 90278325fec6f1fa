//! Somebody with a home folder, `fleet` and `kubectl`. The tests with Keycloak use it, too.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};

use fleet_tools::Tool;
use serde_json::Value;
use tempfile::TempDir;

use crate::cluster::{Cluster, tool};

pub(crate) struct User {
    home: TempDir,
    /// The provider's id of them, once they are logged in.
    pub(crate) subject: String,
}

/// A login that waits for somebody.
pub(crate) struct Login {
    child: Child,
    said: BufReader<ChildStderr>,
    all: String,
}

impl Login {
    /// The next address that it shows with this in it.
    pub(crate) fn address(&mut self, holds: &str) -> String {
        loop {
            let mut line = String::new();
            let read = self.said.read_line(&mut line).expect("text");
            assert_ne!(read, 0, "no address: {}", self.all);
            self.all.push_str(&line);
            let address = line.trim();
            if address.starts_with("https://") && address.contains(holds) {
                return address.to_owned();
            }
        }
    }
}

impl User {
    pub(crate) fn new(cluster: &Cluster) -> Self {
        let user = Self {
            home: tempfile::tempdir().expect("a folder"),
            subject: String::new(),
        };
        cluster.kubeconfig_without_user(&user.kubeconfig());
        user
    }

    /// Starts a login that lets the kubeconfig use it.
    pub(crate) fn begin(&self, how: &[impl AsRef<OsStr>]) -> Login {
        let mut child = self
            .program(fleet())
            .args(["login", "--write-kubeconfig"])
            .args(how)
            .stderr(Stdio::piped())
            .spawn()
            .expect("fleet starts");
        let said = BufReader::new(child.stderr.take().expect("standard error"));
        Login {
            child,
            said,
            all: String::new(),
        }
    }

    /// Somebody has done what the login asked for.
    pub(crate) fn end(&mut self, mut login: Login) {
        let mut rest = String::new();
        login.said.read_to_string(&mut rest).expect("text");
        assert!(login.child.wait().expect("ends").success(), "{rest}");
        assert!(rest.contains("uses user \"fleet\""), "{rest}");
        let subject = claims(&self.token())["sub"].as_str().map(str::to_owned);
        self.subject = subject.expect("a subject");
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

    /// What a logout says.
    pub(crate) fn log_out(&self) -> String {
        let output = self.program(fleet()).arg("logout").output();
        let output = output.expect("fleet starts");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stderr).expect("text")
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

fn fleet() -> PathBuf {
    fleet_testbed::program("fleet").expect("fleet is built")
}

/// What `fleet` prints for an API server that shall know the people of this provider.
pub(crate) fn authentication_config(issuer: &str, ca_file: &Path, flags: &[&str]) -> String {
    let output = Command::new(fleet())
        .args(["authentication-config", "--issuer", issuer])
        .arg("--ca-file")
        .arg(ca_file)
        .args(flags)
        .output()
        .expect("fleet starts");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    String::from_utf8(output.stdout).expect("text")
}

/// The page on loopback that a browser is sent to.
pub(crate) fn loopback_page(address: &str) -> String {
    let rest = address.strip_prefix("http://").expect("loopback");
    let (host, path) = rest.split_once('/').expect("a path");
    let mut stream = TcpStream::connect(host).expect("fleet listens");
    write!(stream, "GET /{path} HTTP/1.1\r\nHost: {host}\r\n\r\n").expect("sent");
    let mut page = String::new();
    stream.read_to_string(&mut page).expect("a page");
    page
}

/// What a token says.
pub(crate) fn claims(token: &str) -> Value {
    use base64::Engine as _;
    let payload = token.split('.').nth(1).expect("a payload");
    let payload = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload);
    serde_json::from_slice(&payload.expect("base64")).expect("claims")
}
