//! A chart: all its parts, checked against each other and written as files.

mod dependency;
mod meta;
pub(crate) mod notes;
mod profile;
mod readme;
mod rendered;
mod review;

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::panic::Location;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Serialize;

use crate::cond::Test;
use crate::emit::{self, Context, HEADER};
use crate::error::{ChartError, ChartErrors, Problem};
use crate::expr::Place;
use crate::template::Template;
use crate::{Cond, Path, ValueRef, ValuesDoc};

pub use dependency::Dependency;
pub use meta::{ChartKind, ChartMeta, Maintainer, yaml_text};
pub use notes::Notes;
pub use profile::{Profile, plain};
pub use rendered::{Drift, FileError, RenderedChart};

/// A Helm chart whose interface is the struct `V`.
///
/// What is wrong with the parts comes out in [`Chart::build`], all of it together.
#[derive(Debug)]
pub struct Chart<V> {
    meta: ChartMeta,
    at: Place,
    subchart: bool,
    templates: Vec<Named<Template>>,
    checks: Vec<(Test, String, Place)>,
    notes: Option<(Notes, Place)>,
    readme: Option<(String, Place)>,
    files: Vec<Named<Vec<u8>>>,
    profiles: Vec<Profile<V>>,
    exempt: Vec<(Path, Place)>,
    values: PhantomData<fn() -> V>,
}

/// Something with the name of a file.
#[derive(Debug)]
struct Named<T> {
    name: String,
    what: T,
    at: Place,
}

impl<V: Serialize + JsonSchema + Default> Chart<V> {
    /// A chart of nothing yet but its `Chart.yaml` and values.
    #[track_caller]
    pub fn new(meta: ChartMeta) -> Self {
        Self {
            meta,
            at: Location::caller(),
            subchart: false,
            templates: Vec::new(),
            checks: Vec::new(),
            notes: None,
            readme: None,
            files: Vec::new(),
            profiles: Vec::new(),
            exempt: Vec::new(),
            values: PhantomData,
        }
    }

    /// Other charts bring this one: they may set `enabled`, and do so in the chart's own values.
    #[must_use]
    pub fn as_subchart(mut self) -> Self {
        self.subchart = true;
        self
    }

    /// A file below `templates/`: one document, or several, under control structures or not.
    #[must_use]
    #[track_caller]
    pub fn template(mut self, name: impl Into<String>, documents: impl Into<Template>) -> Self {
        self.templates.push(Named {
            name: name.into(),
            what: documents.into(),
            at: Location::caller(),
        });
        self
    }

    /// Values that contradict each other are answered by a sentence, and nothing is installed.
    /// The sentence is followed by the values that the condition looks at.
    #[must_use]
    #[track_caller]
    pub fn refuse(mut self, when: impl Into<Cond>, sentence: impl Into<String>) -> Self {
        let at = Location::caller();
        self.checks.push((when.into().0, sentence.into(), at));
        self
    }

    /// What Helm prints after an installation.
    #[must_use]
    #[track_caller]
    pub fn notes(mut self, notes: Notes) -> Self {
        self.notes = Some((notes, Location::caller()));
        self
    }

    /// The prose of `README.md`, a template of minijinja with the delimiters `[[ ]]`, `[% %]` and
    /// `[# #]`. It knows `name`, `version`, `app_version`, `kube_version`, `description`, and
    /// `values`, the table of all values.
    #[must_use]
    #[track_caller]
    pub fn readme(mut self, prose: impl Into<String>) -> Self {
        self.readme = Some((prose.into(), Location::caller()));
        self
    }

    /// Any other file.
    #[must_use]
    #[track_caller]
    pub fn file(mut self, path: impl Into<String>, content: impl Into<Vec<u8>>) -> Self {
        self.files.push(Named {
            name: path.into(),
            what: content.into(),
            at: Location::caller(),
        });
        self
    }

    /// A further file of values, which users may give to Helm.
    #[must_use]
    pub fn profile(mut self, profile: Profile<V>) -> Self {
        self.profiles.push(profile);
        self
    }

