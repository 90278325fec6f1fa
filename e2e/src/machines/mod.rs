//! Virtual machines as devices of the demo, made as a user makes them: each step is a command of
//! `fleet-devices`, and the agent runs inside.

mod guest;
mod regression;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fleet_devices_core::VmArchitecture;
use fleet_files::dirs::{self, Dirs};
use fleet_files::private;
use futures::future::try_join_all;
use serde::{Deserialize, Serialize};

use crate::command::Command;
use crate::{Error, Platform};

pub use guest::accelerator;
pub use regression::{Played, run as regression};

/// The port of a machine that the workstation reaches.
pub const PORT: u16 = 8080;
/// The label that the demo's Deployment selects, and that machines carry from the beginning.
const LABEL: &str = "site=here";

/// What machines are made of.
#[derive(Debug, Clone)]
pub struct Making {
    /// Their processor.
    pub architecture: VmArchitecture,
    /// The disk image to begin with.
    pub image: PathBuf,
    /// The agent, built for that processor.
    pub agent: PathBuf,
}

/// Machines that are devices of a platform.
pub struct Machines<'a> {
    platform: &'a Platform,
    making: Making,
    /// Where `fleet-devices` keeps what it makes: with the testbed's files, and gone with them.
    home: PathBuf,
    all: Vec<Machine>,
}

/// One of them.
#[derive(Debug, Clone)]
pub struct Machine {
    /// The device's id, and the machine's name.
    pub id: String,
    /// Where [`PORT`] of the machine answers on this one.
    pub address: SocketAddr,
    /// What making it took.
    pub made: Made,
}

/// What making a device of nothing took.
#[derive(Debug, Clone, Default)]
pub struct Made {
    /// From nothing until the first boot was over.
    pub boot: Duration,
    /// From then on until it was Reachable.
    pub setup: Duration,
    /// What `fleet-devices setup` says of its steps.
    pub steps: Vec<Step>,
    /// The demo's images, into its store.
    pub images: Duration,
}

/// A step of a set-up.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct Step {
    /// What it makes sure of.
    pub what: String,
    /// How long that took.
    pub seconds: f64,
}

/// What `fleet-devices setup -o json` prints.
#[derive(Deserialize)]
struct Outcomes {
    hosts: Vec<Outcome>,
}

#[derive(Deserialize)]
struct Outcome {
    steps: Vec<Step>,
}

impl<'a> Machines<'a> {
    /// Makes a device of each of these ids, from nothing to Reachable, one after the other: an emulated machine
    /// keeps a processor busy while it boots.
    ///
    /// # Errors
    /// When a command fails.
    pub async fn start(
        platform: &'a Platform,
        making: Making,
        ids: &[&str],
        progress: impl Fn(&str),
    ) -> Result<Self, Error> {
        let home = platform.bed.make_folder("machines")?;
        let mut machines = Self {
            platform,
            making,
            home,
            all: vec![],
        };
        for id in ids {
            progress(&format!(
                "{id}: a virtual machine, {}",
                machines.making.architecture
            ));
            let begun = Instant::now();
            machines.create(id).await?;
            let up = begun.elapsed();
            progress(&format!("{id}: set up over SSH, and enrolled"));
            let steps = machines.join(id).await?;
            let joined = begun.elapsed();
            progress(&format!("{id}: the demo's images into its store"));
            guest::load_images(&machines, id).await?;
            if let Some(machine) = machines.all.last_mut() {
                machine.made = Made {
                    boot: up,
                    setup: joined.saturating_sub(up),
                    steps,
                    images: begun.elapsed().saturating_sub(joined),
                };
            }
        }
        Ok(machines)
    }

    /// All of them.
    pub fn all(&self) -> &[Machine] {
        &self.all
    }

    /// The platform whose devices they are.
    pub const fn platform(&self) -> &Platform {
        self.platform
    }

    /// How long a boot may take, and what follows on it.
    pub fn patience(&self) -> Duration {
        match self.making.architecture {
            VmArchitecture::X86_64 => Duration::from_secs(600),
            VmArchitecture::Aarch64 => Duration::from_secs(1800),
        }
    }

