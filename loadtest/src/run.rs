//! One run, from its parameters to its report.

use std::sync::Arc;

use fleet_bench_kit::Machine;
use tokio_util::sync::CancellationToken;

use crate::Error;
use crate::progress::Progress;
use crate::record::Record;
use crate::report::{Connections, Credentials, Latencies, Parameters, Report, SCHEMA_VERSION};
use crate::scenario::Scene;

/// Does what was asked for. Once `stop` is cancelled, what was found out by then is reported.
///
/// # Errors
/// When what was asked for cannot be begun. What fails later is in the report.
pub async fn run(
    parameters: Parameters,
    progress: Arc<Progress>,
    stop: CancellationToken,
) -> Result<Report, Error> {
    let started_at = jiff::Timestamp::now().to_string();
    let (machine, record) = (Machine::read().await, Record::default());
    let scene = Scene::new(parameters.clone(), record.clone(), progress)?;
    let (interrupted, failure) = tokio::select! {
        outcome = Box::pin(scene.play()) => (false, outcome.err().as_ref().map(chain)),
        () = stop.cancelled() => (true, None),
    };
    Ok(report(
        parameters,
        machine,
        started_at,
        &record,
        interrupted,
        failure,
    ))
}

fn report(
    parameters: Parameters,
    machine: Machine,
    started_at: String,
    record: &Record,
    interrupted: bool,
    failure: Option<String>,
) -> Report {
    let notes = std::mem::take(&mut *record.notes());
    let latencies = notes.latencies.into_iter();
    Report {
        schema_version: SCHEMA_VERSION,
        simulated: simulated(&parameters),
        parameters,
        machine,
        versions: notes.versions,
        started_at,
        seconds: fleet_bench_kit::stats::round(record.elapsed().as_secs_f64(), 1),
        interrupted,
        failure,
        checks: notes.checks,
        figures: notes.figures,
        latencies: latencies
            .map(|(name, times)| (name, Latencies::from(times)))
            .collect(),
        errors: notes.errors,
        throughput: notes.throughput,
        processes: notes.processes,
        gauges: notes.gauges,
    }
}

/// What was not real.
fn simulated(parameters: &Parameters) -> Vec<String> {
    let mut all = vec!["container runtime: in memory, nothing is run".to_owned()];
    if parameters.connections == Connections::Multiplexed {
        all.push("connections: a few speak for all devices, as a user of the test bed".to_owned());
    }
    if parameters.credentials == Credentials::Callout {
        let what = "identity provider: tokens of devices are signed with its key without asking it";
        all.push(what.to_owned());
    }
    all.push("network: loopback; servers, operator and devices share this machine".to_owned());
    all
}

/// An error with its causes.
pub fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    text
}
