//! `fleet-auth`: arguments, logs, signals.

use std::io::Write as _;

use anyhow::Context as _;
use clap::Parser as _;
use fleet_auth::args::{CalloutArgs, Cli, Command, LogFormat};
use fleet_auth::bao::args::{ProvisionArgs, ProvisionCommand};
use fleet_auth::enrol::args::{EnrolArgs, TokenCommand, TokenCreateArgs};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Callout(args) => callout(*args),
        Command::Provision(ProvisionCommand::Openbao(args)) => provision_openbao(&args),
        Command::Enrol(args) => enrol(*args),
        Command::Token(TokenCommand::Create(args)) => create_token(&args),
    }
}

#[tokio::main]
async fn enrol(args: EnrolArgs) -> anyhow::Result<()> {
    init_logs(args.log_format);
    install_provider()?;
    let stop = CancellationToken::new();
    stop_on_signals(&stop)?;
    fleet_auth::enrol::run(args, stop).await?;
    Ok(())
}

/// The token alone goes to standard output, so that it can be piped to where it is needed.
#[tokio::main]
async fn create_token(args: &TokenCreateArgs) -> anyhow::Result<()> {
    install_provider()?;
    let token = fleet_auth::enrol::create_token(args).await?;
    let mut out = std::io::stdout();
    writeln!(out, "{token}").context("failed to print the token")?;
    Ok(())
}

/// One line for each thing, on standard output.
#[tokio::main]
async fn provision_openbao(args: &ProvisionArgs) -> anyhow::Result<()> {
    init_logs(LogFormat::Text);
    install_provider()?;
    let steps = fleet_auth::bao::run_provision(args).await?;
    let mut out = std::io::stdout();
    for step in steps {
        writeln!(out, "{step}").context("failed to print what was done")?;
    }
    Ok(())
}

#[tokio::main]
async fn callout(args: CalloutArgs) -> anyhow::Result<()> {
    init_logs(args.log_format);
    install_provider()?;
    let stop = CancellationToken::new();
    stop_on_signals(&stop)?;
    fleet_auth::run(args, stop).await?;
    Ok(())
}

fn install_provider() -> anyhow::Result<()> {
    let installed = rustls::crypto::aws_lc_rs::default_provider().install_default();
    installed.map_err(|_| anyhow::anyhow!("another TLS provider is installed already"))
}

fn init_logs(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Text => logs.with_ansi(false).init(),
        LogFormat::Json => logs.json().flatten_event(true).init(),
    }
}

fn stop_on_signals(stop: &CancellationToken) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("failed to listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("failed to listen for SIGINT")?;
    let stop = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        stop.cancel();
    });
    Ok(())
}
