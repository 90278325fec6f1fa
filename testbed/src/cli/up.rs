//! `up`: in the foreground until Ctrl-C.

use std::time::Instant;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use fleet_testbed::{Overview, Testbed};
use fleet_tools::Event;
use tokio::signal::unix::{SignalKind, signal};

/// Enough for any chart.
const VOLUMES: u8 = 8;

#[derive(Args)]
pub(super) struct UpArgs {
    /// Name, for `status` and the other commands.
    #[arg(long, default_value = "dev")]
    name: String,
    /// How many devices: dev-1, dev-2, ...
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(0..=200))]
    devices: u8,
    /// Which parts.
    #[arg(long, value_enum, default_value_t = Profile::Walking)]
    profile: Profile,
    /// With a container registry.
    #[arg(long)]
    registry: bool,
    /// With a node that runs pods, and volumes for them; needs root.
    #[arg(long)]
    node: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Profile {
    /// Control plane, bus and devices.
    Walking,
    /// Control plane only.
    ControlPlane,
    /// Bus and devices only.
    Bus,
}

pub(super) fn run(args: &UpArgs) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let outcome = runtime.block_on(up(args));
    // A build of servers that was interrupted is not waited for.
    runtime.shutdown_background();
    outcome
}

async fn up(args: &UpArgs) -> Result<()> {
    // Listened for from the start, so that Ctrl-C during start-up also stops what runs by then.
    let mut stop = Stop::listen().context("cannot listen for signals")?;
    let bed = tokio::select! {
        started = start(args) => started?,
        () = stop.heard() => return Ok(()),
    };
    println!("\nCtrl-C stops everything and removes it.");
    stop.heard().await;
    println!("stopping {}", bed.name());
    drop(bed);
    Ok(())
}

async fn start(args: &UpArgs) -> Result<Testbed> {
    let begin = Instant::now();
    let profile = if args.node {
        fleet_tools::Profile::Node
    } else {
        fleet_tools::Profile::Walking
    };
    tokio::task::spawn_blocking(move || build_tools(profile))
        .await
        .context("cannot build the servers")??;
    let devices = (1..=args.devices).map(|number| format!("dev-{number}"));
    let builder = Testbed::builder(&args.name);
    let builder = match args.profile {
        Profile::Walking => builder.control_plane().nats().devices(devices),
        Profile::ControlPlane => builder.control_plane(),
        Profile::Bus => builder.nats().devices(devices),
    };
    let builder = if args.registry {
        builder.registry()
    } else {
        builder
    };
    let builder = if args.node {
        builder.local_volumes(VOLUMES)
    } else {
        builder
    };
    let bed = builder.start().await?;
    println!(
        "{} is ready after {:.1} s",
        bed.name(),
        begin.elapsed().as_secs_f32()
    );
    for device in bed.devices() {
        println!(
            "  {:<8} ports at {}, podman --url unix://{}",
            device.id(),
            device.host_ip(),
            device.podman_socket().display()
        );
    }
    if let Ok(node) = bed.node() {
        println!("  {:<8} NodePorts at {}", node.name(), node.host_ip());
    }
    println!("\n{}", super::env::lines(&Overview::of(&bed)));
    Ok(bed)
}

/// Everything of the profile at once, `kubectl` included, which only people need.
fn build_tools(profile: fleet_tools::Profile) -> Result<()> {
    let report = &mut |event| {
        if !matches!(event, Event::Ready { .. }) {
            eprintln!("{event}");
        }
    };
    fleet_tools::ensure(profile.tools(), report)?;
    Ok(())
}

/// The signals that end a foreground program.
struct Stop {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    hang_up: tokio::signal::unix::Signal,
}

impl Stop {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    async fn heard(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hang_up.recv() => {}
        }
    }
}
