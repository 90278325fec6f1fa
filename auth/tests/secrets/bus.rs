//! What `secrets ensure` says about accounts is what a bus takes, and logins are changed on it while it
//! runs.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fleet_auth::secrets::catalogue::Name;
use fleet_auth::secrets::rbac::Role;
use fleet_auth::secrets::{ACCOUNTS_ENTRY, PUBLIC_NAME};
use fleet_testbed::wait;
use fleet_tools::{Tool, ensure};
use serde_json::{Value, json};

use crate::scene::{SOON, SYSTEM, Scene};

/// A server with the configuration that the guide shows.
struct Server {
    child: Child,
    folder: PathBuf,
    address: SocketAddr,
}

impl Server {
    fn start(folder: &Path, accounts: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        drop(listener);
        let config = [
            &format!("listen: \"{address}\""),
            "max_control_line: 16384",
            "max_payload: 1048576",
            &format!(
                "jetstream {{ store_dir: \"{}\" }}",
                folder.join("store").display()
            ),
            "include \"accounts.conf\"\n",
        ];
        fs::write(folder.join("accounts.conf"), accounts).expect("written");
        fs::write(folder.join("nats.conf"), config.join("\n")).expect("written");
        Self {
            child: spawn(folder),
            folder: folder.to_owned(),
            address,
        }
    }

    async fn take_up(&mut self, how: TakeUp, accounts: &str) {
        fs::write(self.folder.join("accounts.conf"), accounts).expect("written");
        match how {
            TakeUp::Reload => self.reload().await,
            TakeUp::Restart => {
                self.child.kill().expect("killed");
                self.child.wait().expect("gone");
                self.child = spawn(&self.folder);
                self.until_said("Server is ready", 1).await;
            }
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.join("nats.log")).unwrap_or_default()
    }

    async fn until_said(&self, what: &str, times: usize) {
        let said = || async { self.log().matches(what).count() >= times };
        assert!(wait::until(SOON, said).await, "{}", self.log());
    }

    async fn reload(&self) {
        const RELOADED: &str = "Reloaded server configuration";
        let before = self.log().matches(RELOADED).count();
        let pid = self.child.id().to_string();
        let told = Command::new("kill").args(["-HUP", &pid]).status();
        assert!(told.expect("run").success());
        self.until_said(RELOADED, before + 1).await;
    }

    /// Whether a login succeeds. Spoken by hand: the client library takes the server's own PING, while it
    /// waits for a callout that is not there, for a login that succeeded.
    fn lets_in(&self, seed: &str) -> bool {
        let stream = TcpStream::connect(self.address).expect("a server");
        stream.set_read_timeout(Some(SOON)).expect("set");
        let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
        let info = lines.next().expect("a greeting");
        let info: Value = serde_json::from_str(info.trim_start_matches("INFO ")).expect("json");
        let key = nkeys::KeyPair::from_seed(seed.trim()).expect("a seed");
        let nonce = info["nonce"].as_str().expect("a nonce");
        let signature = key.sign(nonce.as_bytes()).expect("signed");
        let connect = json!({
            "nkey": key.public_key(), "sig": URL_SAFE_NO_PAD.encode(signature),
            "lang": "test", "version": "0", "verbose": false, "pedantic": false, "protocol": 1,
        });
        write!(&stream, "CONNECT {connect}\r\nPING\r\n").expect("sent");
        lines.any(|line| line == "PONG")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(folder: &Path) -> Child {
    let tools = ensure(&[Tool::NatsServer], &mut |_| {}).expect("nats-server");
    let program = tools.path(Tool::NatsServer).expect("nats-server");
    let log = File::create(folder.join("nats.log")).expect("a log");
    let child = Command::new(program)
        .arg("--config")
        .arg(folder.join("nats.conf"))
        .stdin(Stdio::null())
        .stderr(log)
        .spawn();
    child.expect("started")
}

async fn accounts(scene: &Scene) -> String {
    scene.kept(SYSTEM).await[PUBLIC_NAME].1[ACCOUNTS_ENTRY].clone()
}

async fn seed(scene: &Scene, name: Name, ending: &str) -> String {
    let entry = format!("{}{ending}", name.entry());
    scene.kept(SYSTEM).await[name.secret()].1[&entry].clone()
}

/// How a server takes up other accounts.
#[derive(Clone, Copy)]
enum TakeUp {
    Reload,
    Restart,
}

/// Both keys are known, then the next one is used, then the one before is worth nothing. Who does not
/// know a key asks a callout that is not there, which takes a while: asked once.
async fn changed(scene: &Scene, server: &mut Server, name: Name, how: TakeUp) {
    let old = seed(scene, name, "").await;
    assert!(server.lets_in(&old), "{name}\n{}", server.log());
    scene.ensured(&["--rotate", name.as_str()]);
    let new = seed(scene, name, ".next").await;
    server.take_up(how, &accounts(scene).await).await;
    assert!(server.lets_in(&old) && server.lets_in(&new), "{name}");
    scene.ensured(&["--switch", name.as_str()]);
    assert_eq!(seed(scene, name, "").await, new);
    scene.ensured(&["--retire", name.as_str()]);
    server.take_up(how, &accounts(scene).await).await;
    assert!(server.lets_in(&new), "{name}");
    assert!(!server.lets_in(&old), "{name} is good for ever");
}

#[tokio::test(flavor = "multi_thread")]
async fn logins_at_the_bus_are_changed_by_reloads_and_the_callouts_by_a_restart() {
    let scene = Scene::start("secrets-bus").await;
    scene.grant(Role::Rotate).await;
    scene.ensured(&[]);
    let mut server = Server::start(scene.bed.folder(), &accounts(&scene).await);
    server.until_said("Server is ready", 1).await;
    for name in [Name::Operator, Name::Enforcer, Name::System] {
        changed(&scene, &mut server, name, TakeUp::Reload).await;
    }
    // Part of what the server knows of its callout, which it reads at its start only.
    changed(&scene, &mut server, Name::Callout, TakeUp::Restart).await;
}
