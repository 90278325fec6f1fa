use clap::Args;
use fleet_devices_core::VmArchitecture;

use super::login::LoginArgs;
use super::shown::Lines;
use crate::host::{
    ConnectError, HostError, Linux, Local, Planned, Ssh, Target, Transport, TransportError,
};
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
    match &args.host {
        Target::Local => {
            let sudo = !rustix::process::geteuid().is_root();
            on(Local { sudo }, args).await
        }
        Target::Remote(address) => {
            let connected = Ssh::connect(address, &args.login.settings()).await;
            let refused = |error: ConnectError| TransportError::from(error);
            on(connected.map_err(refused)?, args).await
        }
    }
}

async fn on<T: Transport>(transport: T, args: &PromoteArgs) -> Result<(), HostError> {
    if args.plan {
        on_host(Planned(transport), args).await
    } else {
        on_host(transport, args).await
    }
}

async fn on_host<T: Transport>(transport: T, args: &PromoteArgs) -> Result<(), HostError> {
    let host = Linux::meet(transport).await?;
    let name = host.name();
    let made = promote(host, args.arch, args.user.as_deref(), &Lines::new()).await?;
    match made {
        Promotion::Promoted(machine, changes) => {
            let (connection, guests) = (machine.connection(), args.arch);
            println!("{name}: {changes} changed; runs {guests} guests at {connection}");
        }
        Promotion::Planned(_, changes) => {
            println!("{name}: {changes} to change, and what follows from that");
        }
    }
    Ok(())
}
