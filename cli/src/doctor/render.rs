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
        .map(|severity| format!("{severity} {}", report.count(*severity)))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::{Check, Finding, Reason};

    #[test]
    fn a_report_names_each_remedy_once_and_counts() {
        let secret = |name: &str| {
            Finding::new(Check::Secrets, Reason::SecretMissing, "it is not there")
                .about(format!("secret/{name}"))
                .mend("fleet-auth secrets ensure --namespace fleet-system")
        };
        let report = Report {
            namespace: "fleet-system".to_owned(),
            findings: vec![
                Finding::fine(Check::ApiServer, "Kubernetes v1.36.0"),
                secret("a"),
                secret("b"),
                Finding::new(
                    Check::Nats,
                    Reason::ImageNotPulled,
                    "no\u{1b}[2J such image",
                ),
            ],
        };
        insta::assert_snapshot!(text(&report), @r"
        SEVERITY   CHECK        REASON           OBJECT     MESSAGE
        ok         api-server   Fine             -          Kubernetes v1.36.0
        error      secrets      SecretMissing    secret/a   it is not there
        error      secrets      SecretMissing    secret/b   it is not there
        error      nats         ImageNotPulled   -          no?[2J such image

        What to do:
          SecretMissing: fleet-auth secrets ensure --namespace fleet-system
          ImageNotPulled: check registry, tag and pull secret in the values

        Namespace fleet-system: error 3, warning 0, unknown 0, ok 1
        ");
        let json = render(&report, ReportFormat::Json).expect("JSON");
        let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        let expected = serde_json::json!({"check": "api-server", "severity": "ok", "reason": "Fine",
            "message": "Kubernetes v1.36.0"});
        assert_eq!(json["findings"][0], expected);
    }
}
