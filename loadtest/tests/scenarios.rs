//! Small fleets on real servers: what a run reports, and that its checks can fail.
#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

mod support;

use fleet_loadtest::Report;
use fleet_loadtest::report::Check;
use support::{end, run, says, start};

const SMALL: [&str; 4] = ["--devices", "20", "--deployments", "8"];

/// What did not hold, but for what a busy machine may not hold.
fn broken(report: &Report) -> Vec<&Check> {
    let broken = |check: &&Check| !check.held && !check.timed;
    report.checks.iter().filter(broken).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn churn_ends_with_right_counts_and_says_what_it_measured() {
    let run = run(&[&["churn", "--seconds", "12"][..], &SMALL].concat()).await;
    let report = &run.report;
    assert_eq!((broken(report), &report.failure), (vec![], &None));
    let timely = report.checks.iter().all(|check| check.held);
    assert_eq!((run.success, run.line["passed"] == true), (timely, timely));
    let stored = &report.latencies["report-stored"];
    let written: u64 = report.throughput["reports"].iter().sum();
    assert_eq!(stored.count, written);
    // 20 devices, 12 times each; one may have waited for its last acknowledgement now and then.
    assert!(written > 200, "{written} reports");
    assert!(report.figures["looks_right"] > 0.0);
    for process in ["operator", "nats", "api-server", "etcd", "simulator"] {
        assert!(report.processes[process].len() > 5, "samples of {process}");
    }
    assert!(report.simulated[0].contains("container runtime"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_keeps_its_reports_to_itself_fails_the_run() {
    let withheld = ["--withhold", "sim-000003"];
    let args = [&["churn", "--seconds", "6"][..], &SMALL, &withheld].concat();
    let run = run(&args).await;
    assert!(!run.success && run.line["passed"] == false, "{}", run.line);
    let broken = broken(&run.report);
    let last = "in the end every status is what the recount says";
    assert!(broken.iter().any(|check| check.what == last), "{broken:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_for_each_device_does_the_same() {
    let each = ["--connections", "each"];
    let args = [&["churn", "--seconds", "6"][..], &SMALL, &each].concat();
    let run = run(&args).await;
    assert_eq!(
        (broken(&run.report), &run.report.failure),
        (vec![], &None),
        "{}",
        run.line
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_reaches_every_device_and_each_of_them_says_when() {
    let run = run(&[&["fanout", "--seconds", "1"][..], &SMALL].concat()).await;
    let report = &run.report;
    assert_eq!((broken(report), &report.failure), (vec![], &None));
    for change in ["create-applied", "change-applied", "delete-applied"] {
        let count = report.latencies[change].count;
        assert!(count >= 20 && count.is_multiple_of(20), "{change}: {count}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_that_starts_late_takes_in_what_was_reported_before() {
    let run = run(&[&["cold"][..], &SMALL].concat()).await;
    let report = &run.report;
    assert_eq!((broken(report), &report.failure), (vec![], &None));
    let figures = &report.figures;
    assert!(figures["statuses_right_seconds"] >= figures["ready_seconds"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_fleet_costs_some_bytes_and_nobody_is_stale() {
    let run = run(&[&["idle", "--seconds", "5"][..], &SMALL].concat()).await;
    let report = &run.report;
    assert_eq!((broken(report), &report.failure), (vec![], &None));
    assert!(report.figures["device_day_sent_bytes"] > 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_run_leaves_a_report_of_what_was_done_by_then() {
    let folder = tempfile::tempdir().expect("a folder");
    let args = [&["churn", "--seconds", "600"][..], &SMALL].concat();
    let mut child = start(folder.path(), &args);
    says(&mut child, "the devices report for 600 s").await;
    let pid = child.id().and_then(|id| i32::try_from(id).ok());
    let pid = pid
        .and_then(rustix::process::Pid::from_raw)
        .expect("it runs");
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("told");
    let run = end(child, folder.path()).await;
    assert!(!run.success);
    assert!(run.report.interrupted && run.line["interrupted"] == true);
    assert!(run.report.figures["raw_per_second"] > 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_comes_back_from_a_storm_and_nothing_is_lost() {
    let each = ["--connections", "each"];
    let run = run(&[&["storm", "--seconds", "3"][..], &SMALL, &each].concat()).await;
    let report = &run.report;
    assert_eq!((broken(report), &report.failure), (vec![], &None));
    for milestone in ["connected", "told", "applied"] {
        assert_eq!(report.latencies[milestone].count, 20, "{milestone}");
    }
    assert!(report.figures["ramp_seconds"] > 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn deployments_for_one_device_and_for_all_are_right_after_every_write() {
    let rate = ["--seconds", "6", "--changes", "3"];
    let run = run(&[&["many"][..], &SMALL, &rate].concat()).await;
    let report = &run.report;
    assert_eq!((broken(report), &report.failure), (vec![], &None));
    for write in ["create-right", "change-right", "select-right"] {
        assert!(report.latencies[write].count > 0, "{write}");
    }
    assert!(report.latencies["delete-finished"].count > 0);
    assert!(report.latencies["report-stored"].count > 0);
    assert!(report.figures["status_api_requests"] > 0.0);
    assert!(report.figures["operator_cpu_percent"] > 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_that_is_kept_back_while_deployments_change_fails_the_run() {
    let rate = [
        "--seconds",
        "4",
        "--changes",
        "3",
        "--withhold",
        "sim-000003",
    ];
    let run = run(&[&["many"][..], &SMALL, &rate].concat()).await;
    assert!(!run.success && run.line["passed"] == false, "{}", run.line);
    let broken = broken(&run.report);
    let last = "in the end every status is what the recount says";
    assert!(broken.iter().any(|check| check.what == last), "{broken:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_that_change_their_labels_enter_and_leave_and_nothing_else_starts() {
    let rate = ["--seconds", "4", "--moves", "5"];
    let run = run(&[&["labels"][..], &SMALL, &rate].concat()).await;
    let report = &run.report;
    assert_eq!((broken(report), &report.failure), (vec![], &None));
    let applied = &report.latencies["label-change-applied"];
    let moved = report.figures["label_changes"];
    assert!(applied.count > 0, "{}", run.line);
    assert_eq!(u32::try_from(applied.count).map(f64::from), Ok(moved));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_label_that_nobody_is_told_of_fails_the_run() {
    let rate = ["--seconds", "2", "--moves", "5", "--withhold", "sim-000003"];
    let run = run(&[&["labels"][..], &SMALL, &rate].concat()).await;
    assert!(!run.success && run.line["passed"] == false, "{}", run.line);
    let broken: Vec<_> = broken(&run.report).iter().map(|c| c.what.clone()).collect();
    for what in [
        "in the end every status is what the recount says",
        "in the end every device runs exactly what it should",
    ] {
        assert!(broken.iter().any(|other| other == what), "{broken:#?}");
    }
    assert_eq!(run.report.errors["label change not applied in time"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_soak_loses_nothing_and_leaves_nothing_behind() {
    let rate = ["--seconds", "12", "--changes", "1", "--moves", "2"];
    let each = ["--connections", "each"];
    let run = run(&[&["mixed"][..], &SMALL, &rate, &each].concat()).await;
    let report = &run.report;
    assert_eq!((broken(report), &report.failure), (vec![], &None));
    let figures = &report.figures;
    assert!((figures["operator_restarts"] - 2.0).abs() < 1e-9);
    assert!(figures["connections_lost"] > 0.0);
    for name in ["operator_memory_mib_per_hour", "nats_memory_mib_per_hour"] {
        assert!(figures.contains_key(name) && figures.contains_key(&format!("{name}_error")));
    }
    for name in [
        "bus consumers",
        "operator descriptors",
        "nats disk, MiB",
        "etcd disk, MiB",
    ] {
        assert!(report.gauges[name].len() > 3, "{name}");
    }
}
