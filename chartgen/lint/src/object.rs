//! Objects and where they come from.

use std::fmt;

use serde_json::Value;

use crate::report::Finding;
use crate::rule::Rule;
use crate::value::{self, text};
use crate::yaml;

/// Where something is in the manifests.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file that was read.
    pub file: String,
    /// The template it was rendered from, as Helm names it in its comment; empty when unknown.
    pub template: String,
    /// The document in the text that was read, from 1.
    pub document: usize,
    /// The line in the text that was read, from 1.
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.document == 0 {
            return f.write_str(&self.file);
        }
        write!(f, "{}:{} (document {}", self.file, self.line, self.document)?;
        // `helm template --output-dir` names files after templates.
        if !self.file.ends_with(&self.template) {
            write!(f, ", {}", self.template)?;
        }
        f.write_str(")")
    }
}

/// One Kubernetes object. Members that are null are not there, as for the API server.
#[derive(Debug, Clone)]
pub struct Object {
    /// Where it is.
    pub place: Place,
    /// The object.
    pub value: Value,
}

impl Object {
    /// `apps/v1`
    pub fn api_version(&self) -> &str {
        text(&self.value, "apiVersion")
    }

    /// `apps`, or nothing for the core group.
    pub fn group(&self) -> &str {
        self.api_version()
            .rsplit_once('/')
            .map_or("", |(group, _)| group)
    }

    /// `Deployment`
    pub fn kind(&self) -> &str {
        text(&self.value, "kind")
    }

    /// Its name; empty when the server makes one.
    pub fn name(&self) -> &str {
        text(&self.value, "metadata.name")
    }

    /// The namespace it names; empty when it names none.
    pub fn namespace(&self) -> &str {
        text(&self.value, "metadata.namespace")
    }

    /// An annotation; empty when it is not there.
    pub fn annotation(&self, name: &str) -> &str {
        let annotations = value::at(&self.value, "metadata.annotations");
        annotations.map_or("", |all| {
            all.get(name).and_then(Value::as_str).unwrap_or_default()
        })
    }

    /// Whether Helm runs it as a hook.
    pub fn is_hook(&self) -> bool {
        !self.annotation("helm.sh/hook").is_empty()
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.kind())?;
        if !self.namespace().is_empty() {
            write!(f, "{}/", self.namespace())?;
        }
        f.write_str(self.name())
    }
}

/// The objects of some texts, and what is wrong with the texts themselves.
#[derive(Debug, Clone, Default)]
pub struct Manifests {
    pub(crate) objects: Vec<Object>,
    pub(crate) findings: Vec<Finding>,
    /// All text as Helm would store it.
    pub(crate) text: String,
}

impl Manifests {
    /// Reads one text: a file, or all that `helm template` printed.
    pub fn read(file: &str, text: &str) -> Self {
        let mut manifests = Self::default();
        manifests.add(file, text);
        manifests
    }

    /// Reads one text more.
    pub fn add(&mut self, file: &str, text: &str) {
        let (documents, remarks) = yaml::read(text);
        for remark in remarks {
            self.findings.push(Finding {
                rule: remark.rule,
                severity: remark.severity,
                place: Place {
                    file: file.to_owned(),
                    template: remark.source.unwrap_or_default(),
                    document: remark.document,
                    line: remark.line,
                },
                object: String::new(),
                container: None,
                message: remark.message,
            });
        }
        for document in documents {
            let place = Place {
                file: file.to_owned(),
                template: document.source.unwrap_or_default(),
                document: document.number,
                line: document.line,
            };
            self.add_value(&place, document.value);
        }
        self.text.push_str("---\n");
        self.text.push_str(text);
    }

    /// The objects that were read.
    pub fn objects(&self) -> &[Object] {
        &self.objects
    }

    fn add_value(&mut self, place: &Place, mut value: Value) {
        value::without_nulls(&mut value);
        let is_list = text(&value, "kind").ends_with("List");
        if let (true, Some(Value::Array(items))) =
            (is_list, value.get_mut("items").map(Value::take))
        {
            for item in items {
                self.add_value(place, item);
            }
            return;
        }
        let object = Object {
            place: place.clone(),
            value,
        };
        let missing: Vec<_> = [
            ("apiVersion", object.api_version()),
            ("kind", object.kind()),
            (
                "metadata.name",
                &format!(
                    "{}{}",
                    object.name(),
                    text(&object.value, "metadata.generateName")
                ),
            ),
        ]
        .into_iter()
        .filter(|(_, found)| found.is_empty())
        .map(|(name, _)| name)
        .collect();
        if !missing.is_empty() {
            let message = format!("has no {}", missing.join(", no "));
            self.findings
                .push(Finding::new(Rule::NotAnObject, &object, message));
        }
        self.objects.push(object);
    }
}
