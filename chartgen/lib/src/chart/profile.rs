//! Further files of values: choices that belong together, for people who install the chart somewhere
//! in particular.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::Location;

use serde::Serialize;
use serde_json::{Map, Value};

use super::Dependency;
use crate::error::{ChartError, Problem};
use crate::expr::Place;
use crate::values::{data, prose};
use crate::{Path, ValuesDoc, emit, yaml};

/// Columns of a line of a comment.
const WIDTH: usize = 100;

/// A file of values beside the chart's own, given to Helm by `--values`. It holds what differs from
/// the defaults, and above each choice why.
///
/// ```
/// # use chartgen::Profile;
/// # struct Values { replicas: u32 }
/// let profile = Profile::<Values>::new("ha", "For more than one node.")
///     .set("One may fail.", |values| values.replicas = 2);
/// ```
pub struct Profile<V> {
    name: String,
    about: String,
    at: Place,
    steps: Vec<Step<V>>,
}

struct Step<V> {
    why: String,
    change: Change<V>,
    at: Place,
}

enum Change<V> {
    Set(Box<dyn Fn(&mut V)>),
    Remove(Vec<Path>),
}

impl<V> Profile<V> {
    /// The file `values-<name>.yaml`, with nothing in it yet.
    #[must_use]
    #[track_caller]
    pub fn new(name: impl Into<String>, about: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            about: about.into(),
            at: Location::caller(),
            steps: Vec::new(),
        }
    }

    /// A choice, made on the defaults and on what was chosen before. What it changes goes into the
    /// file. Lists are replaced as a whole; entries of maps are added, and cannot be taken away.
    #[must_use]
    #[track_caller]
    pub fn set(self, why: impl Into<String>, change: impl Fn(&mut V) + 'static) -> Self {
        self.step(why, Change::Set(Box::new(change)))
    }

    /// Takes away defaults of a dependency, which stand in no struct: their keys become null. Helm
    /// honours that in a file that a user gives, but not in every version in the chart's own values.
    #[must_use]
    #[track_caller]
    pub fn remove<'k, K: IntoIterator<Item = &'k str>>(
        self,
        why: impl Into<String>,
        paths: impl IntoIterator<Item = K>,
    ) -> Self {
        self.step(
            why,
            Change::Remove(paths.into_iter().map(Path::new).collect()),
        )
    }

    #[track_caller]
    fn step(mut self, why: impl Into<String>, change: Change<V>) -> Self {
        self.steps.push(Step {
            why: why.into(),
            change,
            at: Location::caller(),
        });
        self
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name of the file.
    pub(super) fn file_name(&self) -> String {
        format!("values-{}.yaml", self.name)
    }

    pub(super) fn at(&self) -> Place {
        self.at
    }
}

impl<V: Serialize + Default> Profile<V> {
    /// What the file holds, for who installs the chart's dependencies by themselves. Choices that a
    /// chart would refuse are left out.
    pub fn values(&self) -> Value {
        let mut values = Map::new();
        let mut now = V::default();
        for step in &self.steps {
            let changed = match &step.change {
                Change::Set(change) => {
                    let before = shown(&now);
                    change(&mut now);
                    differences(&before, &shown(&now)).unwrap_or_default()
                }
                Change::Remove(paths) => nulls(paths),
            };
            for (path, value) in changed {
                put(&mut values, path.keys(), value);
            }
        }
        Value::Object(values)
    }

    /// The text of the file, or all that is wrong with it.
    pub(super) fn text(
        &self,
        chart: &str,
        values: &ValuesDoc,
        dependencies: &[Dependency],
    ) -> Result<String, Vec<ChartError>> {
        let mut errors = Vec::new();
        let mut sheet = Sheet::default();
        let mut now = V::default();
        for step in &self.steps {
            let mut fail = |problem| errors.push(ChartError::new(step.at, problem));
            let changed = match &step.change {
                Change::Set(change) => {
                    let before = shown(&now);
                    change(&mut now);
                    differences(&before, &shown(&now)).map_err(|path| Problem::Removed { path })
                }
                Change::Remove(paths) => removed(paths, values, dependencies),
            };
            match changed {
                Ok(changed) if changed.is_empty() => {
                    let why = step.why.clone();
                    fail(Problem::IdleChoice { why });
                }
                Ok(changed) => sheet.add(&step.why, changed),
                Err(problem) => fail(problem),
            }
        }
        if let Err(error) = values.check(&shown(&now)) {
            let problem = Problem::Values(error.to_string());
            errors.push(ChartError::new(self.at, problem));
        }
        if errors.is_empty() {
            Ok(self.head(chart) + &sheet.text())
        } else {
            Err(errors)
        }
    }

    fn head(&self, chart: &str) -> String {
        let how = format!(
            "Use: helm install {chart} <chart> --values <chart>/{}",
            self.file_name()
        );
        let about = prose::wrapped(&self.about, WIDTH - 2);
        let lines = std::iter::once(emit::HEADER.to_owned())
            .chain(about)
            .chain([how]);
        lines
            .map(|line| format!("# {line}").trim_end().to_owned() + "\n")
            .collect()
    }
}

impl<V> fmt::Debug for Profile<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let steps: Vec<_> = self.steps.iter().map(|step| &step.why).collect();
        f.debug_struct("Profile")
            .field("name", &self.name)
            .field("steps", &steps)
            .finish_non_exhaustive()
    }
}

