//! Which plots there are of which reports.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use super::axis::Scale;
use super::chart::{Chart, Series};
use super::growth::exponent;
use crate::Error;
use crate::report::{Latencies, Report, Scenario, Usage, cpu_between, newest};

/// A file of the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its name.
    pub name: String,
    /// Its content.
    pub content: String,
}

/// The page with its plots: the newest finished report of each scenario, set-up and size.
pub fn pages(reports: &[Report]) -> Vec<File> {
    let newest = newest(reports.iter().filter(|r| !r.interrupted));
    let mut files = Vec::new();
    let mut page = String::from("# Measured\n\nWritten by `fleet-loadtest report`.\n");
    for report in &newest {
        let p = &report.parameters;
        let name = format!("{}-{}{}", p.scenario, p.devices, set_up(report));
        let charts = [
            ("latency", latencies(report)),
            ("throughput", throughput(report)),
            ("memory", memory(report)),
            ("cpu", cpu(report)),
            ("gauges", gauges(report)),
        ];
        section(&mut page, report);
        for (what, chart) in charts {
            if chart.series.iter().any(|series| !series.points.is_empty()) {
                let file = format!("{name}-{what}.svg");
                // Writing to a string cannot fail.
                let _ = writeln!(page, "\n![{}]({file})", chart.title);
                files.push(svg(file, &chart));
            }
        }
    }
    for scenario in [
        Scenario::Churn,
        Scenario::Fanout,
        Scenario::Cold,
        Scenario::Idle,
        Scenario::Many,
        Scenario::Labels,
    ] {
        let of_it = |report: &&Report| {
            let p = &report.parameters;
            p.scenario == scenario && p.options().is_empty()
        };
        let sizes: Vec<_> = newest.iter().copied().filter(of_it).collect();
        if sizes.len() > 1 {
            let (file, chart) = (format!("{scenario}-growth.svg"), growth(scenario, &sizes));
            let _ = writeln!(page, "\n## {}\n\n![{}]({file})", chart.title, chart.title);
            files.push(svg(file, &chart));
        }
    }
    files.push(File {
        name: "measured.md".to_owned(),
        content: page,
    });
    files
}

/// Writes them into a folder.
///
/// # Errors
/// When that cannot be written.
pub fn write(files: &[File], folder: &Path) -> Result<(), Error> {
    std::fs::create_dir_all(folder).map_err(Error::file(folder))?;
    for file in files {
        let path = folder.join(&file.name);
        std::fs::write(&path, &file.content).map_err(Error::file(&path))?;
    }
    Ok(())
}

/// What was asked for beside scenario and size, as a part of a file's name; nothing if that is all.
fn set_up(report: &Report) -> String {
    let options = report.parameters.options().into_iter();
    let parts = options.map(|(name, value)| format!("-{name}-{}", value.replace(',', "-")));
    parts.collect::<Vec<_>>().concat()
}

fn section(page: &mut String, report: &Report) {
    let (p, m) = (&report.parameters, &report.machine);
    let passed = if report.passed() { "passed" } else { "FAILED" };
    let _ = writeln!(
        page,
        "\n## {}: {} devices, {} Deployments\n\n{passed}. Commit `{}`{}, {} ({} cores, {} MiB), Linux {}.\n\n\
         `{}`\n",
        p.scenario,
        p.devices,
        p.deployments,
        m.commit,
        if m.uncommitted_changes {
            " with changes"
        } else {
            ""
        },
        m.cpu,
        m.cores,
        m.memory_mib,
        m.kernel,
        p.command(),
    );
    for what in &report.simulated {
        let _ = writeln!(page, "- not real: {what}");
    }
    let _ = writeln!(page, "\n| figure | value |\n|---|---|");
    for (name, value) in &report.figures {
        let _ = writeln!(page, "| {name} | {value} |");
    }
    for (name, l) in &report.latencies {
        let Latencies {
            p50_ms,
            p99_ms,
            max_ms,
            ..
        } = l;
        let _ = writeln!(
            page,
            "| {name}: p50, p99, max (ms) | {p50_ms:.1}, {p99_ms:.1}, {max_ms:.1} |"
        );
    }
    for (reason, count) in &report.errors {
        let _ = writeln!(page, "| error: {reason} | {count} |");
    }
}

