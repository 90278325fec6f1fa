use fleet_cluster::{Cluster, ClusterFlags};
use fleet_devices_core::host::Removal;

use super::login::LoginArgs;
use super::setup::{Failure, Format};
use super::view::View;
use crate::host::{
    ConnectError, HostError, Linux, Local, Outcome, Planned, Ssh, Target, Transport, TransportError,
};
use crate::setup::{Event, Progress, Removed, SetupError, forget, remove};

/// What takes a device away.
#[derive(Debug, clap::Args)]
pub struct RemoveArgs {
    /// The host: user@address, user@address:port; `local` is this machine
    #[arg(long, value_name = "USER@ADDRESS[:PORT]")]
    pub host: Target,

    /// Leave the user with its home: identity, ledger, images. A later `setup` goes on as the same device
    #[arg(long)]
    pub keep_data: bool,

    /// Delete the Device in the cluster, too. Its enrolment stays: `fleet deny` takes its access away
    #[arg(long, conflicts_with = "keep_data")]
    pub delete_device: bool,

    /// Only look, and say what would go
    #[arg(long)]
    pub plan: bool,

    /// How to log in.
    #[command(flatten)]
    pub login: LoginArgs,

    /// Where the Device is.
    #[command(flatten)]
    pub cluster: ClusterFlags,
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        HostError::from(TransportError::from(error)).into()
    }
}

impl From<HostError> for Failure {
    fn from(error: HostError) -> Self {
        SetupError::from(error).into()
    }
}

/// One host is told of as in a set-up.
struct Told(View, std::sync::Mutex<std::time::Instant>);

impl Progress for Told {
    fn begins(&self, what: &str) {
        *self
            .1
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = std::time::Instant::now();
        self.0.show(0, &Event::Begins(what));
    }

    fn says(&self, line: &str) {
        self.0.show(0, &Event::Says(line));
    }

    fn ended(&self, what: &str, outcome: &Outcome) {
        let begun = *self
            .1
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        self.0
            .show(0, &Event::Ended(what, outcome, begun.elapsed()));
    }
}

pub(super) async fn run(args: &RemoveArgs) -> Result<(), Failure> {
    // What was named has to be usable before anything goes.
    let cluster = if args.delete_device {
        let connected = Cluster::connect(&args.cluster).await;
        Some(connected.map_err(Failure::Device)?)
    } else {
        None
    };
    let removed = match &args.host {
        Target::Local => {
            let sudo = !rustix::process::geteuid().is_root();
            by(Local { sudo }, args).await?
        }
        Target::Remote(address) => {
            by(Ssh::connect(address, &args.login.settings()).await?, args).await?
        }
    };
    let (name, verb) = (&args.host, if args.plan { "to go" } else { "gone" });
    println!("{name}: {} {verb}; packages stay", removed.changes);
    match (removed.device, cluster) {
        (Some(device), Some(_)) if args.plan => println!("Device {device} to go"),
        (Some(device), Some(cluster)) => {
            let found = forget(&cluster, &device).await?;
            let word = if found { "gone" } else { "was not there" };
            println!(
                "Device {device} {word}; its enrolment stays: `fleet get enrolments`, `fleet deny`"
            );
        }
        (None, Some(_)) => println!(
            "{name} has no identity (any more), so no Device was deleted; by its name: kubectl delete device"
        ),
        (Some(device), None) if !args.keep_data => {
            println!(
                "its Device {device} stays: --delete-device, or `kubectl delete device {device}`"
            );
        }
        (_, None) => {}
    }
    Ok(())
}

async fn by<T: Transport>(transport: T, args: &RemoveArgs) -> Result<Removed, Failure> {
    if args.plan {
        on(Planned(transport), args).await
    } else {
        on(transport, args).await
    }
}

async fn on<T: Transport>(transport: T, args: &RemoveArgs) -> Result<Removed, Failure> {
    let host = Linux::meet(transport).await?;
    let names = [host.name()];
    let view = View::new(&names, false, Format::Text, args.plan);
    view.show(
        0,
        &Event::Met(format!("{}, {}", host.distribution, host.architecture)),
    );
    let removal = if args.keep_data {
        Removal::KeepData
    } else {
        Removal::Everything
    };
    let told = Told(view, std::sync::Mutex::new(std::time::Instant::now()));
    Ok(remove(&host, removal, &told).await?)
}
