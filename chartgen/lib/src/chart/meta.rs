//! `Chart.yaml`.

use std::collections::BTreeMap;

use super::dependency::Dependency;
use crate::error::Problem;
use crate::tree::{Entry, Item, Node, Part, entry, item};
use crate::yaml::scalar;

/// What `Chart.yaml` says. Its `apiVersion` is always `v2`.
///
/// ```
/// let meta = chartgen::ChartMeta {
///     name: "guestbook".into(),
///     version: "1.2.3".into(),
///     app_version: "4.5.6".into(),
///     description: "A place to leave a note".into(),
///     ..Default::default()
/// };
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChartMeta {
    /// Lower case letters, digits and dashes.
    pub name: String,
    /// The chart's version, by semantic versioning.
    pub version: String,
    /// The version of what it installs.
    pub app_version: String,
    /// The versions of Kubernetes it can be installed on: `>=1.30.0-0`.
    pub kube_version: Option<String>,
    /// One sentence.
    pub description: String,
    /// What the chart is.
    pub kind: ChartKind,
    /// Words that people search for.
    pub keywords: Vec<String>,
    /// The project's page.
    pub home: Option<String>,
    /// Where the source is.
    pub sources: Vec<String>,
    /// Who looks after it.
    pub maintainers: Vec<Maintainer>,
    /// The address of a picture.
    pub icon: Option<String>,
    /// No longer to be used.
    pub deprecated: bool,
    /// For catalogues such as Artifact Hub.
    pub annotations: BTreeMap<String, String>,
    /// The charts it brings.
    pub dependencies: Vec<Dependency>,
}

/// Data as the text of an annotation: some catalogues read lists and mappings from there.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn yaml_text(data: &impl serde::Serialize) -> Result<String, serde_json::Error> {
    Ok(crate::emit::data(&Node::of(data)?))
}

/// What a chart is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ChartKind {
    /// It can be installed.
    #[default]
    Application,
    /// Others use its named templates.
    Library,
}

/// Who looks after a chart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Maintainer {
    /// The name.
    pub name: String,
    /// How to write to them.
    pub email: Option<String>,
    /// Where to read about them.
    pub url: Option<String>,
}

impl ChartMeta {
    /// The data of `Chart.yaml`, in the order people expect.
    pub(super) fn node(&self) -> Node {
        let kind = match self.kind {
            ChartKind::Application => "application",
            ChartKind::Library => "library",
        };
        let annotations = self
            .annotations
            .iter()
            .map(|(k, v)| entry(k.as_str(), v.as_str()));
        let some = |key: &str, node: Node, there: bool| there.then(|| entry(key, node));
        let entries = [
            text("apiVersion", "v2"),
            text("name", &self.name),
            text("version", &self.version),
            text("appVersion", &self.app_version),
            optional("kubeVersion", self.kube_version.as_ref()),
            text("type", kind),
            text("description", &self.description),
            nodes("keywords", self.keywords.iter().map(|v| item(v.as_str()))),
            optional("home", self.home.as_ref()),
            nodes("sources", self.sources.iter().map(|v| item(v.as_str()))),
            optional("icon", self.icon.as_ref()),
            some("deprecated", Node::Bool(true), self.deprecated),
            nodes("maintainers", self.maintainers.iter().map(Maintainer::item)),
            some(
                "annotations",
                Node::map(annotations),
                !self.annotations.is_empty(),
            ),
            nodes(
                "dependencies",
                self.dependencies.iter().map(Dependency::item),
            ),
        ];
        Node::map(entries.into_iter().flatten())
    }

    /// What Helm or a reader of it would not take.
    pub(super) fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        problems.extend(name("a chart", &self.name));
        problems.extend(version("the chart's version", &self.version));
        for dependency in &self.dependencies {
            problems.extend(name("a dependency", &dependency.name));
            problems.extend(dependency.alias.as_ref().and_then(|a| name("an alias", a)));
            problems.extend(version("a dependency's version", &dependency.version));
        }
        for (index, dependency) in self.dependencies.iter().enumerate() {
            let mine = dependency.key();
            let same = |other: &Dependency| other.key() == mine;
            if self.dependencies[..index].iter().any(same) {
                let what = format!("the dependency `{mine}`");
                problems.push(Problem::Duplicate { what });
            }
        }
        problems
    }
}