    /// Cuts the power of a machine, and starts it again without waiting for it.
    ///
    /// # Errors
    /// When the command fails.
    pub async fn power_cycle(&self, id: &str) -> Result<(), Error> {
        let cycle = ["vm", "power-cycle", id, "--no-wait"];
        self.command()?.args(cycle).run().await.map(drop)
    }

    /// Removes all of them, with their disks.
    ///
    /// # Errors
    /// When a command fails; the others are removed all the same.
    pub async fn delete(&self) -> Result<(), Error> {
        let each = self.all.iter().map(|machine| async {
            let delete = ["vm", "delete", &machine.id];
            self.command()?.args(delete).run().await
        });
        try_join_all(each).await.map(drop)
    }

    async fn create(&mut self, id: &str) -> Result<(), Error> {
        let port = free_port()?;
        let forward = format!("{port}:{PORT}");
        // Before it is made: whatever happens, it is to be removed.
        self.all.push(Machine {
            id: id.to_owned(),
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            made: Made::default(),
        });
        let create = self.command()?.args(["vm", "create", id]);
        let create = create.path("--image", &self.making.image);
        let create = create.args(["--arch", self.making.architecture.uname()]);
        let create = create.args(["--forward", &forward]);
        create.run().await.map(drop)
    }

    /// `setup` asks for the device, and ends when it is Reachable; meanwhile somebody approves.
    async fn join(&self, id: &str) -> Result<Vec<Step>, Error> {
        let identity = self.platform.identity()?;
        let token = identity.token(&["--device-id", id]).await?;
        let token_file = self.home.join(format!("{id}.token"));
        let written = private::replace(&token_file, token.as_bytes());
        written.map_err(|error| {
            Error::Unexpected(format!("cannot write {}: {error}", token_file.display()))
        })?;
        let (address, known_hosts) = guest::way(self, id).await?;
        let setup = self.command()?;
        let setup = setup.args(["setup", "-o", "json", "--host", &address]);
        let key = Dirs::below(&self.home).keys().join("id_ed25519");
        let setup = setup.path("--identity", &key);
        let setup = setup.args(["--known-hosts", &known_hosts]);
        let setup = setup.path("--agent", &self.making.agent);
        let setup = setup.args(["--enrol-url", &identity.enrolment.url()]);
        let setup = setup.path("--enrol-ca-file", identity.enrolment.ca_file());
        let setup = setup.path("--enrol-token-file", &token_file);
        let setup = setup.args(["--device-id", id, "--label", LABEL]);
        let seconds = self.patience().as_secs().to_string();
        let setup = setup.args(["--timeout", &seconds]);
        let setup = setup.cluster(self.platform.kubeconfig());
        let (said, ()) = tokio::try_join!(setup.run(), self.approve(id))?;
        let outcomes: Outcomes = serde_json::from_str(&said)
            .map_err(|error| Error::Unexpected(format!("setup -o json: {error}")))?;
        let hosts = outcomes.hosts.into_iter();
        Ok(hosts.flat_map(|host| host.steps).collect())
    }

    async fn approve(&self, id: &str) -> Result<(), Error> {
        let identity = self.platform.identity()?;
        let name = identity.wait_asked(id, self.patience()).await?;
        identity.approve(&name).await
    }

    fn command(&self) -> Result<Command, Error> {
        let (mark, folder) = self.platform.bed.mark();
        let home = self.home.display().to_string();
        let command = Command::ours("fleet-devices")?.env(dirs::HOME, home);
        // What is left of it when the demo is killed is found by this.
        Ok(command.env(mark, folder.display().to_string()))
    }

    /// Where `fleet-devices` keeps what it makes.
    pub fn home(&self) -> &Path {
        &self.home
    }
}

/// One that is free now; QEMU takes it within the second.
fn free_port() -> Result<u16, Error> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let address = listener.and_then(|listener| listener.local_addr());
    let address =
        address.map_err(|error| Error::Unexpected(format!("no port is free: {error}")))?;
    Ok(address.port())
}
