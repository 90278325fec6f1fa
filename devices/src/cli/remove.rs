use fleet_cluster::{Cluster, ClusterFlags};
use fleet_devices_core::host::Removal;

use super::login::LoginArgs;
use super::setup::Failure;
use super::shown::Lines;
use crate::host::{HostError, Linux, Target};
use crate::setup::{SetupError, forget, remove};

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

impl From<HostError> for Failure {
    fn from(error: HostError) -> Self {
        SetupError::from(error).into()
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
    let way = args.host.reach(&args.login.settings(), args.plan).await?;
    let host = Linux::meet(way).await?;
    let lines = Lines::of(&host.name());
    lines.met(format!("{}, {}", host.distribution, host.architecture));
    let removal = if args.keep_data {
        Removal::KeepData
    } else {
        Removal::Everything
    };
    let removed = remove(&host, removal, &lines).await?;
    let (name, verb) = (&args.host, if args.plan { "to go" } else { "gone" });
    let gone = removed.changes;
    lines.say(&format!("{name}: {gone} {verb}; packages stay"));
    match (removed.device, cluster) {
        (Some(device), Some(_)) if args.plan => lines.say(&format!("Device {device} to go")),
        (Some(device), Some(cluster)) => {
            let found = forget(&cluster, &device).await?;
            let word = if found { "gone" } else { "was not there" };
            lines.say(&format!(
                "Device {device} {word}; its enrolment stays: `fleet get enrolments`, `fleet deny`"
            ));
        }
        (None, Some(_)) => lines.say(&format!(
            "{name} has no identity (any more), so no Device was deleted; by its name: kubectl delete device"
        )),
        (Some(device), None) if !args.keep_data => lines.say(&format!(
            "its Device {device} stays: --delete-device, or `kubectl delete device {device}`"
        )),
        (_, None) => {}
    }
    Ok(())
}
