use std::path::PathBuf;

use clap::Args;
use fleet_devices_core::VmArchitecture;

use super::args::{Target, default_key, default_known_hosts};
use super::setup::{SSH_PASSWORD, SUDO_PASSWORD};
use super::shown::Lines;
use crate::host::{
    ConnectError, HostError, Linux, Local, Planned, Proof, Ssh, SshSettings, Transport,
    TransportError,
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

    /// The private key to log in with. A password is taken from `FLEET_SSH_PASSWORD`, and one for sudo from
    /// `FLEET_SUDO_PASSWORD`
    #[arg(long, value_name = "FILE", default_value_os_t = default_key())]
    identity: PathBuf,

    /// Keys of hosts that are known, as OpenSSH keeps them
    #[arg(long, value_name = "FILE", default_value_os_t = default_known_hosts())]
    known_hosts: PathBuf,

    /// Believe a host that was never seen, and keep its key
    #[arg(long)]
    accept_new_host_key: bool,

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
            let settings = SshSettings {
                proof: match std::env::var(SSH_PASSWORD) {
                    Ok(password) => Proof::Password(password),
                    Err(_) => Proof::Key(args.identity.clone()),
                },
                known_hosts: args.known_hosts.clone(),
                accept_new: args.accept_new_host_key,
                sudo_password: std::env::var(SUDO_PASSWORD).ok(),
            };
            let connected = Ssh::connect(address, &settings).await;
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
    let made = promote(host, args.arch, args.user.as_deref(), &mut Lines::new()).await?;
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
