//! How long it takes to set up many hosts at once, and what takes the time: `make bench-devices`.
//!
//! Hosts are containers with systemd and sshd on this machine, so that they share its processors and its way to the
//! packages; the services are real. Prints what each step took over all hosts, and a line of JSON at the end.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a benchmark stops where its set-up fails"
)]
#![allow(clippy::large_futures, reason = "starting a testbed is one")]

#[allow(dead_code, reason = "the tests use the rest")]
#[path = "../tests/hosts/machine.rs"]
mod machine;
#[allow(dead_code, reason = "the tests use the rest")]
#[path = "../tests/hosts/program.rs"]
mod program;
#[allow(dead_code, reason = "the tests use the rest")]
#[path = "../tests/hosts/services.rs"]
mod services;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Parser as _;
use fleet_bench_kit::machine::describe;
use fleet_bench_kit::stats::round;
use futures::future::join_all;
use serde_json::{Value, json};

use machine::{Machine, skips};
use program::{Program, agent};
use services::{approve, fleet_file, platform};

/// For all of them.
const LIMIT: Duration = Duration::from_secs(1800);

/// What to measure.
#[derive(Debug, clap::Parser)]
struct Args {
    /// How many hosts
    #[arg(long, default_value_t = 20)]
    hosts: usize,
    /// How many of them at once
    #[arg(long, default_value_t = 20)]
    parallel: usize,
    /// The agent; without it the one that tests use
    #[arg(long)]
    agent: Option<PathBuf>,
    /// What `cargo bench` says
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let args = Args::parse();
    if skips("the benchmark of hosts") {
        return;
    }
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(measure(&args));
}

async fn measure(args: &Args) {
    let platform = platform("bench-devices").await;
    let machines = join_all((0..args.hosts).map(|_| Machine::start_for_containers())).await;
    let folder = tempfile::tempdir().expect("a folder");
    let names: Vec<_> = (0..args.hosts)
        .map(|number| format!("host-{number}"))
        .collect();
    let agent = args.agent.clone().unwrap_or_else(|| agent().into());
    let agent = agent.canonicalize().expect("the agent");
    let fleet = fleet_file(&platform, &agent, &names, &machines, folder.path()).await;
    let parallel = args.parallel.to_string();
    let kubeconfig = platform.bed.kubeconfig().expect("a cluster");
    let setup = || {
        Program::new([
            "setup",
            "-o",
            "json",
            "--timeout",
            "1800",
            "--parallel",
            &parallel,
            "--fleet",
        ])
        .args([&fleet])
        .args(machines[0].login_options())
        .cluster(kubeconfig)
        .run()
    };
    println!("{} hosts, {parallel} at once", args.hosts);
    let begun = Instant::now();
    let approved = join_all(names.iter().map(|name| approve(&platform, name, LIMIT)));
    let (ran, _) = tokio::join!(setup(), approved);
    let first = begun.elapsed().as_secs_f64();
    assert!(ran.ok, "{}", ran.complained);
    let begun = Instant::now();
    let again = setup().await;
    let second = begun.elapsed().as_secs_f64();
    assert!(again.ok, "{}", again.complained);
    let steps = steps(&ran.json());
    for (what, (sum, longest)) in &steps {
        println!("{sum:>8.1} s in all, at most {longest:>6.1} s  {what}");
    }
    let top = steps.first().map(|(what, _)| what.clone());
    println!("from nothing {first:.1} s, again {second:.1} s");
    let line = json!({
        "benchmark": "devices", "hosts": args.hosts, "parallel": args.parallel, "seconds": round(first, 1),
        "againSeconds": round(second, 1), "dominates": top, "machine": describe().await,
    });
    println!("{line}");
}

/// What took most over all hosts, first: in all, and for the one that took longest.
fn steps(document: &Value) -> Vec<(String, (f64, f64))> {
    let hosts = document["hosts"].as_array().into_iter().flatten();
    let steps = hosts.flat_map(|host| host["steps"].as_array().into_iter().flatten());
    let mut sums: BTreeMap<String, (f64, f64)> = BTreeMap::new();
    for step in steps {
        let what = step["what"].as_str().unwrap_or_default().to_owned();
        let took = step["seconds"].as_f64().unwrap_or_default();
        let (sum, longest) = sums.entry(what).or_default();
        (*sum, *longest) = (*sum + took, longest.max(took));
    }
    let mut steps: Vec<_> = sums.into_iter().collect();
    steps.sort_by(|(_, one), (_, other)| other.0.total_cmp(&one.0));
    steps
}
