//! The agent's own program, with a folder of its own.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use fleet_bus::Bus;
use fleet_contracts::enrolment::EnrolmentToken;
use fleet_testbed::{Callout, CalloutOptions};
use serde_json::Value;

use crate::scene::Scene;

/// A device.
pub(crate) struct Agent<'s> {
    scene: &'s Scene,
    program: PathBuf,
}

/// A process of it, killed when dropped.
pub(crate) struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    pub(crate) fn has_ended(&mut self) -> bool {
        self.0.try_wait().expect("a child").is_some()
    }
}

impl<'s> Agent<'s> {
    /// None where the program is not built, which is said.
    pub(crate) fn new(scene: &'s Scene) -> Option<Self> {
        let program = match fleet_testbed::program("fleet-agent") {
            Ok(program) => program,
            Err(why) => {
                // Not eprintln!, which the test runner keeps for itself.
                writeln!(std::io::stderr(), "skipped: a real agent: {why}")
                    .expect("standard error");
                return None;
            }
        };
        let agent = Self { scene, program };
        let (state, socket) = (scene.path("agent"), scene.path("no-podman.sock"));
        let config = format!(
            "state_dir = \"{}\"\n[podman]\nsocket = \"{}\"\n",
            state.display(),
            socket.display()
        );
        fs::write(scene.path("agent.toml"), config).expect("written");
        fs::create_dir_all(&state).expect("a folder");
        Some(agent)
    }

    pub(crate) fn spawn(&self, args: &[&str]) -> Running {
        let log = || {
            fs::File::options()
                .create(true)
                .append(true)
                .open(self.scene.path("agent.log"))
                .expect("a log")
        };
        let mut command = Command::new(&self.program);
        command
            .env("FLEET_AGENT_CONFIG", self.scene.path("agent.toml"))
            .args(args)
            .stdin(Stdio::null())
            .stdout(log())
            .stderr(log());
        Running(command.spawn().expect("started"))
    }

    /// Runs it until it ends: success, and all it said.
    pub(crate) async fn run(&self, args: &[&str]) -> (bool, String) {
        let mut command = Command::new(&self.program);
        command
            .env("FLEET_AGENT_CONFIG", self.scene.path("agent.toml"))
            .args(args)
            .stdin(Stdio::null());
        let output = tokio::task::spawn_blocking(move || command.output());
        let output = output.await.expect("no panic").expect("started");
        let said = [output.stdout, output.stderr].concat();
        (
            output.status.success(),
            String::from_utf8_lossy(&said).into_owned(),
        )
    }

    /// Asks to join.
    pub(crate) fn enrol(&self, token: &EnrolmentToken) -> Running {
        fs::write(self.scene.path("token"), token.expose()).expect("written");
        let path = |name: &str| self.scene.path(name).display().to_string();
        let (ca, token) = (path("tls/ca.crt"), path("token"));
        let (url, bits) = (self.scene.url.as_str(), "2048");
        self.spawn(&[
            "enrol",
            "--url",
            url,
            "--ca-file",
            &ca,
            "--token-file",
            &token,
            "--rsa-bits",
            bits,
        ])
    }

    /// All that was said by processes that were spawned.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(self.scene.path("agent.log")).unwrap_or_default()
    }

    /// What enrolment wrote.
    pub(crate) fn enrolment(&self) -> Value {
        let path = self.scene.path("agent/identity/enrolment.json");
        serde_json::from_slice(&fs::read(path).expect("enrolled")).expect("JSON")
    }

    /// The names of its keys' files.
    pub(crate) fn key_files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.scene.path("agent/identity")).expect("a folder");
        let names = entries.map(|e| e.expect("an entry").file_name().into_string());
        let mut keys: Vec<_> = names
            .map(|name| name.expect("a name"))
            .filter(|name| name.starts_with("device-key"))
            .collect();
        keys.sort();
        keys
    }
}

impl Scene {
    /// The bus with its streams, and a callout that lets enrolled devices in.
    pub(crate) async fn bus(&self) -> (Bus, Callout) {
        let nats = self.bed.nats().expect("nats");
        let bus = Bus::over(nats.operator_client().await.expect("client"));
        let settings = fleet_bus::stream::StreamSettings::default();
        fleet_bus::stream::ensure_all(bus.context(), &settings)
            .await
            .expect("streams");
        let idp = self.idp();
        let policies = self.path("policies.json");
        fs::write(&policies, r#"{"default": {}}"#).expect("written");
        let options = CalloutOptions::default()
            .believing(idp)
            .args(["--policy-file".into(), policies.display().to_string()]);
        (bus, self.bed.start_callout(options).expect("callout"))
    }
}
