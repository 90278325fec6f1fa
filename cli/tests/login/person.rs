//! Somebody at a terminal with a browser: the program, pointed at a provider, and what it says.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};

use fleet_cli::login::http::Http;
use fleet_testbed::{Idp, Testbed};
use http::{Request, header};
use openidconnect::AsyncHttpClient as _;
use serde_json::Value;
use tempfile::TempDir;

/// Registered without a port; a login comes with one.
const REDIRECT: &str = "http://127.0.0.1/callback";

/// What a run said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "{self:#?}");
        self.out
    }

    #[track_caller]
    pub(crate) fn failed(self) -> String {
        assert_eq!(self.code, Some(1), "{self:#?}");
        assert_eq!(self.out, "", "a failure belongs on standard error");
        self.err
    }
}

/// A provider, an application for fleet, and a home.
pub(crate) struct Desk {
    bed: Testbed,
    pub(crate) client: String,
    pub(crate) home: TempDir,
}

impl Desk {
    pub(crate) async fn new() -> Self {
        let bed = Testbed::builder("login").idp().start().await;
        let bed = bed.expect("the testbed starts");
        let idp = bed.idp().expect("an IdP");
        let client = idp.native_application("fleet", &[REDIRECT]);
        Self {
            client: client.expect("an application"),
            home: tempfile::tempdir().expect("a folder"),
            bed,
        }
    }

    pub(crate) fn idp(&self) -> &Idp {
        self.bed.idp().expect("an IdP")
    }

    /// A person with this role, who sits at the browser from now on.
    pub(crate) fn person(&self, name: &str, role: &str) -> String {
        let person = self.idp().person(name, &[role]).expect("a person");
        self.idp().at_browser(Some(&person));
        person
    }

    /// The flags that say where.
    pub(crate) fn flags(&self) -> Vec<String> {
        let idp = self.idp();
        let ca = idp.ca_file().display().to_string();
        let issuer = idp.issuer();
        let flags = [
            ("--issuer", issuer.as_str()),
            ("--client-id", &self.client),
            ("--zitadel-project", idp.project()),
            ("--ca-file", &ca),
        ];
        let flags = flags.iter().flat_map(|(flag, value)| [*flag, *value]);
        flags.map(str::to_owned).collect()
    }

    /// The program with nothing of whoever runs the tests.
    pub(crate) fn program(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fleet"));
        command
            .env_clear()
            .env("HOME", self.home.path())
            .env("XDG_STATE_HOME", self.home.path().join("state"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs a command with the flags that say where.
    pub(crate) fn run(&self, args: &[&str]) -> Said {
        self.start(args).end()
    }

    pub(crate) fn start(&self, args: &[&str]) -> Running {
        let mut command = self.program();
        command.args(args).args(self.flags());
        Running::new(&mut command)
    }

    /// Logs in with a browser.
    pub(crate) async fn log_in(&self) {
        let mut login = self.start(&["login", "--no-browser"]);
        let address = login.address();
        self.browse(&address).await;
        login.end().ok();
    }

    /// What a browser does with an address: it follows the provider's redirect.
    pub(crate) async fn browse(&self, address: &str) -> String {
        let back = self.redirect(address).await;
        fetch(&back)
    }

    /// Where the provider sends a browser.
    pub(crate) async fn redirect(&self, address: &str) -> String {
        let http = Http::new(Some(self.idp().ca_file())).expect("a client");
        let request = Request::get(address).body(Vec::new()).expect("an address");
        let answer = http.call(request).await.expect("an answer");
        let location = answer.headers().get(header::LOCATION).expect("a redirect");
        location.to_str().expect("text").to_owned()
    }

    /// The file of the only login.
    pub(crate) fn login_file(&self) -> PathBuf {
        let folder = self.home.path().join("state/fleet/logins");
        let files = std::fs::read_dir(folder).expect("logins");
        let mut files = files.map(|entry| entry.expect("an entry").path());
        let is_login = |path: &PathBuf| path.extension().is_some_and(|e| e == "json");
        files.find(is_login).expect("a login")
    }
}

/// The answer of the page on loopback, as text.
pub(crate) fn fetch(address: &str) -> String {
    let rest = address.strip_prefix("http://").expect("loopback");
    let (host, path) = rest.split_once('/').expect("a path");
    let mut stream = TcpStream::connect(host).expect("somebody listens");
    write!(stream, "GET /{path} HTTP/1.1\r\nHost: {host}\r\n\r\n").expect("sent");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("an answer");
    text
}

/// A program that waits for somebody.
pub(crate) struct Running {
    child: Child,
    errors: BufReader<ChildStderr>,
    heard: String,
}

impl Running {
    pub(crate) fn new(command: &mut Command) -> Self {
        let mut child = command.spawn().expect("starts");
        let errors = BufReader::new(child.stderr.take().expect("standard error"));
        Self {
            child,
            errors,
            heard: String::new(),
        }
    }

    /// Reads on until a line holds this; what the line says.
    pub(crate) fn line_with(&mut self, text: &str) -> String {
        loop {
            let mut line = String::new();
            let read = self.errors.read_line(&mut line).expect("text");
            assert_ne!(read, 0, "no {text:?} in {:?}", self.heard);
            self.heard.push_str(&line);
            if line.contains(text) {
                return line.trim().to_owned();
            }
        }
    }

    /// The next address it shows.
    pub(crate) fn address(&mut self) -> String {
        self.line_with("    https://")
    }

    pub(crate) fn end(mut self) -> Said {
        let mut out = String::new();
        let mut stdout = self.child.stdout.take().expect("standard output");
        stdout.read_to_string(&mut out).expect("text");
        self.errors.read_to_string(&mut self.heard).expect("text");
        Said {
            code: self.child.wait().expect("ends").code(),
            out,
            err: self.heard,
        }
    }
}

/// The token in a credential, and what it claims.
pub(crate) fn claims(credential: &str) -> (String, Value) {
    use base64::Engine as _;
    let credential: Value = serde_json::from_str(credential).expect("an ExecCredential");
    assert_eq!(credential["kind"], "ExecCredential");
    let token = credential["status"]["token"].as_str().expect("a token");
    let payload = token.split('.').nth(1).expect("a payload");
    let payload = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload);
    let claims = serde_json::from_slice(&payload.expect("base64")).expect("claims");
    (token.to_owned(), claims)
}

pub(crate) fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    let meta = std::fs::metadata(path).expect("there");
    meta.permissions().mode() & 0o777
}
