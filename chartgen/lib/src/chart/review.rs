//! What is wrong between the parts of a chart.

use std::collections::BTreeSet;

use super::{Chart, Dependency, Named};
use crate::cond::Test;
use crate::document::Document;
use crate::emit::Check;
use crate::error::{ChartError, Problem};
use crate::expr::{Form, Place};
use crate::template::Template;
use crate::tree::{Node, Part};
use crate::{Path, ValuesDoc};

/// Values that no template refers to, and exemptions that exempt nothing.
pub(super) fn values<V>(
    chart: &Chart<V>,
    values: &ValuesDoc,
    used: &BTreeSet<Path>,
) -> Vec<ChartError> {
    let within = |path: &Path, outer: &Path| path.keys().starts_with(outer.keys());
    // Of an open value, a template may use a part; of a struct, all of it.
    let is_used = |leaf: &Path| used.iter().any(|u| within(leaf, u) || within(u, leaf));
    let read: Vec<_> = chart
        .meta
        .dependencies
        .iter()
        .flat_map(Dependency::reads)
        .collect();
    let is_read = |leaf: &Path| read.iter().any(|outer| within(leaf, outer));
    let is_exempt = |leaf: &Path| chart.exempt.iter().any(|(path, _)| within(leaf, path));
    let unused = values
        .leaves()
        .filter(|leaf| !is_used(leaf) && !is_read(leaf) && !is_exempt(leaf))
        .map(|leaf| ChartError::new(chart.at, Problem::UnusedValue(leaf.clone())));
    let needless = chart
        .exempt
        .iter()
        .filter(|(path, _)| used.iter().any(|used| within(used, path)))
        .map(|(path, at)| ChartError::new(at, Problem::NeedlessExemption(path.clone())));
    unused.chain(needless).collect()
}

/// Documents that Kubernetes takes for one and the same object.
pub(super) fn documents(templates: &[Named<Template>]) -> Vec<ChartError> {
    let mut all = Vec::new();
    for template in templates {
        gather(&template.what.0, &[], &mut all);
    }
    let mut errors = Vec::new();
    for (index, (identity, tests, at)) in all.iter().enumerate() {
        let same = |(other, theirs, _): &(String, Vec<Test>, Place)| {
            other == identity && !exclude(tests, theirs)
        };
        if all[..index].iter().any(same) {
            let what = format!("the object {identity}");
            errors.push(ChartError::new(at, Problem::Duplicate { what }));
        }
    }
    errors
}

type Found = (String, Vec<Test>, Place);

/// All documents with the conditions they stand under.
fn gather(parts: &[Part<Document>], tests: &[Test], all: &mut Vec<Found>) {
    let under = |test: Test| [tests, &[test]].concat();
    for part in parts {
        match part {
            Part::One(document) => {
                let own = document.cond.iter().map(|cond| cond.0.clone());
                let tests = tests.iter().cloned().chain(own).collect();
                if let Some(identity) = identity(&document.root) {
                    all.push((identity, tests, document.at));
                }
            }
            Part::If {
                cond,
                then,
                otherwise,
            } => {
                gather(then, &under(cond.0.clone()), all);
                gather(otherwise, &under((!cond.clone()).0), all);
            }
            Part::With { body, .. } | Part::Range { body, .. } => gather(body, tests, all),
            Part::Splice(_) => {}
        }
    }
}

/// Whether one holds only if another does not.
fn exclude(tests: &[Test], others: &[Test]) -> bool {
    let opposite = |a: &Test, b: &Test| matches!(a, Test::Not(inner) if **inner == *b);
    tests
        .iter()
        .any(|a| others.iter().any(|b| opposite(a, b) || opposite(b, a)))
}

fn identity(root: &Node) -> Option<String> {
    let text = |node: &Node| match node {
        Node::Str(text) => Some(text.clone()),
        Node::Expr(expr) => Some(expr.to_string()),
        _ => None,
    };
    let metadata = root.get("metadata")?;
    let kind = text(root.get("kind")?)?;
    let api = text(root.get("apiVersion")?)?;
    let name = text(metadata.get("name")?)?;
    let namespace = metadata.get("namespace").and_then(text);
    let namespace = namespace.map(|n| format!(" in {n}")).unwrap_or_default();
    Some(format!("{kind} ({api}) {name}{namespace}"))
}

/// A sentence with the values it is about.
pub(super) fn check((test, sentence, at): &(Test, String, Place)) -> Check {
    let mut keys: Vec<_> = test
        .exprs()
        .into_iter()
        .filter_map(|expr| match &expr.form {
            Form::Value(path) => Some(path.clone()),
            _ => None,
        })
        .collect();
    keys.sort_by_key(ToString::to_string);
    keys.dedup();
    Check {
        test: test.clone(),
        sentence: sentence.clone(),
        keys,
        at,
    }
}

pub(super) fn template_name(template: &Named<Template>) -> Option<ChartError> {
    let hidden = template
        .name
        .rsplit('/')
        .next()
        .is_some_and(|n| n.starts_with('_'));
    let extension = std::path::Path::new(&template.name).extension();
    let why = if !relative(&template.name) {
        "it has to be a path of plain names below templates/"
    } else if extension.is_none_or(|extension| extension != "yaml") {
        "it has to end with .yaml"
    } else if hidden {
        "Helm does not render files whose names begin with _"
    } else {
        return None;
    };
    Some(bad("a template", &template.name, why, template.at))
}

pub(super) fn file_name(file: &Named<Vec<u8>>) -> Option<ChartError> {
    let why = "it has to be a path of plain names below the chart's folder";
    (!relative(&file.name)).then(|| bad("a file", &file.name, why, file.at))
}

fn bad(what: &'static str, name: &str, why: &'static str, at: Place) -> ChartError {
    let name = name.to_owned();
    ChartError::new(at, Problem::BadName { what, name, why })
}

/// Plain names with slashes between, none of them leading up or out.
fn relative(path: &str) -> bool {
    let plain = |c: u8| c.is_ascii_alphanumeric() || b"._-".contains(&c);
    path.split('/')
        .all(|name| !name.is_empty() && name != "." && name != ".." && name.bytes().all(plain))
}
