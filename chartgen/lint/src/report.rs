//! What was found.

use std::fmt;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use crate::object::{Object, Place};
use crate::rule::{Rule, Severity};

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The rule it breaks.
    pub rule: Rule,
    /// How much it matters.
    pub severity: Severity,
    /// Where it is.
    pub place: Place,
    /// The object, such as `Deployment web/api`; empty when there is none.
    pub object: String,
    /// The container, where it is about one.
    pub container: Option<String>,
    /// What is wrong.
    pub message: String,
}

impl Finding {
    pub(crate) fn new(rule: Rule, object: &Object, message: impl Into<String>) -> Self {
        Self {
            rule,
            severity: rule.severity(),
            place: object.place.clone(),
            object: object.to_string(),
            container: None,
            message: message.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}[{}]: ", self.place, self.severity, self.rule)?;
        if !self.object.is_empty() {
            f.write_str(&self.object)?;
            if let Some(container) = &self.container {
                write!(f, ", container {container:?}")?;
            }
            f.write_str(": ")?;
        }
        write!(f, "{}\n    help: {}", self.message, self.rule.advice())
    }
}

impl Serialize for Finding {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Finding", 10)?;
        fields.serialize_field("rule", &self.rule)?;
        fields.serialize_field("severity", &self.severity)?;
        fields.serialize_field("file", &self.place.file)?;
        fields.serialize_field("template", &self.place.template)?;
        fields.serialize_field("document", &self.place.document)?;
        fields.serialize_field("line", &self.place.line)?;
        fields.serialize_field("object", &self.object)?;
        fields.serialize_field("container", &self.container)?;
        fields.serialize_field("message", &self.message)?;
        fields.serialize_field("advice", self.rule.advice())?;
        fields.end()
    }
}

/// All findings, in the order of the manifests, and what they were about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// How many objects were looked at.
    pub objects: usize,
    /// What was found.
    pub findings: Vec<Finding>,
}

impl Report {
    /// The findings of one severity.
    pub fn count(&self, severity: Severity) -> usize {
        let of_it = |finding: &&Finding| finding.severity == severity;
        self.findings.iter().filter(of_it).count()
    }

    /// The findings of one rule.
    pub fn of(&self, rule: Rule) -> impl Iterator<Item = &Finding> {
        self.findings
            .iter()
            .filter(move |finding| finding.rule == rule)
    }

    /// Whether there is an error among the findings.
    pub fn has_errors(&self) -> bool {
        self.count(Severity::Error) > 0
    }

    /// Adds the findings of another report over the same objects.
    pub fn merge(&mut self, other: Self) {
        self.objects = self.objects.max(other.objects);
        self.findings.extend(other.findings);
        self.sort();
    }

    pub(crate) fn sort(&mut self) {
        self.findings.sort_by(|a, b| {
            (&a.place, &a.object, a.rule, &a.container, &a.message).cmp(&(
                &b.place,
                &b.object,
                b.rule,
                &b.container,
                &b.message,
            ))
        });
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.findings {
            writeln!(f, "{finding}")?;
        }
        let counts = [Severity::Error, Severity::Warning, Severity::Note].map(|s| self.count(s));
        let [errors, warnings, notes] = counts;
        write!(
            f,
            "{} objects: {errors} errors, {warnings} warnings, {notes} notes",
            self.objects
        )
    }
}
