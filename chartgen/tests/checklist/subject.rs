//! The charts, each with what it must be told, and what they render to.

use serde_json::{Map, Value, json};

use crate::support::{Case, Objects, charts};

/// The groups of values that describe pods: at the top, or below a key.
const AUTH: [&str; 5] = [
    "callout",
    "enrolment",
    "secretsJob",
    "openbaoJob",
    "zitadelJob",
];

/// A chart, with what it must be told and nothing else.
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    pub(crate) case: Case,
    groups: &'static [&'static str],
}

pub(crate) fn subjects() -> [Subject; 2] {
    let auth = Case::of(&charts().join("fleet-auth")).values(json!({
        "oidc": {"issuer": "https://id.example", "project": "1", "organisation": "2"},
        "openbao": {"address": "https://bao.example:8200"},
        "enrolmentApi": {"publicUrls": ["https://join.example"]},
        "zitadelJob": {"enabled": true},
    }));
    [
        Subject {
            name: "fleet-operator",
            case: Case::operator(),
            groups: &[""],
        },
        Subject {
            name: "fleet-auth",
            case: auth,
            groups: &AUTH,
        },
    ]
}

impl Subject {
    /// With the same for the pods of every program.
    pub(crate) fn pods(&self, values: &Value) -> Objects {
        self.told(values, |_| true).objects()
    }

    /// With the same for the pods of every program that goes on running.
    pub(crate) fn services(&self, values: &Value) -> Case {
        self.told(values, |group| !group.ends_with("Job"))
    }

    fn told(&self, values: &Value, whom: impl Fn(&str) -> bool) -> Case {
        let groups = self.groups.iter().filter(|group| whom(group));
        groups.fold(self.case.clone(), |case, group| {
            case.values(below(group, values))
        })
    }

    pub(crate) fn with(&self, values: Value) -> Objects {
        self.case.clone().values(values).objects()
    }
}

fn below(group: &str, values: &Value) -> Value {
    if group.is_empty() {
        return values.clone();
    }
    Value::Object(Map::from_iter([(group.to_owned(), values.clone())]))
}

/// Deployments and Jobs with their names and their pods' specs.
pub(crate) fn workloads(objects: &Objects) -> Vec<(&str, &Value)> {
    let found = objects
        .0
        .iter()
        .filter_map(|(name, object)| Some((name.as_str(), object.pointer("/spec/template/spec")?)));
    let found: Vec<_> = found.collect();
    assert!(!found.is_empty());
    found
}

pub(crate) fn is_deployment(name: &str) -> bool {
    name.starts_with("Deployment ")
}

pub(crate) fn containers(pod: &Value) -> &Vec<Value> {
    pod["containers"].as_array().expect("containers")
}
