//! Helm charts from typed Rust.
//!
//! A chart is made of values: Kubernetes objects as the tree, a `Values` struct as the interface
//! between the chart and whoever installs it, and expressions that bind places of the tree to
//! fields of that struct. Text is written once, at the end, by an emitter that owns quoting and
//! white space; no text is searched or replaced on the way.

mod chart;
mod cond;
mod document;
mod emit;
mod error;
mod expr;
pub mod helpers;
mod merge;
mod package;
mod pointer;
pub mod tree;
mod values;
mod yaml;

pub use chart::{
    Chart, ChartKind, ChartMeta, Dependency, Drift, FileError, Maintainer, Notes, RenderedChart,
};
pub use cond::{Cond, Literal};
pub use document::{Document, Template};
pub use error::{ChartError, ChartErrors, Problem};
pub use expr::{Each, Expr};
pub use package::{Package, PackageError, package};
pub use pointer::PointerError;
pub use tree::Node;
pub use values::common;
pub use values::{Kind, Path, ValueRef, ValuesDoc, ValuesError};
