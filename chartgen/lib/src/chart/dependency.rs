//! Charts that a chart brings: what `Chart.yaml` and `Chart.lock` say about them, and whether the
//! values know them.

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::meta::{optional, text};
use crate::emit::{self, HEADER};
use crate::error::Problem;
use crate::tree::{Item, Node, Part, entry, item};
use crate::{Kind, Path, ValuesDoc};

/// When the lock was made. Helm only writes it down; the time of a build would change the file
/// every time.
const GENERATED: &str = "1970-01-01T00:00:00Z";

/// A chart that another one brings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dependency {
    /// The name in the repository.
    pub name: String,
    /// One version, never a range: what was tested is what is installed.
    pub version: String,
    /// Where it is found: an address, or `file://../name` for a chart in a folder beside this one.
    /// May be empty for a chart that lies in `charts/`.
    pub repository: String,
    /// The value that switches it on: `nats.enabled`. The values have to have it, as a boolean:
    /// Helm takes a condition that it does not find for one that holds.
    pub condition: Option<String>,
    /// What its values are called here, if not like itself. Helm also calls the chart so in the
    /// names of its objects.
    pub alias: Option<String>,
}

impl Dependency {
    /// The key of its values in those of the chart that brings it.
    pub fn key(&self) -> &str {
        self.alias.as_deref().unwrap_or(&self.name)
    }

    /// What `Chart.yaml` says about it.
    pub(super) fn item(&self) -> Part<Item> {
        let entries = [
            text("name", &self.name),
            text("version", &self.version),
            text("repository", &self.repository),
            optional("condition", self.condition.as_ref()),
            optional("alias", self.alias.as_ref()),
        ];
        item(Node::map(entries.into_iter().flatten()))
    }

    /// The condition as a path of the values.
    fn switch(&self) -> Option<Path> {
        let condition = self.condition.as_ref()?;
        Some(Path::new(condition.split('.')))
    }

    /// What the values lack of it.
    pub(super) fn problems(&self, values: &ValuesDoc) -> Vec<Problem> {
        let mut problems = Vec::new();
        let key = Path::new([self.key()]);
        if values.kind(&key) != Some(Kind::Obj) {
            let name = self.name.clone();
            problems.push(Problem::NoDependencyValues { name, key });
        }
        if let Some(switch) = self.switch() {
            let found = values.kind(&switch);
            if found != Some(Kind::Bool) || values.default_at(&switch).is_none() {
                let name = self.name.clone();
                problems.push(Problem::NoCondition { name, switch });
            }
        }
        problems
    }

    /// The values that Helm or the dependency reads: no template of the chart needs to.
    pub(super) fn reads(&self) -> impl Iterator<Item = Path> {
        [Some(Path::new([self.key()])), self.switch()]
            .into_iter()
            .flatten()
    }

    /// As Helm's type of a dependency becomes JSON, field by field: the digest is over that text.
    fn request(&self) -> Value {
        let set = |value: Option<&str>| value.filter(|v| !v.is_empty()).map(Value::from);
        let fields = [
            ("name", Some(Value::from(self.name.as_str()))),
            ("version", set(Some(&self.version))),
            ("repository", Some(Value::from(self.repository.as_str()))),
            ("condition", set(self.condition.as_deref())),
            ("alias", set(self.alias.as_deref())),
        ];
        object(fields)
    }

    /// The same as Helm locks it: which version of it was found where.
    fn locked(&self) -> Value {
        let request = self.request();
        let fields = ["name", "version", "repository"];
        object(fields.map(|field| (field, request.get(field).cloned())))
    }
}

fn object<const N: usize>(fields: [(&str, Option<Value>); N]) -> Value {
    let set = fields
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), value?)));
    Value::Object(set.collect::<Map<_, _>>())
}

/// The text of `Chart.lock`. With exact versions nothing has to be looked up for it, and
/// `helm dependency build` takes it as it takes its own.
pub(super) fn lock(dependencies: &[Dependency]) -> String {
    let locked = dependencies.iter().map(|dependency| {
        let entries = [
            text("name", &dependency.name),
            // Helm writes it even where there is none.
            Some(entry("repository", dependency.repository.as_str())),
            text("version", &dependency.version),
        ];
        item(Node::map(entries.into_iter().flatten()))
    });
    let root = Node::map([
        entry("dependencies", Node::seq(locked)),
        entry("digest", digest(dependencies).as_str()),
        entry("generated", GENERATED),
    ]);
    format!("# {HEADER}\n{}", emit::data(&root))
}

/// Helm's digest of a lock (`HashReq` in its resolver): SHA-256 over what was asked for and what was
/// found, as Go writes JSON.
fn digest(dependencies: &[Dependency]) -> String {
    let both = [Dependency::request, Dependency::locked];
    let both = both.map(|form| dependencies.iter().map(form).collect::<Value>());
    let text = as_go_writes(&Value::from_iter(both).to_string());
    let hash = Sha256::digest(text.as_bytes());
    let hex = hash.iter().map(|byte| format!("{byte:02x}"));
    format!("sha256:{}", hex.collect::<String>())
}

/// Go escapes in JSON what HTML or `JavaScript` would misread. None of it occurs outside of strings.
fn as_go_writes(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for letter in json.chars() {
        match letter {
            '<' => text.push_str("\\u003c"),
            '>' => text.push_str("\\u003e"),
            '&' => text.push_str("\\u0026"),
            '\u{2028}' => text.push_str("\\u2028"),
            '\u{2029}' => text.push_str("\\u2029"),
            other => text.push(other),
        }
    }
    text
}
