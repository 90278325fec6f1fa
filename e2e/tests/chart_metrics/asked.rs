//! What an expression of `PromQL` asks for, as far as ours go.

use std::collections::{BTreeMap, BTreeSet};

/// What Prometheus itself adds to what it scrapes.
const SCRAPED: [&str; 2] = ["instance", "job"];

/// Values of labels by the label's name.
pub(crate) type Labels = BTreeMap<String, BTreeSet<String>>;

/// The labels of each metric on a page, by the metric's name as it is asked for.
#[derive(Debug, Default)]
pub(crate) struct Metrics(pub(crate) BTreeMap<String, Labels>);

impl Metrics {
    pub(crate) fn parse(page: &str) -> Self {
        let mut metrics = Self::default();
        metrics.add(page);
        metrics
    }

    pub(crate) fn add(&mut self, page: &str) {
        for line in page.lines().filter(|line| !line.starts_with('#')) {
            let Some((series, _)) = line.rsplit_once(' ') else {
                continue;
            };
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            let labels = labels.trim_end_matches('}').split(',');
            let found = self.0.entry(name.to_owned()).or_default();
            for (label, value) in labels.filter_map(|label| label.split_once('=')) {
                let value = value.trim_matches('"').to_owned();
                found.entry(label.to_owned()).or_default().insert(value);
            }
        }
    }

    /// What an expression asks for that is not there.
    pub(crate) fn missing(&self, expr: &str) -> Vec<String> {
        let asked = asked(expr);
        let mut known = Labels::new();
        let mut missing = Vec::new();
        for name in &asked.metrics {
            match self.0.get(name) {
                Some(labels) => known.extend(labels.clone()),
                None => missing.push(format!("the metric {name}")),
            }
        }
        let names = asked.grouped.iter().chain(asked.selected.keys());
        let strange =
            names.filter(|name| !known.contains_key(*name) && !SCRAPED.contains(&name.as_str()));
        missing.extend(strange.map(|name| format!("the label {name}")));
        for (name, values) in &asked.selected {
            let there = known.get(name).cloned().unwrap_or_default();
            let strange = values.difference(&there);
            missing.extend(strange.map(|value| format!("{name}={value}")));
        }
        missing
    }
}

/// What an expression asks for.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Asked {
    pub(crate) metrics: BTreeSet<String>,
    /// Labels by which it groups or joins: those that its result has.
    pub(crate) grouped: BTreeSet<String>,
    /// Labels it selects by, with the values that are written out.
    pub(crate) selected: Labels,
}

pub(crate) fn asked(expr: &str) -> Asked {
    let mut asked = Asked::default();
    let (outside, selectors) = apart(expr);
    let ours = |word: &&String| word.starts_with("fleet_") || word.starts_with("process_");
    asked.metrics = words(&outside).iter().filter(ours).cloned().collect();
    for keyword in [" by (", " on (", "group_left ("] {
        let lists = outside.split(keyword).skip(1);
        let lists = lists.filter_map(|rest| rest.split_once(')'));
        asked
            .grouped
            .extend(lists.flat_map(|(list, _)| words(list)));
    }
    for selector in selectors.iter().flat_map(|selectors| selectors.split(',')) {
        let end = selector.find(['=', '!']).unwrap_or(selector.len());
        let (label, rest) = selector.split_at(end);
        let values = rest.trim_matches(|c| "=!~\"".contains(c)).split('|');
        // What is a pattern names no value.
        let plain = |value: &&str| value.chars().all(|c| c.is_ascii_alphanumeric());
        let found = asked.selected.entry(label.trim().to_owned()).or_default();
        found.extend(values.filter(plain).map(str::to_owned));
    }
    asked
}

/// The expression without its selectors, and what stands in those.
fn apart(expr: &str) -> (String, Vec<&str>) {
    let (mut outside, mut selectors) = (String::new(), Vec::new());
    let mut rest = expr;
    while let Some((before, after)) = rest.split_once('{') {
        let (selector, after) = after.split_once('}').unwrap_or((after, ""));
        outside.push_str(before);
        selectors.push(selector);
        rest = after;
    }
    (outside + rest, selectors)
}

fn words(text: &str) -> BTreeSet<String> {
    let inner = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = text.split(|c| !inner(c)).filter(|word| !word.is_empty());
    words.map(str::to_owned).collect()
}

#[test]
fn expressions_are_read() {
    let found = asked(
        "sum by (kind, reason) (rate(fleet_a_total{outcome!=\"Written\",to=~\"b|c|d.*\"}[10m])) \
         / fleet_b * on (job) group_left (program) process_c > 0",
    );
    let set = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
    let expected = Asked {
        metrics: set(&["fleet_a_total", "fleet_b", "process_c"]),
        grouped: set(&["job", "kind", "program", "reason"]),
        selected: [("outcome", set(&["Written"])), ("to", set(&["b", "c"]))]
            .map(|(label, values)| (label.to_owned(), values))
            .into(),
    };
    assert_eq!(found, expected);
}

#[test]
fn what_is_not_there_is_named() {
    let metrics = Metrics::parse("# HELP fleet_a A\nfleet_a{kind=\"x\"} 1\n");
    assert!(
        metrics
            .missing("sum by (kind, job) (fleet_a{kind=\"x\"})")
            .is_empty()
    );
    let missing = metrics.missing("sum by (kin) (fleet_a{kind=\"y\"}) + fleet_b");
    assert_eq!(missing, ["the metric fleet_b", "the label kin", "kind=y"]);
}
