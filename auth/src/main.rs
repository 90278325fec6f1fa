//! `fleet-auth`: which of its commands to run.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;
use fleet_auth::args::{CalloutArgs, Cli, Command};
use fleet_auth::bao::args::{ProvisionArgs, ProvisionCommand};
use fleet_auth::enrol::args::{EnrolArgs, TokenCommand, TokenCreateArgs};
use fleet_auth::secrets::args::{EnsureArgs, SecretsCommand};
use fleet_service::LogFormat;
use fleet_service::start::{install_tls_provider, stop_on_signals};

fn main() -> ExitCode {
    let command = Cli::parse().command;
    fleet_service::ended(run(command))
}

fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Callout(args) => callout(*args),
        Command::Provision(ProvisionCommand::Openbao(args)) => provision_openbao(&args),
        Command::Provision(ProvisionCommand::Zitadel(args)) => provision_zitadel(&args),
        Command::Secrets(SecretsCommand::Ensure(args)) => ensure_secrets(&args),
        Command::Enrol(args) => enrol(*args),
        Command::Token(TokenCommand::Create(args)) => create_token(&args),
    }
}

#[tokio::main]
async fn enrol(args: EnrolArgs) -> anyhow::Result<()> {
    args.log_format.init();
    install_tls_provider()?;
    fleet_auth::enrol::run(args, stop_on_signals()?).await?;
    Ok(())
}

/// The token alone goes to standard output, so that it can be piped to where it is needed.
#[tokio::main]
async fn create_token(args: &TokenCreateArgs) -> anyhow::Result<()> {
    install_tls_provider()?;
    let token = fleet_auth::enrol::create_token(args).await?;
    let mut out = std::io::stdout();
    writeln!(out, "{token}").context("failed to print the token")?;
    Ok(())
}

/// One line for each thing, on standard output.
#[tokio::main]
async fn provision_openbao(args: &ProvisionArgs) -> anyhow::Result<()> {
    LogFormat::Text.init();
    install_tls_provider()?;
    let steps = fleet_auth::bao::run_provision(args).await?;
    let mut out = std::io::stdout();
    for step in steps {
        writeln!(out, "{step}").context("failed to print what was done")?;
    }
    Ok(())
}

/// One line for each thing, as soon as it is so, with the ids that others have to be told. It may wait for
/// long, and the first process of a container hears no signal that it does not listen for.
#[tokio::main]
async fn provision_zitadel(args: &fleet_auth::zitadel::args::ProvisionArgs) -> anyhow::Result<()> {
    LogFormat::Text.init();
    install_tls_provider()?;
    let stop = stop_on_signals()?;
    let mut tell = fleet_auth::steps::print;
    tokio::select! {
        done = fleet_auth::zitadel::run(args, &mut tell) => drop(done?),
        () = stop.cancelled() => anyhow::bail!("stopped before it was done"),
    }
    Ok(())
}

/// One line for each thing, as soon as it is so: whoever kills this sees how far it came.
#[tokio::main]
async fn ensure_secrets(args: &EnsureArgs) -> anyhow::Result<()> {
    LogFormat::Text.init();
    install_tls_provider()?;
    fleet_auth::secrets::ensure(args, &mut fleet_auth::steps::print).await?;
    Ok(())
}

#[tokio::main]
async fn callout(args: CalloutArgs) -> anyhow::Result<()> {
    args.log_format.init();
    install_tls_provider()?;
    fleet_auth::run(args, stop_on_signals()?).await?;
    Ok(())
}
