//! The report, for people and for programs.

use std::fmt::Write as _;

use super::finding::{Report, Severity};
use crate::args::{DocumentFormat, ReportFormat};
use crate::document::{self, DocumentError};
use crate::output::{printable, table};

/// As it is printed.
pub(super) fn render(report: &Report, format: ReportFormat) -> Result<String, DocumentError> {
    match format {
        ReportFormat::Table => Ok(text(report)),
        ReportFormat::Json => write(report, DocumentFormat::Json),
        ReportFormat::Yaml => write(report, DocumentFormat::Yaml),
    }
}

fn write(report: &Report, format: DocumentFormat) -> Result<String, DocumentError> {
    document::write(&serde_json::to_value(report)?, format)
}

/// A line for each finding; below them what to do, each once; at the end how many of each kind.
fn text(report: &Report) -> String {
    let rows: Vec<_> = report
        .findings
        .iter()
        .map(|f| {
            let object = f.object.as_deref().unwrap_or("-");
            let cells = [
                f.severity.as_str(),
                f.check.as_str(),
                f.reason.as_str(),
                object,
            ];
            let mut cells = cells.map(str::to_owned).to_vec();
            cells.push(f.message.clone());
            cells
        })
        .collect();
    let header = ["SEVERITY", "CHECK", "REASON", "OBJECT", "MESSAGE"];
    let mut text = table(&header, &rows);
    text += &remedies(report);
    let counts = Severity::ALL.iter().rev();
    let counts: Vec<_> = counts
        .map(|severity| format!("{} {severity}", report.count(*severity)))
        .collect();
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "\nNamespace {}: {}",
        printable(&report.namespace),
        counts.join(", ")
    );
    text
}

fn remedies(report: &Report) -> String {
    let mut text = String::new();
    let mut said: Vec<(&str, &str)> = Vec::new();
    for finding in &report.findings {
        let Some(remedy) = &finding.remedy else {
            continue;
        };
        let this = (finding.reason.as_str(), remedy.as_str());
        if said.contains(&this) {
            continue;
        }
        if said.is_empty() {
            text += "\nWhat to do:\n";
        }
        said.push(this);
        let _ = writeln!(text, "  {}: {}", this.0, printable(remedy));
    }
    text
}
