//! The figures of a report that can be better or worse.

use std::collections::BTreeMap;

use crate::report::{Report, cpu_seconds};

/// In which direction a figure improves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    /// Rates.
    Higher,
    /// Times, memory, processor time, errors.
    Lower,
}

/// What depends on the machine or on what was asked for, and not on the platform.
const NOT_OURS: [&str; 2] = ["raw_per_second", "pairs"];

/// All of one report, by name.
pub fn figures(report: &Report) -> BTreeMap<String, (f64, Better)> {
    let mut all = BTreeMap::new();
    for (name, latencies) in &report.latencies {
        let p50 = (latencies.p50_ms, Better::Lower);
        let p99 = (latencies.p99_ms, Better::Lower);
        all.insert(format!("{name} p50, ms"), p50);
        all.insert(format!("{name} p99, ms"), p99);
    }
    for (name, value) in &report.figures {
        if NOT_OURS.contains(&name.as_str()) {
            continue;
        }
        if let Some(better) = direction(name) {
            all.insert(name.clone(), (*value, better));
        }
    }
    for (name, usages) in &report.processes {
        let peak = usages.iter().map(|usage| usage.rss_mib);
        let peak = peak.fold(0.0, f64::max);
        all.insert(format!("{name} memory at most, MiB"), (peak, Better::Lower));
        let cpu = cpu_seconds(usages);
        all.insert(format!("{name} processor time, s"), (cpu, Better::Lower));
    }
    let errors: u64 = report.errors.values().sum();
    let errors = f64::from(u32::try_from(errors).unwrap_or(u32::MAX));
    all.insert("errors".to_owned(), (errors, Better::Lower));
    all
}

/// By the unit at the end of the name; counts have no direction.
fn direction(name: &str) -> Option<Better> {
    if name.ends_with("_per_second") || name.ends_with("_over_raw") {
        return Some(Better::Higher);
    }
    let lower = [
        "_seconds",
        "_ms",
        "_mib",
        "_percent",
        "_bytes",
        "_late",
        "_requests",
        "_per_hour",
        "_more",
    ];
    lower
        .iter()
        .any(|unit| name.ends_with(unit))
        .then_some(Better::Lower)
}
