//! Helm charts from typed Rust.
//!
//! A chart is made of values: Kubernetes objects as the tree, a `Values` struct as the interface
//! between the chart and whoever installs it, and expressions that bind places of the tree to
//! fields of that struct. Text is written once, at the end, by an emitter that owns quoting and
//! white space; no text is searched or replaced on the way. The charts read as if a careful person
//! had written them, and Helm 3 and Helm 4 render them to the same objects.
//!
//! # A first chart
//!
//! ```
//! use chartgen::{Chart, ChartMeta, Document, helpers, v};
//! use serde_json::json;
//!
//! #[derive(serde::Serialize, schemars::JsonSchema)]
//! #[serde(rename_all = "camelCase")]
//! struct Values {
//!     /// What visitors read.
//!     greeting: String,
//! }
//!
//! impl Default for Values {
//!     fn default() -> Self {
//!         Self { greeting: "Welcome".into() }
//!     }
//! }
//!
//! // The object as it is without any choice of the user; k8s-openapi's types will do as well.
//! let config = Document::new(&json!({
//!     "apiVersion": "v1",
//!     "kind": "ConfigMap",
//!     "metadata": {"name": "", "labels": {}},
//!     "data": {"greeting": ""},
//! }))
//! // What depends on the release or on values is laid over it.
//! .bind("/metadata/name", helpers::fullname())
//! .splice("/metadata/labels", helpers::labels())
//! .bind("/data/greeting", v!(Values, greeting));
//!
//! let chart = Chart::<Values>::new(ChartMeta {
//!     name: "guestbook".into(),
//!     version: "0.1.0".into(),
//!     ..Default::default()
//! })
//! .template("config.yaml", config)
//! .build()?;
//!
//! let template = chart.text("templates/config.yaml").unwrap_or_default();
//! assert!(template.contains("greeting: {{ .Values.greeting | quote }}"));
//! # Ok::<(), chartgen::ChartErrors>(())
//! ```
//!
//! [`RenderedChart::write_to`] writes the files, [`RenderedChart::diff`] tells in a test whether
//! committed ones are up to date, and [`package()`] makes the archive. `examples/guestbook.rs` is a
//! whole chart.
//!
//! # The parts
//!
//! - **Values.** [`ValuesDoc`] says what the struct has to be like. From it come `values.yaml`,
//!   `values.schema.json` and the README's table; [`common`] has the fields that most charts have.
//!   [`v!`] refers to a field, and does not compile when the field is gone.
//! - **Documents.** A [`Document`] is an object with overlays: [`bind`](Document::bind) for a
//!   value, [`when`](Document::when) for a condition, [`splice`](Document::splice) for a list or
//!   mapping of the user, [`comment`](Document::comment) for a reason. What only exists under
//!   control structures is built from the parts in [`tree`] and added.
//! - **Expressions.** An [`Expr`] knows the kind of what it yields, and each kind is written in one
//!   way. [`text!`] puts strings together, [`helpers`] are the named templates of most charts, a
//!   [`Cond`] is a condition.
//! - **Charts.** [`Chart::build`] checks all parts against each other.
//!
//! # What is checked
//!
//! [`Chart::build`] answers with all errors at once, each with the line of Rust it comes from:
//! places that do not exist, values of a kind that does not fit, references to values that are not
//! there, values that nothing refers to, objects, files, keys and merged list items that are there
//! twice, and names that YAML 1.1 or Kubernetes would not take.
//!
//! # What is written
//!
//! - A string stays bare only if no reader of YAML 1.1 or 1.2 takes it for something else. Text of
//!   several lines is a block where white space cannot hurt it, and quoted otherwise; no line is
//!   folded. `{{` in data is escaped. So is `<no value>`, which Helm would delete.
//! - Keys are sorted: `apiVersion`, `kind`, `metadata` and `name`, then by the alphabet. Entries
//!   that are added under control structures come after, and what the user gives comes last.
//! - A key whose entries are all left out is left out too, as is one bound to an `Option` that is
//!   not set. A list or mapping that is empty in the base stays empty.
//! - `# end` closes a document that could end with a line break that matters: Helm trims
//!   documents, and a block of text at the end would lose it.
//! - In loops and below `with`, values are referred to from the top (`$.Values`), so that no scope
//!   can hide them.

mod chart;
mod cond;
mod document;
mod emit;
mod error;
mod expr;
mod fit;
pub mod helpers;
mod merge;
mod package;
mod pointer;
mod template;
pub mod tree;
mod values;
mod yaml;

pub use chart::{
    Chart, ChartKind, ChartMeta, Dependency, Drift, FileError, Maintainer, Notes, Profile,
    RenderedChart, plain, yaml_text,
};
pub use cond::{Cond, Literal};
pub use document::Document;
pub use error::{ChartError, ChartErrors, Problem};
pub use expr::{Each, Expr};
pub use package::{Package, PackageError, package};
pub use pointer::PointerError;
pub use template::Template;
pub use tree::Node;
pub use values::common;
pub use values::{Kind, Path, ValueRef, ValuesDoc, ValuesError};
