//! The layout of descriptions: names to the left, values aligned, lists indented.

use std::fmt::Write as _;

use fleet_api::Deployment;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::Related;
use crate::output::{age, printable, table};

/// Column where values start.
const VALUES: usize = 20;

/// A description in the making.
#[derive(Debug, Default)]
pub(super) struct Text(String);

impl Text {
    /// `Name:   value`.
    pub(super) fn field(&mut self, name: &str, value: &str) {
        let value = if value.is_empty() { "<none>" } else { value };
        let name = if name.is_empty() {
            String::new()
        } else {
            format!("{name}:")
        };
        self.line(&name, value);
    }

    /// A field with a line for each value.
    pub(super) fn fields<I: IntoIterator<Item = String>>(&mut self, name: &str, values: I) {
        let mut values = values.into_iter();
        self.field(name, &values.next().unwrap_or_default());
        for value in values {
            self.line("", &value);
        }
    }

    /// A table under a title.
    pub(super) fn section(&mut self, name: &str, header: &[&str], rows: &[Vec<String>]) {
        if rows.is_empty() {
            return self.field(name, "");
        }
        self.0.extend([name, ":\n"]);
        for line in table(header, rows).lines() {
            self.0.extend(["  ", line, "\n"]);
        }
    }

    fn line(&mut self, name: &str, value: &str) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.0, "{name:VALUES$}{}", printable(value));
    }

    /// A table of other objects, or why it cannot be shown.
    pub(super) fn related<T>(
        &mut self,
        name: &str,
        header: &[&str],
        items: &Related<T>,
        row: impl Fn(&T) -> Vec<String>,
    ) {
        match items {
            Ok(items) => self.section(name, header, &items.iter().map(row).collect::<Vec<_>>()),
            Err(error) => self.field(name, &format!("<cannot be listed: {error}>")),
        }
    }

    /// The conditions of an object.
    pub(super) fn conditions(&mut self, conditions: &[Condition], now: Timestamp) {
        let rows: Vec<_> = conditions
            .iter()
            .map(|c| {
                let since = age(Some(&c.last_transition_time), now);
                vec![
                    c.type_.clone(),
                    c.status.clone(),
                    c.reason.clone(),
                    since,
                    c.message.clone(),
                ]
            })
            .collect();
        self.section(
            "Conditions",
            &["TYPE", "STATUS", "REASON", "SINCE", "MESSAGE"],
            &rows,
        );
    }

    /// The whole description.
    pub(super) fn finish(self) -> String {
        self.0
    }
}

/// `2026-01-01T00:00:00Z (5m ago)`.
pub(super) fn moment(time: Option<&Time>, now: Timestamp) -> String {
    time.map_or_else(String::new, |t| format!("{} ({} ago)", t.0, age(time, now)))
}

/// The first digits of a Deployment's revision, as devices and containers show it.
pub(super) fn revision(deployment: &Deployment) -> String {
    deployment.spec.score.revision().short()
}
