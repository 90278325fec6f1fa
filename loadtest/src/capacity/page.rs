//! The tables of the page on capacity. The words around them are written by hand; what lies between the
//! marks of a table is written anew from the reports.

use std::fmt::Write as _;

use super::{COSTS, Growth, counted};
use crate::report::Report;

/// Fleets that are looked ahead to.
const AHEAD: [f64; 2] = [1e5, 1e6];

/// Why a page cannot be filled in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PageError {
    /// It has no place for a table.
    #[error("the page lacks the line {0}")]
    Mark(String),
}

/// The tables by name.
pub fn blocks(reports: &[Report]) -> [(&'static str, String); 3] {
    let counted = counted(reports);
    let grown = COSTS.map(|cost| Growth::of(cost, &counted));
    let known = grown.iter().filter(|growth| !growth.points.is_empty());
    let known: Vec<_> = known.collect();
    [
        ("measured", measured(&known)),
        ("ahead", ahead(&known)),
        ("runs", runs(&counted)),
    ]
}

/// The page with these tables between their marks.
///
/// # Errors
/// When a mark is not there.
pub fn fill(page: &str, blocks: &[(&str, String)]) -> Result<String, PageError> {
    let mut page = page.to_owned();
    for (name, table) in blocks {
        let (begin, end) = (
            format!("<!-- begin {name} -->\n"),
            format!("<!-- end {name} -->"),
        );
        let lacks = |mark: &str| PageError::Mark(mark.trim_end().to_owned());
        let start = page.find(&begin).ok_or_else(|| lacks(&begin))? + begin.len();
        let length = page[start..].find(&end).ok_or_else(|| lacks(&end))?;
        page.replace_range(start..start + length, table);
    }
    Ok(page)
}

fn measured(known: &[&Growth]) -> String {
    let mut table = String::from(
        "| cost | measured (devices: cost) | line | ~ n^k | foretold for the largest by the smaller |\n\
         |---|---|---|---|---|\n",
    );
    for growth in known {
        let points = growth.points.iter();
        let points: Vec<_> = points
            .map(|(n, cost)| format!("{n}: {}", short(*cost)))
            .collect();
        let line = growth.line.map_or_else(dash, |line| {
            let base = short(line.base);
            if line.each > 0.0 {
                format!("{base} + {} for each 1,000", short(line.each * 1e3))
            } else {
                format!("{base}, whatever the size")
            }
        });
        let power = growth.exponent.map_or_else(dash, |k| format!("{k:.2}"));
        let largest = growth.points.last().map_or(f64::NAN, |(_, cost)| *cost);
        let foretold = growth.foretold.map_or_else(dash, |cost| {
            let off = (cost / largest - 1.0) * 100.0;
            format!("{} ({off:+.0} %)", short(cost))
        });
        let name = growth.cost.name;
        // Writing to a string cannot fail.
        let _ = writeln!(
            table,
            "| {name} | {} | {line} | {power} | {foretold} |",
            points.join("; ")
        );
    }
    table
}

fn ahead(known: &[&Growth]) -> String {
    let mut rows: Vec<_> = known
        .iter()
        .filter_map(|growth| {
            let line = growth.line?;
            let limit = growth.cost.limit;
            let reached = limit.and_then(|limit| line.reaches(limit.at));
            Some((growth, line, limit, reached))
        })
        .collect();
    rows.sort_by(|one, other| {
        let of = |reached: &Option<f64>| reached.unwrap_or(f64::INFINITY);
        of(&one.3).total_cmp(&of(&other.3))
    });
    let mut table = String::from(
        "| cost | 100,000 devices | 1,000,000 devices | limit | reached with |\n|---|---|---|---|---|\n",
    );
    for (growth, line, limit, reached) in rows {
        let [hundred, million] = AHEAD.map(|devices| short(line.at(devices)));
        let bound = limit.map_or_else(dash, |limit| format!("{}: {}", short(limit.at), limit.why));
        let reached = match (limit, reached) {
            (None, _) => dash(),
            (Some(_), None) => "no size".to_owned(),
            (Some(_), Some(devices)) => format!("{} devices", short(devices)),
        };
        let name = growth.cost.name;
        let _ = writeln!(
            table,
            "| {name} | {hundred} | {million} | {bound} | {reached} |"
        );
    }
    table
}

fn runs(counted: &[&Report]) -> String {
    let mut table = String::from("| run | commit | machine | passed |\n|---|---|---|---|\n");
    for report in counted {
        let (asked, machine) = (&report.parameters, &report.machine);
        let passed = if report.passed() { "yes" } else { "no" };
        let _ = writeln!(
            table,
            "| `{}` | `{}`{} | {}, {} cores, {} MiB | {passed} |",
            asked.command(),
            machine.commit,
            if machine.uncommitted_changes {
                " with changes"
            } else {
                ""
            },
            machine.cpu,
            machine.cores,
            machine.memory_mib,
        );
    }
    table
}

fn dash() -> String {
    "-".to_owned()
}

/// Three digits that count.
fn short(value: f64) -> String {
    let digits = match value.abs() {
        large if large >= 100.0 => {
            let step = 10_f64.powf(large.log10().floor() - 2.0);
            return format!("{:.0}", (value / step).round() * step);
        }
        large if large >= 10.0 => 1,
        large if large >= 1.0 => 2,
        small if small >= 0.1 => 3,
        small if small >= 0.01 => 4,
        _ => 5,
    };
    format!("{value:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_count() {
        let all = [1_234_567.0, 999.6, 12.34, 1.234, 0.012_34, -1_234.0];
        let texts = all.map(short);
        assert_eq!(
            texts,
            ["1230000", "1000", "12.3", "1.23", "0.0123", "-1230"]
        );
    }

    #[test]
    fn a_table_takes_the_place_of_the_old_one_and_words_stay() {
        let page = "# a\n<!-- begin x -->\nold\n<!-- end x -->\nwords\n";
        let filled = fill(page, &[("x", "new\n".to_owned())]);
        let expected = "# a\n<!-- begin x -->\nnew\n<!-- end x -->\nwords\n";
        assert_eq!(filled.as_deref(), Ok(expected));
        let again = fill(expected, &[("x", "new\n".to_owned())]);
        assert_eq!(again.as_deref(), Ok(expected), "it can be done again");
        let lacking = fill("words\n", &[("x", String::new())]);
        assert_eq!(lacking, Err(PageError::Mark("<!-- begin x -->".to_owned())));
    }
}
