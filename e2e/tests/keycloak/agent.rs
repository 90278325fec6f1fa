//! The agent's program in a folder of its own, with a client of Keycloak as its identity.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Command, Stdio};

use fleet_testbed::ClientKey;
use tempfile::TempDir;

/// How a device logs in.
pub(crate) struct Login<'a> {
    pub(crate) device: &'a str,
    pub(crate) issuer: &'a str,
    pub(crate) ca_file: String,
    pub(crate) nats_url: String,
    pub(crate) key: &'a ClientKey,
}

/// A device's agent, running.
pub(crate) struct Agent {
    folder: TempDir,
    child: Option<Child>,
}

impl Agent {
    pub(crate) fn start(login: &Login<'_>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut agent = Self {
            folder,
            child: None,
        };
        agent.write("key.pem", login.key.private_pem());
        agent.write("agent.toml", &agent.config(login));
        agent.boot();
        agent
    }

    /// Starts the program; it asks for a token of its own.
    pub(crate) fn boot(&mut self) {
        let path = self.folder.path().join("log");
        let log = File::options().create(true).append(true).open(path);
        let program = fleet_testbed::program("fleet-agent").expect("built");
        let child = Command::new(program)
            .env("FLEET_AGENT_CONFIG", self.folder.path().join("agent.toml"))
            .env("FLEET_AGENT_LOG", "debug")
            .env("NO_PROXY", "*")
            .stdin(Stdio::null())
            .stderr(log.expect("a log"))
            .spawn()
            .expect("started");
        self.child = Some(child);
    }

    /// A power cut.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    fn config(&self, login: &Login<'_>) -> String {
        let path = |name: &str| self.folder.path().join(name).display().to_string();
        format!(
            "device_id = \"{device}\"\nstate_dir = \"{state}\"\n\
             [nats]\nurl = \"{nats}\"\n\
             [manifest]\ntrusted_keys = [\"11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\"]\n\
             [identity]\nissuer = \"{issuer}\"\nca_file = \"{ca}\"\nkey_file = \"{key}\"\n\
             client_id = \"{device}\"\nkey_id = \"{key_id}\"\n\
             [podman]\nsocket = \"{podman}\"\n",
            device = login.device,
            state = path("state"),
            nats = login.nats_url,
            issuer = login.issuer,
            ca = login.ca_file,
            key = path("key.pem"),
            key_id = login.key.id(),
            podman = path("no-podman.sock"),
        )
    }

    fn write(&self, name: &str, content: &str) {
        let path = self.folder.path().join(name);
        fs::write(&path, content).expect("written");
        fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("private");
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.kill();
    }
}
