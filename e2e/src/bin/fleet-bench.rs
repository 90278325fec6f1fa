//! Benchmarks over the whole platform. The last line of output is JSON.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Parser, Subcommand};
use fleet_e2e::bench;
use fleet_e2e::bench::agent::Credentials;

/// Measures the platform on this machine; the last line printed is JSON.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Memory, processor time and size of an idle agent with one container.
    Agent {
        /// How long to watch it, in seconds.
        #[arg(long, default_value_t = 600)]
        seconds: u64,
        /// Log in with a static key instead of tokens, for comparison.
        #[arg(long)]
        static_key: bool,
    },
    /// An agent that works for hours: whether it takes more in the end than in the beginning.
    Soak {
        /// How long, in seconds.
        #[arg(long, default_value_t = 7_200)]
        seconds: u64,
        /// From one change or killed container to the next, in seconds.
        #[arg(long, default_value_t = 20)]
        pause: u64,
    },
    /// Logins: verdicts of the auth callout, a fleet that comes back, a device that is denied.
    Callout {
        /// How many devices connect, lose the bus, and come back.
        #[arg(long, default_value_t = 10_000)]
        devices: usize,
        /// How many verdicts are asked for.
        #[arg(long, default_value_t = 20_000)]
        verdicts: usize,
        /// How many devices are denied.
        #[arg(long, default_value_t = 10)]
        denials: usize,
    },
    /// From apply to an HTTP answer, against `podman run -d` in the same run.
    Loop {
        /// How often.
        #[arg(long, default_value_t = 20)]
        rounds: usize,
    },
    /// A virtual machine, from nothing to a container that answers, and after a power cut; needs root.
    Machines(bench::machines::Settings),
    /// Memory and processor time of the platform's programs for a small fleet.
    Sizing {
        /// How many devices, each after the other.
        #[arg(long, value_delimiter = ',', default_values_t = [100, 1_000])]
        devices: Vec<u32>,
        /// How long each fleet is watched, in seconds.
        #[arg(long, default_value_t = 120)]
        seconds: u64,
    },
    /// What the charts take: time to render and install, bytes of definitions and releases.
    Charts {
        /// How often they are rendered, with either Helm.
        #[arg(long, default_value_t = 20)]
        rounds: usize,
        /// How often they are installed, with either Helm; needs root.
        #[arg(long, default_value_t = 3)]
        installs: usize,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let start = Instant::now();
    let say = |line: &str| println!("[{:6.1} s] {line}", start.elapsed().as_secs_f64());
    let done = match Args::parse().what {
        What::Agent {
            seconds,
            static_key,
        } => {
            let credentials = if static_key {
                Credentials::StaticKey
            } else {
                Credentials::Tokens
            };
            bench::agent::run(Duration::from_secs(seconds), credentials, say).await
        }
        What::Callout {
            devices,
            verdicts,
            denials,
        } => {
            let settings = bench::callout::Settings {
                devices,
                verdicts,
                denials,
            };
            Box::pin(bench::callout::run(settings, say)).await
        }
        What::Machines(settings) => Box::pin(bench::machines::run(&settings, say)).await,
        What::Loop { rounds } => bench::round_trip::run(rounds, say).await,
        What::Soak { seconds, pause } => {
            let [span, pause] = [seconds, pause].map(Duration::from_secs);
            Box::pin(bench::soak::run(span, pause, say)).await
        }
        What::Sizing { devices, seconds } => {
            Box::pin(bench::sizing::run(
                &devices,
                Duration::from_secs(seconds),
                say,
            ))
            .await
        }
        What::Charts { rounds, installs } => bench::charts::run(rounds, installs, say).await,
    };
    match done {
        Ok(report) => {
            println!("{report}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {:#}", anyhow::Error::from(error));
            ExitCode::FAILURE
        }
    }
}
