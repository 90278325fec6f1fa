//! The whole platform with two devices, to play with (`fleet-demo`) or to check (`--auto`).

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context as _;
use clap::{Parser, ValueEnum};
use fleet_devices_core::VmArchitecture;
use fleet_e2e::cluster::{Context, ImageName};
use fleet_e2e::identity::ChainOptions;
use fleet_e2e::machines::{self, Machines, Making};
use fleet_e2e::menu::Guests;
use fleet_e2e::platform::{Login, Place, Wanted};
use fleet_e2e::{Platform, menu, regression};
use fleet_testbed::Node;
use fleet_tools::Tool;

/// The devices that are virtual machines.
const MACHINES: [&str; 1] = ["vm-1"];
/// The device that the user may approve.
const GUEST: &str = "dev-3";

/// Starts the whole platform with two devices on this machine and stops it on Ctrl-C.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// Run the regression instead of waiting for a person: apply, upgrade, move, power cut, delete.
    #[arg(long)]
    auto: bool,
    /// The testbed's name.
    #[arg(long, default_value = "demo")]
    name: String,
    /// Which cluster the operator is installed into.
    #[arg(long, value_enum, default_value_t = ClusterChoice::Own)]
    cluster: ClusterChoice,
    /// The operator's image where the nodes of the current context find it, as REGISTRY/NAME:TAG;
    /// kind, k3d and minikube get it by themselves.
    #[arg(long, value_parser = parse_image)]
    image: Option<ImageName>,
    /// Install into the current context without asking.
    #[arg(long)]
    yes: bool,
    /// What the devices are.
    #[arg(long, value_enum, default_value_t = Devices::Podman)]
    devices: Devices,
    /// The processor of virtual machines: `x86_64` or `aarch64`.
    #[arg(long, default_value = "x86_64")]
    arch: VmArchitecture,
    /// The disk image of virtual machines.
    #[arg(long, required_if_eq("devices", "vm"))]
    vm_image: Option<PathBuf>,
    /// The agent for virtual machines, static and built for their processor.
    #[arg(long, required_if_eq("devices", "vm"))]
    agent: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Devices {
    /// Containers of podman on this machine
    Podman,
    /// Virtual machines, set up over SSH; takes minutes where they have to be emulated
    Vm,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ClusterChoice {
    /// One of the demo's own, with a node, where that can be (as root); else none
    Own,
    /// None: the operator is a process beside an API server without nodes
    None,
    /// That of the current kubeconfig context. Asks first, and leaves it as it was
    Current,
}

fn parse_image(text: &str) -> Result<ImageName, String> {
    ImageName::parse(text).ok_or_else(|| "REGISTRY/NAME:TAG is expected".to_owned())
}

#[tokio::main]
async fn main() -> ExitCode {
    match Box::pin(run(&Args::parse())).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: &Args) -> anyhow::Result<()> {
    let context = match args.cluster {
        ClusterChoice::Own | ClusterChoice::None => None,
        ClusterChoice::Current => {
            let context = Context::current()?;
            anyhow::ensure!(args.yes || consents(&context)?, "nothing was done");
            Some(context)
        }
    };
    let start = Instant::now();
    let say = |step: &str| println!("[{:6.1} s] {step}", start.elapsed().as_secs_f64());
    let interrupted = tokio::signal::ctrl_c();
    tokio::pin!(interrupted);
    let place = place(args, context.as_ref(), say);
    let platform = tokio::select! {
        started = start_platform(args, place, say) => started?,
        // What is half installed in the user's cluster is taken away when starting is over.
        _ = &mut interrupted, if context.is_none() => {
            say("interrupted");
            return Ok(());
        }
    };
    say(match args.devices {
        Devices::Podman => "ready",
        Devices::Vm => "the platform is up, and devices may come",
    });
    let played = tokio::select! {
        played = play_on(args, &platform, say) => played,
        _ = &mut interrupted => {
            say("stopping");
            if args.auto { Err(anyhow::anyhow!("interrupted")) } else { Ok(()) }
        }
    };
    if context.is_some() {
        platform
            .leave(say)
            .await
            .context("the cluster is not as it was before")?;
    }
    played
}

async fn play_on(args: &Args, platform: &Platform, say: impl Fn(&str)) -> anyhow::Result<()> {
    match args.devices {
        Devices::Podman => play(args, platform, say).await,
        Devices::Vm => play_on_machines(args, platform, say).await,
    }
}

async fn play_on_machines(
    args: &Args,
    platform: &Platform,
    say: impl Fn(&str),
) -> anyhow::Result<()> {
    let making = Making {
        architecture: args.arch,
        image: args.vm_image.clone().context("--vm-image is missing")?,
        agent: args.agent.clone().context("--agent is missing")?,
    };
    let machines = Machines::start(platform, making, &MACHINES, &say).await?;
    if args.auto {
        let played = machines::regression(&machines, &say).await;
        machines.delete().await?;
        played.context("the regression failed")?;
        say("everything worked");
        return Ok(());
    }
    println!("{}", menu::machines(&machines, &binaries()?, &kubectl()?)?);
    println!("Ctrl-C stops everything.");
    std::future::pending().await
}

async fn play(args: &Args, platform: &Platform, say: impl Fn(&str)) -> anyhow::Result<()> {
    if args.auto {
        regression::run(platform, &say)
            .await
            .context("the regression failed")?;
        say("everything worked");
        return Ok(());
    }
    say(&format!("{GUEST} asks to join, and waits for a decision"));
    let guest = platform.bed.add_device(GUEST).await?;
    let identity = platform.identity()?;
    let waits = identity.ask(&guest).await?;
    let [_, member] = regression::DEVICES;
    let belongs = identity.enrolment_of(member).await?.unwrap_or_default();
    let guests = Guests {
        member: (member.to_owned(), belongs),
        waiting: (GUEST.to_owned(), waits),
    };
    println!(
        "{}",
        menu::menu(platform, &binaries()?, &kubectl()?, &guests)?
    );
    println!("Ctrl-C stops everything.");
    platform.welcome(GUEST).await?;
    say(&format!("{GUEST} is enrolled, and its agent runs"));
    std::future::pending().await
}

/// Where the operator can run, and why not better.
fn place<'a>(args: &'a Args, context: Option<&'a Context>, say: impl Fn(&str)) -> Place<'a> {
    if let Some(context) = context {
        return Place::Current(context, args.image.as_ref());
    }
    if args.cluster == ClusterChoice::None {
        return Place::Process;
    }
    match Node::supported() {
        Ok(()) => Place::Pod,
        Err(why) => {
            say(&format!("the operator will be a process, not a pod: {why}"));
            Place::Process
        }
    }
}

fn consents(context: &Context) -> anyhow::Result<bool> {
    print!(
        "The demo installs fleet-platform's operator and definitions into the cluster of context {:?}\n({}), and \
         removes them at its end. Go on? [y/N] ",
        context.name, context.server
    );
    std::io::stdout().flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

async fn start_platform(
    args: &Args,
    operator: Place<'_>,
    say: impl Fn(&str),
) -> Result<Platform, fleet_e2e::Error> {
    let devices: &[&str] = match args.devices {
        Devices::Podman => &regression::DEVICES,
        // They join once the platform runs.
        Devices::Vm => &[],
    };
    let wanted = Wanted {
        name: &args.name,
        devices,
        heartbeat: None,
        operator,
        login: Login::Chain(ChainOptions::default()),
    };
    let platform = Platform::start_wanted(wanted, &say).await?;
    if !args.auto && !devices.is_empty() {
        say("labelling both devices site=here");
        for device in devices {
            platform.label(device, "site", Some("here")).await?;
        }
    }
    Ok(platform)
}

fn binaries() -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe().context("failed to find this program's folder")?;
    Ok(program.parent().map(PathBuf::from).unwrap_or_default())
}

fn kubectl() -> anyhow::Result<PathBuf> {
    let toolbox = fleet_tools::ensure(&[Tool::Kubectl], &mut |_| {})?;
    Ok(toolbox
        .path(Tool::Kubectl)
        .map(PathBuf::from)
        .unwrap_or_default())
}