type Changed = Vec<(Path, Value)>;

/// Values as they stand in a file: without what is not set.
///
/// # Errors
/// When they cannot be written as JSON.
pub fn plain(values: &impl Serialize) -> Result<Value, serde_json::Error> {
    let mut value = serde_json::to_value(values)?;
    drop_nulls(&mut value);
    Ok(value)
}

/// The same of values that are read elsewhere as well, where what is wrong with them is said.
fn shown(values: &impl Serialize) -> Value {
    plain(values).unwrap_or_default()
}

fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(entries) => {
            entries.retain(|_, below| !below.is_null());
            entries.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

/// What another state of the values has otherwise, or the first key that it lacks.
fn differences(before: &Value, after: &Value) -> Result<Changed, Path> {
    let mut changed = Vec::new();
    compare(Path::new::<String>([]), before, after, &mut changed)?;
    Ok(changed)
}

fn compare(path: Path, before: &Value, after: &Value, changed: &mut Changed) -> Result<(), Path> {
    let (Value::Object(old), Value::Object(new)) = (before, after) else {
        if before != after {
            changed.push((path, after.clone()));
        }
        return Ok(());
    };
    if let Some(lost) = old.keys().find(|key| !new.contains_key(*key)) {
        return Err(path.join(lost.as_str()));
    }
    for (key, value) in new {
        let path = path.join(key.as_str());
        match old.get(key) {
            Some(old) => compare(path, old, value, changed)?,
            None => changed.push((path, value.clone())),
        }
    }
    Ok(())
}

/// Keys below a dependency's that no struct has.
fn removed(
    paths: &[Path],
    values: &ValuesDoc,
    dependencies: &[Dependency],
) -> Result<Changed, Problem> {
    let theirs = |path: &Path, dependency: &Dependency| {
        path.keys().len() > 1 && path.keys().first().is_some_and(|k| k == dependency.key())
    };
    let ours = |path: &&Path| {
        !dependencies.iter().any(|one| theirs(path, one)) || values.kind(path).is_some()
    };
    match paths.iter().find(ours) {
        None => Ok(nulls(paths)),
        Some(path) => {
            let path = path.clone();
            Err(Problem::Removed { path })
        }
    }
}

fn nulls(paths: &[Path]) -> Changed {
    let null = |path: &Path| (path.clone(), Value::Null);
    paths.iter().map(null).collect()
}

/// What goes into the file.
#[derive(Default)]
struct Sheet {
    values: Map<String, Value>,
    /// The reasons, by what they stand above.
    comments: BTreeMap<Path, Vec<String>>,
}

impl Sheet {
    fn add(&mut self, why: &str, changed: Changed) {
        let place = common(&changed);
        let comments = self.comments.entry(place).or_default();
        comments.push(why.to_owned());
        for (path, value) in changed {
            put(&mut self.values, path.keys(), value);
        }
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for (key, value) in &self.values {
            text.push('\n');
            self.entry(&Path::new([key.as_str()]), key, value, &mut text);
        }
        text
    }

    fn entry(&self, path: &Path, key: &str, value: &Value, text: &mut String) {
        let pad = "  ".repeat(path.keys().len() - 1);
        for why in self.comments.get(path).into_iter().flatten() {
            let width = WIDTH.saturating_sub(pad.len() + 2);
            for line in prose::wrapped(why, width) {
                push(text, &pad, &format!("# {line}"));
            }
        }
        let key = yaml::scalar(key);
        match value {
            // Those that have a comment somewhere below are written entry by entry.
            Value::Object(entries) if self.has_comment_below(path) => {
                push(text, &pad, &format!("{key}:"));
                for (key, value) in entries {
                    self.entry(&path.join(key.as_str()), key, value, text);
                }
            }
            value => {
                for line in data::entry(&key, value) {
                    push(text, &pad, &line);
                }
            }
        }
    }

    fn has_comment_below(&self, path: &Path) -> bool {
        let below = |other: &Path| {
            other.keys().len() > path.keys().len() && other.keys().starts_with(path.keys())
        };
        self.comments.keys().any(below)
    }
}

fn push(text: &mut String, pad: &str, line: &str) {
    text.push_str(format!("{pad}{line}").trim_end());
    text.push('\n');
}

/// The place that all changes lie at or below; where they share none, the part of the first.
fn common(changed: &Changed) -> Path {
    let mut paths = changed.iter().map(|(path, _)| path.keys());
    let first = paths.next().unwrap_or_default();
    let shared = paths.fold(first.len(), |length, other| {
        let same = first.iter().zip(other).take_while(|(a, b)| a == b).count();
        length.min(same)
    });
    Path::new(first.iter().take(shared.max(1)).cloned())
}

fn put(entries: &mut Map<String, Value>, keys: &[String], value: Value) {
    match keys {
        [] => {}
        [last] => {
            entries.insert(last.clone(), value);
        }
        [key, rest @ ..] => {
            let below = entries.entry(key.as_str()).or_insert(Value::Null);
            if !below.is_object() {
                *below = Value::Object(Map::new());
            }
            if let Value::Object(below) = below {
                put(below, rest, value);
            }
        }
    }
}
