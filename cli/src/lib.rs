//! The command line of the fleet: `fleet`, also as `kubectl fleet`.
//!
//! It writes Deployments, and shows devices, deployments, plans and the buckets on the bus; it checks
//! clusters, saves and restores what they keep; it logs people in. It must never do anything that
//! `kubectl` with the same kubeconfig could not: it holds no rights of its own.
//!
//! Each command is a folder: a core without I/O decides (the object to apply, the plan, the text to
//! show), and the folder's `mod.rs` is the thin async shell around it.

pub mod args;
pub mod authentication;
pub mod backup;
pub mod decide;
pub mod deploy;
pub mod describe;
pub mod doctor;
pub mod document;
pub mod file;
pub mod get;
pub mod keys;
pub mod kv;
pub mod login;
pub mod output;
pub mod plan;
pub mod resource;
pub mod selector;
pub mod trace;

mod completion;

pub use fleet_cluster as cluster;

use std::error::Error as StdError;
use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _};

use args::{Cli, Command};
use fleet_api::Decision;
use output::OutputError;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
enum CliError {
    #[error(transparent)]
    Authentication(#[from] authentication::AuthenticationError),
    #[error(transparent)]
    Backup(#[from] backup::BackupError),
    #[error(transparent)]
    Decide(#[from] decide::DecideError),
    #[error(transparent)]
    Deploy(#[from] deploy::DeployError),
    #[error(transparent)]
    Doctor(#[from] doctor::DoctorError),
    #[error(transparent)]
    Get(#[from] get::GetError),
    #[error(transparent)]
    Describe(#[from] describe::DescribeError),
    #[error(transparent)]
    Kv(#[from] kv::KvError),
    #[error(transparent)]
    Keys(#[from] keys::KeysError),
    #[error(transparent)]
    Login(#[from] login::LoginError),
    #[error(transparent)]
    Plan(#[from] plan::PlanError),
    #[error(transparent)]
    Trace(#[from] trace::TraceError),
    #[error(transparent)]
    Output(#[from] OutputError),
    #[error("cannot start the asynchronous runtime")]
    Runtime(#[source] io::Error),
}

/// The exit code of a failure and, as kubectl has it, of wrong usage.
const FAILED: u8 = 1;
/// `fleet plan --detailed-exitcode`: it would change something, as terraform has it.
const CHANGES: u8 = 2;
/// `fleet doctor`, whose 1 says that it found an error: it was wrongly used.
const MISUSED: u8 = 2;

/// The program: parses the arguments, runs the command, prints what failed.
pub fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    if arguments
        .get(1)
        .is_some_and(|first| first == completion::HIDDEN)
    {
        return exit(completion::complete(
            &command(&arguments),
            arguments.get(2..).unwrap_or(&[]),
        ));
    }
    let parsed = command(&arguments)
        .try_get_matches_from(&arguments)
        .and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => {
            // A closed standard error leaves nobody to tell.
            let _ = error.print();
            return if error.use_stderr() {
                ExitCode::from(usage_code(&arguments))
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    match run(&cli, &arguments) {
        Ok(code) => code,
        Err(error) => report(&error),
    }
}

/// The parser, called as the program was: `fleet` or `kubectl fleet`.
fn command(arguments: &[OsString]) -> clap::Command {
    let program = arguments
        .first()
        .and_then(|path| Path::new(path).file_stem());
    if program.is_some_and(|name| name == "kubectl-fleet") {
        Cli::command().bin_name("kubectl fleet")
    } else {
        Cli::command()
    }
}

/// The exit code of wrong usage, which depends on the command that was meant.
fn usage_code(arguments: &[OsString]) -> u8 {
    let lenient = command(arguments).ignore_errors(true);
    let meant = lenient.try_get_matches_from(arguments).ok();
    match meant.as_ref().and_then(clap::ArgMatches::subcommand_name) {
        Some("doctor") => MISUSED,
        _ => FAILED,
    }
}

fn run(cli: &Cli, arguments: &[OsString]) -> Result<ExitCode, CliError> {
    match &cli.command {
        Command::Version => output::emit(format!("fleet {}\n", env!("CARGO_PKG_VERSION")))?,
        Command::Keys(command) => keys::run(command)?,
        Command::AuthenticationConfig(args) => authentication::run(args)?,
        Command::Completion(args) => {
            output::emit(completion::script(command(arguments), args.shell))?;
        }
        command => {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(CliError::Runtime)?;
            return runtime.block_on(run_async(cli, command));
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn run_async(cli: &Cli, command: &Command) -> Result<ExitCode, CliError> {
    match command {
        Command::Deploy(args) => deploy::run(&cli.cluster, args).await?,
        Command::Get(args) => get::run(&cli.cluster, args).await?,
        Command::Approve(args) => decide::run(&cli.cluster, args, Decision::Approved).await?,
        Command::Deny(args) => decide::run(&cli.cluster, args, Decision::Denied).await?,
        Command::Describe(args) => describe::run(&cli.cluster, args).await?,
        Command::Plan(args) => {
            let outcome = plan::run(&cli.cluster, args).await?;
            if args.detailed_exitcode && outcome == plan::Outcome::Changes {
                return Ok(ExitCode::from(CHANGES));
            }
        }
        Command::Doctor(args) => {
            if Box::pin(doctor::run(&cli.cluster, args))
                .await?
                .has_errors()
            {
                return Ok(ExitCode::from(FAILED));
            }
        }
        Command::Trace(args) => trace::run(&cli.cluster, args).await?,
        Command::Backup(args) => backup::backup(&cli.cluster, args).await?,
        Command::Restore(args) => backup::restore(&cli.cluster, args).await?,
        Command::Login(args) => login::login(&cli.cluster, args).await?,
        Command::Token(args) => login::token(&cli.cluster, args).await?,
        Command::Logout(args) => login::logout(&cli.cluster, args).await?,
        Command::Kv(command) => kv::run(command).await?,
        // Answered before the runtime was started.
        Command::Version
        | Command::Completion(_)
        | Command::Keys(_)
        | Command::AuthenticationConfig(_) => {}
    }
    Ok(ExitCode::SUCCESS)
}

fn exit(result: Result<(), OutputError>) -> ExitCode {
    result.map_or_else(|error| report(&error), |()| ExitCode::SUCCESS)
}

/// Prints the error and its causes; a closed pipe (`fleet get | head`) is none.
fn report(error: &(dyn StdError + 'static)) -> ExitCode {
    let mut text = format!("error: {error}");
    let mut last = error;
    while let Some(source) = last.source() {
        if let Some(io) = source.downcast_ref::<io::Error>()
            && io.kind() == io::ErrorKind::BrokenPipe
        {
            return ExitCode::SUCCESS;
        }
        // Transparent layers, and libraries that repeat their source, say nothing new.
        let cause = source.to_string();
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
        last = source;
    }
    eprintln!("{text}");
    ExitCode::from(FAILED)
}
