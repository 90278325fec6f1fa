//! Whether one set of runs is worse than another by more than noise.
//!
//! One run on each side cannot tell: what differs may as well be the machine's mood. With several, a
//! rank test can, and what it calls different must also differ by more than a few percent.

mod figures;
pub mod rank;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::Error;
use crate::report::{Parameters, Report};
pub use figures::{Better, figures};

/// Chance may explain at most so much of what is called a difference.
const LEVEL: f64 = 0.05;
/// A smaller part is not worth a word, however certain it is.
const NOTABLE: f64 = 0.03;

/// What can be said of a figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Worse, by more than noise.
    Worse,
    /// Better, by more than noise.
    Better,
    /// No difference beyond noise.
    Same,
    /// There are too few runs to tell.
    CannotTell,
}

/// One figure on both sides.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    /// The figure.
    pub figure: String,
    /// Its median before.
    pub before: f64,
    /// Its median after.
    pub after: f64,
    /// How likely the difference is by chance.
    pub p: f64,
    /// What follows.
    pub verdict: Verdict,
}

/// Both sides.
#[derive(Debug, Clone)]
pub struct Sides {
    /// The older ones.
    pub before: Vec<Report>,
    /// The newer ones.
    pub after: Vec<Report>,
}

impl Sides {
    /// Of two files or folders, or of one folder: its newest commit and the one before that.
    ///
    /// # Errors
    /// When reports cannot be read, or there are not two sides of the same kind of run.
    pub fn read(paths: &[PathBuf]) -> Result<Self, Error> {
        match paths {
            [history] => Self::newest(reports(history)?),
            [before, after] => {
                let (before, after) = (reports(before)?, reports(after)?);
                let newest = after.iter().max_by(|a, b| a.started_at.cmp(&b.started_at));
                let newest = newest.map(|report| report.parameters.clone());
                Self::of(before, after, newest.as_ref())
            }
            _ => Err(Error::Nothing("name two reports, or a folder".to_owned())),
        }
    }

    fn newest(mut all: Vec<Report>) -> Result<Self, Error> {
        all.sort_by(|a, b| a.started_at.cmp(&b.started_at));
        let Some(last) = all.last() else {
            return Err(Error::Nothing("there are no reports".to_owned()));
        };
        let parameters = last.parameters.clone();
        let revision = |report: &Report| {
            let machine = &report.machine;
            (machine.commit.clone(), machine.uncommitted_changes)
        };
        let newest = revision(last);
        let alike = |report: &&Report| report.parameters == parameters;
        let older = all.iter().filter(alike).map(revision);
        let Some(earlier) = older.rev().find(|other| *other != newest) else {
            let what = "there is one commit only with runs of this kind";
            return Err(Error::Nothing(what.to_owned()));
        };
        let of = |wanted: &(String, bool)| -> Vec<Report> {
            let is_it = |report: &&Report| revision(report) == *wanted;
            all.iter().filter(is_it).cloned().collect()
        };
        Self::of(of(&earlier), of(&newest), Some(&parameters))
    }

    /// What was finished and has these parameters.
    fn of(
        before: Vec<Report>,
        after: Vec<Report>,
        parameters: Option<&Parameters>,
    ) -> Result<Self, Error> {
        let fit = |reports: Vec<Report>| -> Vec<Report> {
            let fits = |r: &Report| {
                Some(&r.parameters) == parameters && !r.interrupted && r.failure.is_none()
            };
            reports.into_iter().filter(fits).collect()
        };
        let sides = Self {
            before: fit(before),
            after: fit(after),
        };
        if sides.before.is_empty() || sides.after.is_empty() {
            let what = "no finished runs with the same parameters on both sides";
            return Err(Error::Nothing(what.to_owned()));
        }
        Ok(sides)
    }

    /// What can be said of each figure that both sides have; the worst first.
    pub fn compare(&self) -> Vec<Line> {
        let (before, after) = (columns(&self.before), columns(&self.after));
        let both = before
            .iter()
            .filter_map(|(name, old)| Some((name, old, after.get(name)?)));
        let mut lines: Vec<_> = both
            .map(|(name, (old, better), (new, _))| line(name, old, new, *better))
            .collect();
        lines.sort_by_key(|line| line.verdict);
        lines
    }
}

fn line(name: &str, old: &[f64], new: &[f64], better: Better) -> Line {
    let (before, after) = (median(old), median(new));
    let outcome = rank::test(old, new);
    let notable = (after - before).abs() > NOTABLE * before.abs().max(after.abs());
    let improved = (after > before) == (better == Better::Higher);
    let verdict = if outcome.least > LEVEL {
        Verdict::CannotTell
    } else if outcome.p > LEVEL || !notable {
        Verdict::Same
    } else if improved {
        Verdict::Better
    } else {
        Verdict::Worse
    };
    Line {
        figure: name.to_owned(),
        before,
        after,
        p: outcome.p,
        verdict,
    }
}

/// All values of each figure.
fn columns(reports: &[Report]) -> BTreeMap<String, (Vec<f64>, Better)> {
    let mut columns: BTreeMap<String, (Vec<f64>, Better)> = BTreeMap::new();
    for (name, (value, better)) in reports.iter().flat_map(figures) {
        let column = columns.entry(name).or_insert((Vec::new(), better));
        column.0.push(value);
    }
    columns
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |place: usize| sorted.get(place).copied().unwrap_or_default();
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 {
        at(middle)
    } else {
        f64::midpoint(at(middle.saturating_sub(1)), at(middle))
    }
}

/// A report, or all reports of a folder.
///
/// # Errors
/// When one cannot be read.
pub fn reports(path: &Path) -> Result<Vec<Report>, Error> {
    if !path.is_dir() {
        return Ok(vec![Report::load(path)?]);
    }
    let entries = std::fs::read_dir(path).map_err(Error::file(path))?;
    let mut found = Vec::new();
    for entry in entries {
        let file = entry.map_err(Error::file(path))?.path();
        if file.extension().is_some_and(|ending| ending == "json") {
            found.push(Report::load(&file)?);
        }
    }
    Ok(found)
}
