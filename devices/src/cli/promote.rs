use clap::Args;
use fleet_devices_core::VmArchitecture;

use super::login::LoginArgs;
use super::shown::Lines;
use crate::host::{HostError, Linux, Target};
use crate::kvm::{Promotion, promote};

/// What makes a host of virtual machines of a host.
#[derive(Debug, Args)]
pub struct PromoteArgs {
    /// The host: user@address, user@address:port; `local` is this machine
    #[arg(long, value_name = "USER@ADDRESS[:PORT]")]
    host: Target,

    /// The processor of the virtual machines
    #[arg(long, value_name = "ARCH", default_value = std::env::consts::ARCH)]
    arch: VmArchitecture,

    /// A user of the host who may ask libvirt for virtual machines, beside root
    #[arg(long, value_name = "USER")]
    user: Option<String>,

    /// How to log in.
    #[command(flatten)]
    login: LoginArgs,

    /// Only look, and say what would be changed
    #[arg(long)]
    plan: bool,
}

pub(super) async fn run(args: &PromoteArgs) -> Result<(), HostError> {
    let way = args.host.reach(&args.login.settings(), args.plan).await?;
    let host = Linux::meet(way).await?;
    let name = host.name();
    let lines = Lines::of(&name);
    let made = promote(host, args.arch, args.user.as_deref(), &lines).await?;
    lines.say(&match made {
        Promotion::Promoted(machine, changes) => {
            let (connection, guests) = (machine.connection(), args.arch);
            format!("{name}: {changes} changed; runs {guests} guests at {connection}")
        }
        Promotion::Planned(_, changes) => {
            format!("{name}: {changes} to change, and what follows from that")
        }
    });
    Ok(())
}