    /// What Helm leaves out when it packs the chart: a pattern per line.
    #[must_use]
    #[track_caller]
    pub fn helmignore<'p>(self, patterns: impl IntoIterator<Item = &'p str>) -> Self {
        let lines: Vec<_> = patterns.into_iter().collect();
        self.file(".helmignore", format!("# {HEADER}\n{}\n", lines.join("\n")))
    }

    /// A value that no template refers to, and why it is there nevertheless. The reason is for
    /// readers of the source.
    #[must_use]
    #[track_caller]
    #[allow(clippy::needless_pass_by_value, reason = "`v!` makes one for the call")]
    pub fn exempt(mut self, value: ValueRef<V>, _reason: &str) -> Self {
        let at = Location::caller();
        self.exempt.push((value.path().clone(), at));
        self
    }

    /// Checks everything and writes the files.
    ///
    /// # Errors
    /// All that is wrong, not only the first.
    pub fn build(&self) -> Result<RenderedChart, ChartErrors> {
        let values = ValuesDoc::of::<V>().map_err(|error| {
            let problem = Problem::Values(error.to_string());
            ChartErrors(vec![ChartError::new(self.at, problem)])
        })?;
        let values = if self.subchart {
            values.for_subchart()
        } else {
            values
        };
        let dependencies = self.meta.dependencies.iter();
        let values = dependencies.fold(values, |values, dependency| {
            values.with_dependency(dependency.key())
        });
        let mut context = Context::new(&self.meta.name, Some(&values));
        context.is_subchart = self.subchart;
        context.templates = self.templates.iter().map(|t| t.name.clone()).collect();
        context.files = self.files.iter().map(|f| f.name.clone()).collect();
        let mut files = Files::default();
        self.write_templates(&context, &mut files);
        self.write_rest(&context, &values, &mut files);
        let mut errors = context.errors.take();
        errors.extend(files.errors);
        let problems = self.meta.problems().into_iter();
        errors.extend(problems.map(|problem| ChartError::new(self.at, problem)));
        let dependencies = self.meta.dependencies.iter();
        let problems = dependencies.flat_map(|dependency| dependency.problems(&values));
        errors.extend(problems.map(|problem| ChartError::new(self.at, problem)));
        errors.extend(review::documents(&self.templates));
        errors.extend(review::values(self, &values, &context.used.take()));
        if !errors.is_empty() {
            errors.sort_by_key(|error| error.at.map(|at| (at.file(), at.line(), at.column())));
            return Err(ChartErrors(errors));
        }
        Ok(RenderedChart {
            name: self.meta.name.clone(),
            version: self.meta.version.clone(),
            dependencies: self.meta.dependencies.clone(),
            files: files.files,
        })
    }

    fn write_templates(&self, context: &Context<'_>, files: &mut Files) {
        for template in &self.templates {
            let text = emit::template(context, &template.what.0, template.at);
            let path = format!("templates/{}", template.name);
            files.errors.extend(review::template_name(template));
            files.add(&path, text, template.at);
        }
        if !self.checks.is_empty() {
            let checks: Vec<_> = self.checks.iter().map(review::check).collect();
            let text = emit::checks(context, &checks);
            files.add("templates/validate.yaml", text, self.at);
        }
        if let Some((notes, at)) = &self.notes {
            let text = emit::notes(context, &notes.0, at);
            files.add("templates/NOTES.txt", text, at);
        }
        // Last, when it is known which of them are used.
        if let Some(text) = emit::helpers_file(context) {
            files.add("templates/_helpers.tpl", text, self.at);
        }
    }

    fn write_rest(&self, context: &Context<'_>, values: &ValuesDoc, files: &mut Files) {
        let chart = format!("# {HEADER}\n{}", emit::data(&self.meta.node()));
        files.add("Chart.yaml", chart, self.at);
        if !self.meta.dependencies.is_empty() {
            let lock = dependency::lock(&self.meta.dependencies);
            files.add("Chart.lock", lock, self.at);
        }
        files.add("values.yaml", values.values_yaml(), self.at);
        files.add("values.schema.json", values.schema_json(), self.at);
        if let Some((prose, at)) = &self.readme {
            match readme::render(prose, &self.meta, &values.readme_table()) {
                Ok(text) => files.add("README.md", text, at),
                Err(problem) => context
                    .errors
                    .borrow_mut()
                    .push(ChartError::new(at, problem)),
            }
        }
        for profile in &self.profiles {
            match profile.text(&self.meta.name, values, &self.meta.dependencies) {
                Ok(text) => files.add(&profile.file_name(), text, profile.at()),
                Err(errors) => files.errors.extend(errors),
            }
        }
        for file in &self.files {
            files.errors.extend(review::file_name(file));
            files.add(&file.name, file.what.clone(), file.at);
        }
    }
}

/// The files written so far.
#[derive(Default)]
struct Files {
    files: BTreeMap<PathBuf, Vec<u8>>,
    errors: Vec<ChartError>,
}

impl Files {
    fn add(&mut self, path: &str, content: impl Into<Vec<u8>>, at: Place) {
        if self.files.insert(path.into(), content.into()).is_some() {
            let what = format!("the file `{path}`");
            let problem = Problem::Duplicate { what };
            self.errors.push(ChartError::new(at, problem));
        }
    }
}
