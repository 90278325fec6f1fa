//! Platforms of other shapes than one of each: three servers of the bus, two operators, devices that log in
//! through the auth callout.
#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

mod support;

use fleet_loadtest::Report;
use fleet_loadtest::report::{Check, Connections, Credentials, Kill};
use support::{Run, run};

const SMALL: [&str; 4] = ["--devices", "20", "--deployments", "8"];

/// What did not hold, but for what a busy machine may not hold.
fn broken(report: &Report) -> Vec<&Check> {
    let broken = |check: &&Check| !check.held && !check.timed;
    report.checks.iter().filter(broken).collect()
}

/// Runs it; all has to hold.
async fn held(args: &[&str]) -> Run {
    let run = run(&[args, &SMALL].concat()).await;
    let report = &run.report;
    let found = (broken(report), &report.failure);
    assert_eq!(found, (vec![], &None), "{}", run.line);
    run
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bus_of_three_servers_takes_every_report_and_each_of_them_is_sampled() {
    let run = held(&["churn", "--seconds", "6", "--nats", "3"]).await;
    assert_eq!(run.line["nats"], 3);
    assert_eq!(run.report.parameters.nats, 3);
    for server in ["nats", "nats-2", "nats-3"] {
        let samples = &run.report.processes[server];
        assert!(samples.len() > 5, "samples of {server}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_operator_takes_over_from_one_that_dies_and_one_that_is_stopped() {
    let run = held(&["failover", "--seconds", "1", "--hertz", "5"]).await;
    let report = &run.report;
    assert_eq!(report.parameters.kill, [Kill::Operator]);
    for blow in ["killed", "stopped"] {
        assert_eq!(report.latencies[&format!("leaderless-{blow}")].count, 1);
        assert_eq!(report.latencies[&format!("applied-{blow}")].count, 20);
        assert_eq!(report.latencies[&format!("converged-{blow}")].count, 1);
    }
    let figures = &report.figures;
    let (killed, stopped) = (
        figures["leaderless_killed_max_seconds"],
        figures["leaderless_stopped_max_seconds"],
    );
    assert!(
        killed > stopped,
        "a lease runs out in {killed}, {stopped} s"
    );
    assert!(report.processes["operator-2"].len() > 5);
    // What was done by a process that is gone is not forgotten.
    for usages in report.processes.values() {
        let pairs = usages.iter().zip(usages.iter().skip(1));
        let mut falls = pairs.filter(|(one, next)| next.cpu_seconds < one.cpu_seconds);
        assert_eq!(falls.next(), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_with_the_server_that_leads_desired_state() {
    let args = [
        "failover",
        "--seconds",
        "1",
        "--hertz",
        "5",
        "--nats",
        "3",
        "--kill",
        "nats",
    ];
    let run = held(&args).await;
    let report = &run.report;
    assert_eq!(report.figures["reports_lost"].to_string(), "0");
    assert_eq!(report.latencies["converged-bus-killed"].count, 1);
    assert_eq!(report.latencies["applied-bus-killed"].count, 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_comes_back_through_the_auth_callout() {
    let run = held(&["storm", "--seconds", "3", "--credentials", "callout"]).await;
    let report = &run.report;
    let parameters = &report.parameters;
    let how = (parameters.connections, parameters.credentials);
    assert_eq!(how, (Connections::Each, Credentials::Callout));
    assert_eq!(run.line["credentials"], "callout");
    // Each logs in before the storm and after it.
    assert!(report.figures["callout_verdicts"] >= 40.0, "{}", run.line);
    assert_eq!(report.latencies["connected"].count, 20);
    assert!(report.processes["callout"].len() > 3);
    let said = report.simulated.iter();
    assert!(said.clone().any(|what| what.contains("identity provider")));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_connection_speaks_for_many_through_the_auth_callout() {
    let folder = tempfile::tempdir().expect("a folder");
    let args = [
        "churn",
        "--credentials",
        "callout",
        "--connections",
        "multiplexed",
    ];
    let child = support::start(folder.path(), &args);
    let output = child.wait_with_output().await.expect("an end");
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("rights of one device"), "{said}");
}
