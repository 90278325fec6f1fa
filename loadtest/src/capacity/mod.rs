//! What a fleet of a size costs, by what fleets of other sizes were measured to cost.
//!
//! Each cost is taken for a line over the number of devices. Whether it is one is looked at: the line
//! through all sizes but the largest says what the largest should cost, and the page says by how much
//! that is wrong. A line through a few sizes of one machine says what breaks first, and about where;
//! it does not replace a run of that size.

mod cost;
mod line;
mod page;

use crate::plot::growth::exponent;
use crate::report::{Credentials, Report, newest};
pub use cost::{COSTS, Cost, Limit};
pub use line::Line;
pub use page::{PageError, blocks, fill};

/// A cost, as it was measured.
#[derive(Debug, Clone)]
pub struct Growth {
    /// What it is.
    pub cost: Cost,
    /// How much for how many devices; the newest run of each size, from the smallest on.
    pub points: Vec<(f64, f64)>,
    /// Through all of them.
    pub line: Option<Line>,
    /// Of `c * n^k`.
    pub exponent: Option<f64>,
    /// What the smaller sizes say about the largest.
    pub foretold: Option<f64>,
}

impl Growth {
    /// What these runs say about a cost.
    pub fn of(cost: Cost, reports: &[&Report]) -> Self {
        let of_it = reports.iter().filter(|report| {
            let asked = &report.parameters;
            asked.scenario == cost.scenario && asked.connections == cost.connections
        });
        let points: Vec<_> = of_it
            .filter_map(|report| Some((size(report), (cost.read)(report)?)))
            .collect();
        let smaller = points.split_last().map(|(_, smaller)| smaller);
        let foretold = smaller.and_then(Line::through);
        Self {
            line: Line::through(&points),
            exponent: exponent(&points),
            foretold: foretold.and_then(|line| Some(line.at(points.last()?.0))),
            cost,
            points,
        }
    }
}

/// The runs that count: the newest of each kind and size that was finished, on one bus, with one operator
/// and static credentials. From the smallest to the largest.
pub fn counted(reports: &[Report]) -> Vec<&Report> {
    newest(reports.iter().filter(|report| {
        let asked = &report.parameters;
        let plain =
            asked.nats == 1 && asked.operators == 1 && asked.credentials == Credentials::Static;
        plain && !report.interrupted && report.failure.is_none()
    }))
}

#[expect(clippy::cast_precision_loss, reason = "fleets are far below 2^52")]
fn size(report: &Report) -> f64 {
    report.parameters.devices as f64
}
