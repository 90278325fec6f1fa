//! Runs worlds from seeds and prints what failed, and how to see it again.

use std::ops::Range;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use clap::Parser;
use fleet_sim::{Cast, Failure, Setup, run};

/// Lines of history printed of a world that failed.
const LAST: usize = 60;
/// Lines of history printed with `--trace`.
const ALL: usize = 1_000_000;

/// Simulates operators and devices under faults, reproducible from a seed.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// How many worlds, from seed 0 on, or from `--from`.
    #[arg(long, default_value_t = 1_000)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// One world only.
    #[arg(long)]
    seed: Option<u64>,
    /// Prints everything that happens; with `--seed`.
    #[arg(long, requires = "seed")]
    trace: bool,
}

fn main() -> anyhow::Result<ExitCode> {
    let args = Args::parse();
    let cast = Cast::usual()?;
    let setup = Setup::default();
    let began = Instant::now();
    if let Some(seed) = args.seed {
        let lines = if args.trace { ALL } else { LAST };
        return Ok(match run(seed, setup, &cast, lines) {
            Ok(summary) => {
                println!("seed {seed}: {summary:?}");
                ExitCode::SUCCESS
            }
            Err(failure) => {
                print(seed, &failure);
                ExitCode::FAILURE
            }
        });
    }
    let seeds = args.from..args.from + args.seeds;
    let (steps, failed) = run_all(&seeds, setup, &cast);
    let (worlds, seconds) = (args.seeds, began.elapsed().as_secs_f64());
    println!(
        "{worlds} seeds, {steps} steps, {} failed, {seconds:.1} s",
        failed.len()
    );
    for seed in failed.iter().take(3) {
        if let Err(failure) = run(*seed, setup, &cast, LAST) {
            print(*seed, &failure);
        }
    }
    Ok(if failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// All seeds, on all processors. Answers with the steps of all, and which failed.
fn run_all(seeds: &Range<u64>, setup: Setup, cast: &Cast) -> (u64, Vec<u64>) {
    let next = AtomicU64::new(seeds.start);
    let steps = AtomicU64::new(0);
    let worker = || {
        let mut failed = Vec::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return failed;
            }
            match run(seed, setup, cast, 0) {
                Ok(summary) => {
                    steps.fetch_add(summary.steps, Ordering::Relaxed);
                }
                Err(_) => failed.push(seed),
            }
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let mut failed = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        // A worker that panics has shown a defect, and its panic says where.
        let results = workers.into_iter().map(thread::ScopedJoinHandle::join);
        results
            .flat_map(Result::unwrap_or_default)
            .collect::<Vec<_>>()
    });
    failed.sort_unstable();
    (steps.into_inner(), failed)
}

fn print(seed: u64, failure: &Failure) {
    for line in &failure.trace {
        println!("{line}");
    }
    let Failure {
        violation,
        at,
        steps,
        ..
    } = failure;
    println!(
        "seed {seed}: invariant {} broken at {at} ms, step {steps}:",
        violation.invariant
    );
    println!("  {}", violation.what);
    println!("again: fleet-sim --seed {seed} --trace");
}