impl Maintainer {
    fn item(&self) -> Part<Item> {
        let entries = [
            text("name", &self.name),
            optional("email", self.email.as_ref()),
            optional("url", self.url.as_ref()),
        ];
        item(Node::map(entries.into_iter().flatten()))
    }
}

/// An entry, unless there is nothing to say.
pub(super) fn text(key: &str, value: &str) -> Option<Part<Entry>> {
    (!value.is_empty()).then(|| entry(key, value))
}

pub(super) fn optional(key: &str, value: Option<&String>) -> Option<Part<Entry>> {
    value.and_then(|value| text(key, value))
}

fn nodes(key: &str, items: impl ExactSizeIterator<Item = Part<Item>>) -> Option<Part<Entry>> {
    (items.len() > 0).then(|| entry(key, Node::seq(items)))
}

fn bad(what: &'static str, name: &str, why: &'static str) -> Problem {
    let name = name.to_owned();
    Problem::BadName { what, name, why }
}

fn name(what: &'static str, name: &str) -> Option<Problem> {
    let inner = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    let formed = name.bytes().all(inner)
        && name.bytes().next().is_some_and(|c| c.is_ascii_lowercase())
        && !name.ends_with('-');
    if !formed {
        return Some(bad(
            what,
            name,
            "it has to be lower case letters, digits and dashes, and begin with a letter",
        ));
    }
    if name.len() > 53 {
        return Some(bad(what, name, "it has more than 53 characters"));
    }
    // It becomes a key in the values of other charts, written by hand.
    if scalar(name) != name {
        return Some(bad(what, name, "to a reader of YAML 1.1 it is no string"));
    }
    None
}

fn version(what: &'static str, version: &str) -> Option<Problem> {
    let (rest, build) = match version.split_once('+') {
        Some((rest, build)) => (rest, Some(build)),
        None => (version, None),
    };
    let (numbers, pre) = match rest.split_once('-') {
        Some((numbers, pre)) => (numbers, Some(pre)),
        None => (rest, None),
    };
    let number = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|c| c.is_ascii_digit())
            && (part == "0" || !part.starts_with('0'))
    };
    let word = |part: &str| {
        !part.is_empty() && part.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-')
    };
    let three = numbers.split('.').count() == 3 && numbers.split('.').all(number);
    let release = |part: &str| {
        let digits = part.bytes().all(|c| c.is_ascii_digit());
        word(part) && (!digits || number(part))
    };
    let good = three
        && pre.is_none_or(|pre| pre.split('.').all(release))
        && build.is_none_or(|build| build.split('.').all(word));
    (!good).then(|| {
        bad(
            what,
            version,
            "it has to be one semantic version, such as 1.2.3",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_no_strings_or_no_dns_labels_are_refused() {
        for good in ["guestbook", "a", "k8s-x"] {
            assert!(name("a chart", good).is_none(), "{good}");
        }
        for wrong in [
            "n", "y", "on", "null", "", "A", "1a", "a_b", "a.b", "a-", "-a",
        ] {
            assert!(name("a chart", wrong).is_some(), "{wrong}");
        }
        assert!(name("a chart", &"a".repeat(54)).is_some());
    }

    #[test]
    fn versions_are_exact() {
        for good in ["1.2.3", "0.0.0", "1.0.0-rc.1", "1.0.0-0a.x-y+build.007"] {
            assert!(version("v", good).is_none(), "{good}");
        }
        for wrong in [
            "", "1", "1.2", ">=1.2.3", "1.x.0", "01.2.3", "1.2.3-01", "1.2.3+", "v1.2.3",
        ] {
            assert!(version("v", wrong).is_some(), "{wrong}");
        }
    }
}