fn svg(name: String, chart: &Chart) -> File {
    File {
        name,
        content: chart.svg(),
    }
}

/// The part of all that is no longer than each time.
fn latencies(report: &Report) -> Chart {
    let series = report.latencies.iter().map(|(name, latencies)| {
        let mut below = 0.0;
        let points = latencies.buckets.buckets().map(|bucket| {
            below += of(bucket.count);
            (bucket.up_to_ms(), below / of(latencies.count).max(1.0))
        });
        Series {
            name: name.clone(),
            points: points.collect(),
        }
    });
    Chart {
        title: title(report, "part that took no longer"),
        x: ("ms".to_owned(), Scale::Log),
        y: ("part".to_owned(), Scale::Linear),
        series: series.collect(),
    }
}

fn throughput(report: &Report) -> Chart {
    let series = report.throughput.iter().map(|(name, seconds)| {
        let points = (0..).zip(seconds).map(|(at, count)| (of(at), of(*count)));
        Series {
            name: name.clone(),
            points: points.collect(),
        }
    });
    Chart {
        title: title(report, "done per second"),
        x: ("s".to_owned(), Scale::Linear),
        y: ("per second".to_owned(), Scale::Linear),
        series: series.collect(),
    }
}

/// Numbers of very different size: on a logarithmic axis all of them are seen to rise or not.
fn gauges(report: &Report) -> Chart {
    let series = report.gauges.iter().map(|(name, gauges)| Series {
        name: name.clone(),
        points: gauges.iter().map(|g| (g.at, g.value)).collect(),
    });
    Chart {
        title: title(report, "what could leak"),
        x: ("s since the run began".to_owned(), Scale::Linear),
        y: ("number, MiB".to_owned(), Scale::Log),
        series: series.collect(),
    }
}

fn memory(report: &Report) -> Chart {
    let points = |usages: &[Usage]| usages.iter().map(|u| (u.at, u.rss_mib)).collect();
    processes(report, "memory in use (RSS)", "MiB", points)
}

/// Between two samples.
fn cpu(report: &Report) -> Chart {
    let points = |usages: &[Usage]| {
        let pairs = usages.iter().zip(usages.iter().skip(1));
        let cores = pairs.map(|(one, next)| {
            let seconds = (next.at - one.at).max(1e-3);
            (next.at, cpu_between(one, next) / seconds)
        });
        cores.collect()
    };
    processes(report, "processor time", "cores", points)
}

fn processes(
    report: &Report,
    what: &str,
    unit: &str,
    points: impl Fn(&[Usage]) -> Vec<(f64, f64)>,
) -> Chart {
    let series = report.processes.iter().map(|(name, usages)| Series {
        name: name.clone(),
        points: points(usages),
    });
    Chart {
        title: title(report, what),
        x: ("s since the run began".to_owned(), Scale::Linear),
        y: (unit.to_owned(), Scale::Linear),
        series: series.collect(),
    }
}

/// Memory and processor time of each server by size of fleet, with the exponent of each.
fn growth(scenario: Scenario, reports: &[&Report]) -> Chart {
    let mut costs: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
    for report in reports {
        let size = of(report.parameters.devices as u64);
        for (name, usages) in &report.processes {
            let most = usages.iter().map(|u| u.rss_mib).fold(0.0, f64::max);
            let of_it = costs.entry(format!("{name} memory, MiB")).or_default();
            of_it.push((size, most));
        }
        for (name, latencies) in &report.latencies {
            let of_it = costs.entry(format!("{name} p99, ms")).or_default();
            of_it.push((size, latencies.p99_ms));
        }
    }
    let series = costs.into_iter().map(|(name, points)| {
        let grows = exponent(&points).map_or_else(String::new, |k| format!(" ~ n^{k:.2}"));
        Series {
            name: format!("{name}{grows}"),
            points,
        }
    });
    Chart {
        title: format!("{scenario}: growth with the number of devices"),
        x: ("devices".to_owned(), Scale::Log),
        y: ("MiB, ms".to_owned(), Scale::Log),
        series: series.collect(),
    }
}

fn title(report: &Report, what: &str) -> String {
    let p = &report.parameters;
    format!("{}, {} devices: {what}", p.scenario, p.devices)
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn of(count: u64) -> f64 {
    count as f64
}
